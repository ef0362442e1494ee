//! Ctrl-C, and the signal by which engines and containers ask a process to end: the first one ends the trial under way and lets its report be written, the second one ends the process.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Listens for the interrupt from now on.
pub(crate) fn listen() {
    listen_and_say("interrupted; writing what there is");
}

/// The same, with what is then said.
pub(crate) fn listen_and_say(answer: &'static str) {
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
        else {
            return;
        };
        runtime.block_on(async {
            let Ok(mut asked) = signal(SignalKind::terminate()) else {
                return;
            };
            loop {
                tokio::select! {
                    biased;
                    interrupt = tokio::signal::ctrl_c() => if interrupt.is_err() { return },
                    terminate = asked.recv() => if terminate.is_none() { return },
                }
                if INTERRUPTED.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
                eprintln!("stormglass: {answer}");
            }
        });
    });
}

/// Whether somebody asked to end.
pub(crate) fn asked() -> bool {
    go_on().is_break()
}

/// Whether to go on.
pub(crate) fn go_on() -> ControlFlow<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}
