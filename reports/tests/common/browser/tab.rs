//! A tab: a page in it, what it says, and what it makes of a script.

use super::{Browser, WAIT_MAX, cut, now};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::MutexGuard;
use std::time::Duration;

/// How the page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// In pixels of the page.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Whether the reader's system is dark.
    pub(crate) dark: bool,
    /// Whether by a finger on a telephone, rather than by a mouse.
    pub(crate) touch: bool,
}

impl View {
    pub(crate) const WIDE: Self = Self {
        width: 1280,
        height: 900,
        dark: false,
        touch: false,
    };
    pub(crate) const NARROW: Self = Self {
        width: 360,
        height: 740,
        dark: false,
        touch: false,
    };

    pub(crate) const fn dark(self) -> Self {
        Self { dark: true, ..self }
    }

    pub(crate) const fn touch(self) -> Self {
        Self {
            touch: true,
            ..self
        }
    }
}

/// A tab in a context of its own: no storage, no permission and no clipboard of another test. It has the browser for itself.
#[derive(Debug)]
pub(crate) struct Tab {
    pub(super) browser: MutexGuard<'static, Browser>,
    context: String,
    /// The modifier keys that are held, as the protocol counts them.
    pub(super) held: u32,
    /// Where the page came from.
    url: String,
}

impl Tab {
    /// A fresh tab; `None` without a browser, which is said.
    pub(crate) fn fresh() -> Option<Self> {
        let mut browser = Browser::shared()?;
        let text = |value: &Value| value.as_str().expect("an id is a text").to_string();
        let context = browser.call("Target.createBrowserContext", json!({}));
        let context = text(&context["browserContextId"]);
        let target = browser.call(
            "Target.createTarget",
            json!({ "url": "about:blank", "browserContextId": context }),
        );
        let attached = browser.call(
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = text(&attached["sessionId"]);
        browser.events.clear();
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let focus = json!({ "enabled": true });
        browser.call("Emulation.setFocusEmulationEnabled", focus);
        Some(Self {
            browser,
            context,
            held: 0,
            url: String::new(),
        })
    }

    /// Opens a file and waits until it and all it asks for are loaded. What an earlier page said is forgotten.
    #[track_caller]
    pub(crate) fn open(&mut self, path: &Path, view: &View) {
        self.open_at(path, "", view);
    }

    /// The same by a link to a place in the page, as `#t=3`.
    #[track_caller]
    pub(crate) fn open_at(&mut self, path: &Path, place: &str, view: &View) {
        let View {
            width,
            height,
            dark,
            touch,
        } = view;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch }),
        );
        self.call(
            "Emulation.setTouchEmulationEnabled",
            json!({ "enabled": touch, "maxTouchPoints": 5 }),
        );
        let scheme = if *dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
        self.url = file_url(path) + place;
        self.browser.events.clear();
        let opened = self.call("Page.navigate", json!({ "url": self.url }));
        if let Some(error) = opened.get("errorText") {
            panic!("{}: {error}", self.url);
        }
        self.until("the page to load", |tab| {
            tab.events("Page.loadEventFired").next().map(|_| ())
        });
    }

    /// What an expression comes to; a promise is awaited. A script that throws fails the test.
    #[track_caller]
    pub(crate) fn evaluate<T: DeserializeOwned>(&mut self, expression: &str) -> T {
        let mut answer = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true }),
        );
        let asked = cut(expression, 200);
        if let Some(details) = answer.get("exceptionDetails") {
            panic!("{} in {asked}", thrown(details));
        }
        let value = answer["result"]["value"].take();
        serde_json::from_value(value.clone())
            .unwrap_or_else(|error| panic!("{asked} came to {value}: {error}"))
    }

    /// Waits until a condition holds.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, condition: &str) {
        let asked = format!("Boolean({condition})");
        self.until(condition, |tab| tab.evaluate::<bool>(&asked).then_some(()));
    }

    #[track_caller]
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Self) -> Option<T>) -> T {
        let began = now();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let browser = &mut self.browser;
            if began.elapsed() > WAIT_MAX {
                let complaints = browser.events.iter().filter_map(complaint);
                let (complaints, said) = (complaints.collect::<Vec<_>>(), browser.said());
                panic!(
                    "waited {WAIT_MAX:?} in vain for {what}; the page complains of {complaints:?}; {said}"
                );
            }
            let next = browser.next(Duration::from_millis(20));
            next.unwrap_or_else(|error| panic!("waited for {what}; {error}"));
        }
    }

    /// What the page complained of since it was opened: errors, warnings, and what a script threw and nobody caught.
    #[track_caller]
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.settle();
        self.browser.events.iter().filter_map(complaint).collect()
    }

    /// What the page asked for since it was opened, itself and what it brought along left out.
    #[track_caller]
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.settle();
        let url = |event: &Value| {
            event["params"]["request"]["url"]
                .as_str()
                .map(str::to_string)
        };
        self.events("Network.requestWillBeSent")
            .filter_map(url)
            .filter(|url| *url != self.url && !url.starts_with("data:"))
            .collect()
    }

    /// What assistive technology is told of each element: its role and its name.
    #[track_caller]
    pub(crate) fn accessible(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("a tree has nodes");
        let word = |node: &Value, name: &str| {
            let value = node[name]["value"].as_str();
            value.unwrap_or_default().to_string()
        };
        let told = nodes.iter().filter(|node| node["ignored"] != true);
        told.map(|node| (word(node, "role"), word(node, "name")))
            .collect()
    }

    /// The time from each frame to the next, in milliseconds, from before the script starts until what it returns is done.
    #[track_caller]
    pub(crate) fn frame_times(&mut self, start: &str) -> Vec<f64> {
        self.frame_times_while(|tab| {
            tab.evaluate::<Value>(&format!("Promise.resolve({start}).then(() => null)"));
        })
    }

    /// The time from each frame to the next, in milliseconds, while something is done: keys, drags, wheels.
    #[track_caller]
    pub(crate) fn frame_times_while(&mut self, action: impl FnOnce(&mut Self)) -> Vec<f64> {
        self.evaluate::<Value>(
            "new Promise(begun => {
                const watch = window.stormglassFrames = { times: [], last: null, stop: null };
                const frame = now => {
                    if (watch.last === null) begun(null); else watch.times.push(now - watch.last);
                    watch.last = now;
                    if (watch.stop) watch.stop(watch.times); else requestAnimationFrame(frame);
                };
                requestAnimationFrame(frame);
            })",
        );
        action(self);
        self.evaluate("new Promise(ended => { window.stormglassFrames.stop = ended; })")
    }

    /// Lets the page read the clipboard, and write it whenever it likes.
    #[track_caller]
    pub(crate) fn grant_clipboard(&mut self) {
        let context = self.context.clone();
        self.call(
            "Browser.grantPermissions",
            json!({ "browserContextId": context, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }),
        );
    }

    /// A picture of what the view shows, as PNG.
    #[track_caller]
    pub(crate) fn screenshot(&mut self, path: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = bytes(picture["data"].as_str().expect("a picture is a text"));
        std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Two frames pass, so that what the page was doing has come to an end, and what it said of it has arrived.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        self.evaluate::<Value>(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))",
        );
    }

    #[track_caller]
    pub(super) fn call(&mut self, method: &str, params: Value) -> Value {
        self.browser.call(method, params)
    }

    fn events(&self, method: &str) -> impl Iterator<Item = &Value> {
        let events = self.browser.events.iter();
        events.filter(move |event| event["method"] == method)
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // Not waited for: a test that failed may have left a browser that does not answer.
        let context = json!({ "browserContextId": self.context });
        let _ = self.browser.send("Target.disposeBrowserContext", context);
        self.browser.session.clear();
    }
}

