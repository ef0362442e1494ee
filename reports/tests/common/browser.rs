//! A real browser, headless, driven over its DevTools protocol.
//!
//! The protocol goes through two pipes (`--remote-debugging-pipe`): JSON messages, each ended by a zero byte. All tests of a test binary
//! share one browser, because it takes seconds to start; each takes it for itself and works in a fresh context. So focus, clipboard and
//! frames are never disturbed by a neighbour. The browser ends when its pipe closes, which happens when the test binary ends, however it
//! ends.

mod input;
mod tab;

pub(crate) use tab::{Tab, View};

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// No wait lasts longer. A browser that starts beside a busy compiler may need a good part of it.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How many of the last events a failure tells, and of the last lines that the browser wrote.
const EVENTS_TOLD: usize = 12;

/// The browser wants its pipes as descriptors 3 and 4, and a shell is what can put them there. It stays, to remove the profile behind the
/// browser; what interrupts the tests interrupts the browser, and the shell outlives it by that.
const SHELL: &str = r#"trap : INT TERM HUP
"$@" 3<&0 4>&1 0</dev/null 1>/dev/null
ended=$?
rm -rf "$0"
exit $ended"#;

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
];

/// A browser that runs, and the two ends of the conversation with it.
#[derive(Debug)]
pub(crate) struct Browser {
    shell: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    calls: u64,
    /// The session whose events are kept.
    session: String,
    events: Vec<Value>,
    last_events: VecDeque<String>,
    complaints: PathBuf,
}

static SHARED: OnceLock<Option<Mutex<Browser>>> = OnceLock::new();

impl Browser {
    /// The browser of this test binary, for the caller alone; `None` where there is none, which is said past the capture of the tests'
    /// output.
    pub(crate) fn shared() -> Option<MutexGuard<'static, Self>> {
        let shared = SHARED.get_or_init(|| Self::start().map(Mutex::new));
        if shared.is_none() {
            skipped("no browser: set CHROMIUM, or put `chromium` on the PATH");
        }
        // A test that failed left a tab behind, which is of no concern to the next.
        let lock =
            |browser: &'static Mutex<Self>| browser.lock().unwrap_or_else(PoisonError::into_inner);
        shared.as_ref().map(lock)
    }

    fn start() -> Option<Self> {
        let program = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_string());
        // The shell removes it: what stands in a static is never dropped.
        let profile = tempfile::Builder::new()
            .prefix("stormglass-browser-")
            .tempdir()
            .expect("a temporary directory can be made")
            .keep();
        let complaints = profile.join("stderr");
        let mut shell = Command::new("sh")
            .args(["-c", SHELL])
            .arg(&profile)
            .arg(&program)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints).expect("the profile is writable"))
            .spawn()
            .expect("there is a shell");
        let to = shell.stdin.take().expect("it was piped");
        let mut replies = BufReader::new(shell.stdout.take().expect("it was piped"));
        let (sender, from) = channel();
        // Ends with the browser, or with the last who listens.
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while replies
                .read_until(0, &mut message)
                .is_ok_and(|length| length > 0)
            {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else {
                    return;
                };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            shell,
            to,
            from,
            calls: 0,
            session: String::new(),
            events: Vec::new(),
            last_events: VecDeque::new(),
            complaints,
        };
        match browser.try_call("Browser.getVersion", json!({})) {
            Ok(_) => Some(browser),
            // What a shell answers when there is no such program.
            Err(_) if browser.ended() == Some(127) => None,
            Err(error) => panic!("{program} does not start: {error}"),
        }
    }

    /// The exit code, once the browser has ended.
    fn ended(&mut self) -> Option<i32> {
        let ended = self.shell.try_wait().expect("the shell is ours");
        ended.and_then(|status| status.code())
    }

    /// Sends a command, without waiting for what comes of it. With a session it goes to that tab.
    fn send(&mut self, method: &str, params: Value) -> Result<u64, String> {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        let whole = ["Browser.", "Target."];
        if !whole.iter().any(|domain| method.starts_with(domain)) {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let sent = self.to.write_all(&bytes);
        sent.map_err(|error| format!("{method} could not be sent: {error}; {}", self.said()))?;
        Ok(self.calls)
    }

    /// Sends a command and waits for its answer. Events that arrive in between are kept.
    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let call = self.send(method, params)?;
        let began = now();
        loop {
            let Some(mut message) = self.next(WAIT_MAX.saturating_sub(began.elapsed()))? else {
                let waited = format!("no answer to {method} within {WAIT_MAX:?}");
                return Err(format!("{waited}; {}", self.said()));
            };
            if message["id"] != call {
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(format!("{method}: {error}")),
                None => Ok(message["result"].take()),
            };
        }
    }

    /// As [`Self::try_call`]; a browser that does not do as it is told fails the test.
    #[track_caller]
    fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The next message, if one comes in time. An event of the session in use is kept as well.
    fn next(&mut self, limit: Duration) -> Result<Option<Value>, String> {
        match self.from.recv_timeout(limit) {
            Ok(message) => {
                // An answer is told where it was asked for.
                if message.get("method").is_some() {
                    self.last_events.truncate(EVENTS_TOLD - 1);
                    self.last_events.push_front(cut(&message.to_string(), 300));
                    if message["sessionId"] == self.session {
                        self.events.push(message.clone());
                    }
                }
                Ok(Some(message))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                // The pipe closes a moment before the shell has ended.
                let began = now();
                while self.ended().is_none() && began.elapsed() < WAIT_MAX {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let ended = self.ended();
                Err(format!("the browser ended, {ended:?}; {}", self.said()))
            }
        }
    }

    /// What the browser said last, for whoever has to find out why it says nothing more.
    fn said(&self) -> String {
        let complaints = std::fs::read(&self.complaints).unwrap_or_default();
        let complaints = String::from_utf8_lossy(&complaints);
        let lines: Vec<&str> = complaints.lines().rev().take(EVENTS_TOLD).collect();
        let events: Vec<&str> = self.last_events.iter().map(String::as_str).collect();
        format!(
            "its last events, the newest first:\n{}\nits last lines, the newest first:\n{}",
            events.join("\n"),
            lines.join("\n")
        )
    }
}

/// Says that a test did not look, where the harness of the tests does not swallow it.
pub(crate) fn skipped(why: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a test");
    // Nobody is there to be told that it could not be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why} ({name})");
}

#[allow(
    clippy::disallowed_methods,
    reason = "a limit for a browser that hangs; nothing else rests on it"
)]
fn now() -> Instant {
    Instant::now()
}

fn cut(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).collect()
}
