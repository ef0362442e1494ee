//! Keys, mouse and fingers, as the page gets them from a reader.

use super::tab::Tab;
use serde_json::json;

/// A place in the view, in pixels from its left and upper edge.
pub(crate) type Point = (f64, f64);

/// Into how many movements a way is divided.
const MOVEMENTS: u32 = 12;

const MODIFIERS: [(&str, u32); 4] = [("Alt", 1), ("Control", 2), ("Meta", 4), ("Shift", 8)];

/// Keys that write nothing, or something other than their name, with the numbers that old scripts know them by.
const NAMED_KEYS: &[(&str, &str, u32)] = &[
    ("ArrowDown", "", 40),
    ("ArrowLeft", "", 37),
    ("ArrowRight", "", 39),
    ("ArrowUp", "", 38),
    ("Backspace", "", 8),
    ("Delete", "", 46),
    ("End", "", 35),
    ("Enter", "\r", 13),
    ("Escape", "", 27),
    ("Home", "", 36),
    ("PageDown", "", 34),
    ("PageUp", "", 33),
    ("Space", " ", 32),
    ("Tab", "", 9),
];

impl Tab {
    /// Presses and releases a key: `Tab`, `a`, `+`, `Shift+ArrowRight`.
    #[track_caller]
    pub(crate) fn key(&mut self, keys: &str) {
        let (held, name) = combination(keys);
        let modifiers = self.held | held;
        let named = NAMED_KEYS.iter().find(|(known, ..)| *known == name);
        let (key, code, text, number) = match named {
            Some((_, text, number)) => {
                let key = if name == "Space" { " " } else { name };
                (key, name.to_string(), *text, *number)
            }
            None => {
                let mut characters = name.chars();
                let (Some(character), None) = (characters.next(), characters.next()) else {
                    panic!("no key is called {name}: see NAMED_KEYS");
                };
                let code = match character {
                    'a'..='z' | 'A'..='Z' => format!("Key{}", character.to_ascii_uppercase()),
                    '0'..='9' => format!("Digit{character}"),
                    _ => String::new(),
                };
                (name, code, name, u32::from(character.to_ascii_uppercase()))
            }
        };
        // Only Shift leaves a key what it writes.
        let text = if modifiers & !8 == 0 { text } else { "" };
        let down = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        for event in [down, "keyUp"] {
            let mut params = json!({
                "type": event,
                "modifiers": modifiers,
                "key": key,
                "code": code,
                "windowsVirtualKeyCode": number,
            });
            if event == "keyDown" {
                params["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// Does something while modifier keys are held: `Control`, `Control+Shift`.
    #[track_caller]
    pub(crate) fn holding(&mut self, keys: &str, action: impl FnOnce(&mut Self)) {
        let keys = format!("{keys}+");
        let (held, rest) = combination(&keys);
        assert_eq!(rest, "", "these are modifier keys: {MODIFIERS:?}");
        let before = self.held;
        self.held |= held;
        action(self);
        self.held = before;
    }

    /// The middle of an element, scrolled into view.
    #[track_caller]
    pub(crate) fn centre(&mut self, selector: &str) -> Point {
        let selector = json!(selector);
        self.evaluate(&format!(
            "(() => {{
                const element = document.querySelector({selector});
                if (!element) throw new Error('nothing matches ' + {selector});
                element.scrollIntoView({{ block: 'nearest', inline: 'nearest', behavior: 'instant' }});
                const box = element.getBoundingClientRect();
                if (!box.width || !box.height) throw new Error({selector} + ' is not shown');
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"
        ))
    }

    /// Moves the mouse.
    #[track_caller]
    pub(crate) fn move_to(&mut self, at: Point) {
        self.mouse("mouseMoved", at, false);
    }

    /// Clicks.
    #[track_caller]
    pub(crate) fn click(&mut self, at: Point) {
        self.drag(at, at);
    }

    /// Clicks on the middle of an element.
    #[track_caller]
    pub(crate) fn click_on(&mut self, selector: &str) {
        let at = self.centre(selector);
        self.click(at);
    }

    /// Presses the mouse at one place, moves it to another and releases it there.
    #[track_caller]
    pub(crate) fn drag(&mut self, from: Point, to: Point) {
        self.mouse("mouseMoved", from, false);
        self.mouse("mousePressed", from, true);
        if from != to {
            for at in way(from, to) {
                self.mouse("mouseMoved", at, true);
            }
        }
        self.mouse("mouseReleased", to, true);
    }

    #[track_caller]
    fn mouse(&mut self, event: &str, (x, y): Point, pressed: bool) {
        let held = self.held;
        let (button, buttons) = if pressed { ("left", 1) } else { ("none", 0) };
        let buttons = if event == "mouseReleased" { 0 } else { buttons };
        self.call(
            "Input.dispatchMouseEvent",
            json!({
                "type": event, "x": x, "y": y, "modifiers": held, "button": button, "buttons": buttons,
                "clickCount": u32::from(event != "mouseMoved"),
            }),
        );
    }

    /// Turns the wheel: to the right and downwards, in pixels.
    #[track_caller]
    pub(crate) fn wheel(&mut self, (x, y): Point, (right, down): (f64, f64)) {
        let held = self.held;
        self.call(
            "Input.dispatchMouseEvent",
            json!({
                "type": "mouseWheel", "x": x, "y": y, "deltaX": right, "deltaY": down, "modifiers": held,
            }),
        );
    }

    /// Touches and lets go.
    #[track_caller]
    pub(crate) fn tap(&mut self, at: Point) {
        self.touch("touchStart", &[at]);
        self.touch("touchEnd", &[]);
    }

    /// Draws a finger from one place to another.
    #[track_caller]
    pub(crate) fn swipe(&mut self, from: Point, to: Point) {
        self.touch("touchStart", &[from]);
        for at in way(from, to) {
            self.touch("touchMove", &[at]);
        }
        self.touch("touchEnd", &[]);
    }

    /// Moves two fingers, side by side, from one distance to another.
    #[track_caller]
    pub(crate) fn pinch(&mut self, (x, y): Point, from_apart: f64, to_apart: f64) {
        let fingers = |apart: f64| [(x - apart / 2.0, y), (x + apart / 2.0, y)];
        self.touch("touchStart", &fingers(from_apart));
        for (apart, _) in way((from_apart, 0.0), (to_apart, 0.0)) {
            self.touch("touchMove", &fingers(apart));
        }
        self.touch("touchEnd", &[]);
    }

    #[track_caller]
    fn touch(&mut self, event: &str, points: &[Point]) {
        let held = self.held;
        let points = points.iter().enumerate();
        let points: Vec<_> = points
            .map(|(id, (x, y))| json!({ "x": x, "y": y, "id": id }))
            .collect();
        self.call(
            "Input.dispatchTouchEvent",
            json!({ "type": event, "touchPoints": points, "modifiers": held }),
        );
    }
}

/// The places on a straight way, its end the last.
fn way(from: Point, to: Point) -> impl Iterator<Item = Point> {
    (1..=MOVEMENTS).map(move |step| {
        let share = f64::from(step) / f64::from(MOVEMENTS);
        let between = |from: f64, to: f64| from + (to - from) * share;
        (between(from.0, to.0), between(from.1, to.1))
    })
}

/// The modifier keys in front, and what remains.
fn combination(keys: &str) -> (u32, &str) {
    let (mut held, mut rest) = (0, keys);
    while let Some((name, bit, behind)) = MODIFIERS.iter().find_map(|(name, bit)| {
        let behind = rest.strip_prefix(name)?.strip_prefix('+')?;
        Some((name, bit, behind))
    }) {
        assert_eq!(held & bit, 0, "{name} is held twice");
        (held, rest) = (held | bit, behind);
    }
    (held, rest)
}