/// What an event complains of, if it does.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    let grave = |level: &Value| matches!(level.as_str(), Some("error" | "warning" | "assert"));
    let words = |argument: &Value| {
        let said = argument.get("value").or(argument.get("description"))?;
        Some(
            said.as_str()
                .map_or_else(|| said.to_string(), str::to_string),
        )
    };
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(thrown(&params["exceptionDetails"])),
        "Log.entryAdded" if grave(&params["entry"]["level"]) => {
            let Value::Object(entry) = &params["entry"] else {
                return None;
            };
            let word = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            Some(format!("{} {}", word("text"), word("url")))
        }
        "Runtime.consoleAPICalled" if grave(&params["type"]) => {
            let arguments = params["args"].as_array()?.iter();
            Some(arguments.filter_map(words).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

/// The text of an exception.
fn thrown(details: &Value) -> String {
    let text = details["exception"]["description"].as_str();
    let text = text.or(details["text"].as_str());
    text.map_or_else(|| details.to_string(), str::to_string)
}

fn file_url(path: &Path) -> String {
    let path = path
        .canonicalize()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let path = path.to_str().expect("tests write to paths that are text");
    let encoded = path.replace('%', "%25").replace('#', "%23");
    format!("file://{}", encoded.replace('?', "%3F").replace(' ', "%20"))
}

/// The bytes that a text in base 64 stands for.
fn bytes(text: &str) -> Vec<u8> {
    let digit = |character: u8| match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("{character} is no digit of base 64"),
    };
    let digits: Vec<u8> = text.trim_end_matches('=').bytes().map(digit).collect();
    let group = |group: &[u8]| {
        let shifted = group.iter().zip([18, 12, 6, 0]);
        let whole = shifted.fold(0u32, |whole, (digit, shift)| {
            whole | u32::from(*digit) << shift
        });
        let [_, bytes @ ..] = whole.to_be_bytes();
        bytes.into_iter().take(group.len() - 1).collect::<Vec<u8>>()
    };
    digits.chunks(4).flat_map(group).collect()
}
