//! What a page may be reproached with, looked for in the browser.

use super::browser::{Tab, View};
use serde::Deserialize;
use serde_json::Value;

/// The functions that look, in the page.
const SCRIPT: &str = include_str!("audit.js");

/// The roles that want a name, so that whoever does not see them knows what they are for.
const CONTROLS: &[&str] = &[
    "button",
    "checkbox",
    "combobox",
    "DisclosureTriangle",
    "link",
    "listbox",
    "radio",
    "searchbox",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
];

/// How often the tabulator is pressed at most: more often than a page has places for it.
const PRESSES_MAX: usize = 300;

/// What one check saw on a page.
#[derive(Debug, Deserialize)]
pub(crate) struct Audit {
    /// How many things it looked at: a check that looks at nothing finds nothing.
    pub(crate) seen: usize,
    /// What is wrong with them.
    pub(crate) problems: Vec<String>,
}

impl Audit {
    fn of(seen: usize, problems: Vec<String>) -> Self {
        Self { seen, problems }
    }
}

/// A check of an open page.
pub(crate) type Check = fn(&mut Tab, &View) -> Audit;

/// The checks whose outcome depends on the view.
pub(crate) const VIEWED: &[(&str, Check)] = &[
    ("complaints", |tab, _| Audit::of(1, tab.complaints())),
    ("requests", |tab, _| Audit::of(1, tab.requests())),
    ("sideways", |tab, view| {
        in_page(tab, &format!("sideways({})", view.width))
    }),
    ("contrast", |tab, _| in_page(tab, "contrast()")),
];

/// The checks of what the page is made of.
pub(crate) const MADE: &[(&str, Check)] = &[
    ("headings", |tab, _| in_page(tab, "headings()")),
    ("tables", |tab, _| in_page(tab, "tables()")),
    ("drawings", |tab, _| in_page(tab, "drawings()")),
    ("names", |tab, _| names(tab)),
    ("keyboard", |tab, _| keyboard(tab)),
];

/// Opens what can be opened, so that the checks see it.
#[track_caller]
pub(crate) fn unfold(tab: &mut Tab) {
    tab.evaluate::<Value>(
        "document.querySelectorAll('details').forEach(details => { details.open = true; })",
    );
    tab.settle();
}

#[track_caller]
fn in_page(tab: &mut Tab, call: &str) -> Audit {
    tab.evaluate(&format!("{}.{call}", SCRIPT.trim_end()))
}

/// Every control has a name that can be spoken.
#[track_caller]
fn names(tab: &mut Tab) -> Audit {
    let elements = tab.accessible();
    let controls = elements
        .iter()
        .filter(|(role, _)| CONTROLS.contains(&role.as_str()));
    let controls: Vec<_> = controls.collect();
    let unspoken = |name: &str| !name.chars().any(char::is_alphanumeric);
    let nameless = controls.iter().filter(|(_, name)| unspoken(name));
    let problems = nameless.map(|(role, name)| format!("a {role} is called `{name}`"));
    Audit::of(controls.len(), problems.collect())
}

/// The keyboard comes to everything that can be used, and shows where it is.
#[track_caller]
fn keyboard(tab: &mut Tab) -> Audit {
    #[derive(Deserialize)]
    struct Focus {
        element: String,
        visible: bool,
    }
    let mut problems = Vec::new();
    for _ in 0..PRESSES_MAX {
        tab.key("Tab");
        let focus: Option<Focus> = tab.evaluate(&format!("{}.focus()", SCRIPT.trim_end()));
        // Behind the last place is the page itself, or the first again.
        let Some(focus) = focus else { break };
        if !focus.visible {
            problems.push(format!("nobody sees that {} has the focus", focus.element));
        }
    }
    let unreached = in_page(tab, "unreached()");
    let missed = unreached.problems.iter();
    problems.extend(missed.map(|element| format!("the keyboard does not come to {element}")));
    Audit::of(unreached.seen, problems)
}
