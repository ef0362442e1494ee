//! Bugs of the harness itself, ready to be planted, and the audit that must notice them.
//!
//! A harness that writes down what did not happen judges nothing. Each of these mistakes was made by some harness before; planting one
//! shows that the audit, or a test, would see it here.

use crate::record::ViolationKind;
use crate::trial::Trial;
use stormglass_checker::{History, Kind, Process};
use stormglass_impls::system::Mutant;

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        id: "harness/call-recorded-late",
        mechanism: "a call is written down when it returns, so it seems to have begun after it was sent",
        source: "a classic of hand-made harnesses",
        seen_by: "harness audit",
    },
    Mutant {
        id: "harness/timeout-as-fail",
        mechanism: "a timeout is written down as a certain failure",
        source: "a classic of hand-made harnesses",
        seen_by: "harness audit",
    },
    Mutant {
        id: "harness/retry-renumbered",
        mechanism: "a retry is sent under a new request id, so that it may run twice",
        source: "Raft dissertation 6.3",
        seen_by: "harness audit",
    },
    Mutant {
        id: "harness/fault-feigned",
        mechanism: "a fault is written down as installed and changes nothing",
        source: "a classic of hand-made harnesses",
        seen_by: "the evidence every kind of fault must leave",
    },
    Mutant {
        id: "harness/final-read-skipped",
        mechanism: "the final reads are not made",
        source: "a classic of hand-made harnesses",
        seen_by: "vacuous",
    },
];

/// Which mistakes a trial plants: none, as a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// See `harness/call-recorded-late`.
    pub calls_recorded_late: bool,
    /// See `harness/timeout-as-fail`.
    pub timeouts_fail: bool,
    /// See `harness/retry-renumbered`.
    pub retries_renumbered: bool,
    /// See `harness/fault-feigned`.
    pub faults_feigned: bool,
    /// See `harness/final-read-skipped`.
    pub final_reads_skipped: bool,
}

impl Flaws {
    /// The mistakes a trial plants.
    pub fn of(trial: &Trial) -> Self {
        let planted = |id: &str| trial.mutant.as_deref() == Some(id);
        Self {
            calls_recorded_late: planted("harness/call-recorded-late"),
            timeouts_fail: planted("harness/timeout-as-fail"),
            retries_renumbered: planted("harness/retry-renumbered"),
            faults_feigned: planted("harness/fault-feigned"),
            final_reads_skipped: planted("harness/final-read-skipped"),
        }
    }
}

/// Whether a mutant is one of the harness, and not of a system.
pub fn is_of_harness(mutant: &str) -> bool {
    MUTANTS.iter().any(|known| known.id == mutant)
}

/// The mutant of the system in a trial, if it plants one there.
pub fn system_mutant(trial: &Trial) -> Option<String> {
    trial.mutant.clone().filter(|mutant| !is_of_harness(mutant))
}

/// A finding of the audit, as a violation: what kind, under which name.
pub(crate) const FINDING: (ViolationKind, &str) = (ViolationKind::Harness, "harness");

/// Whether the history of a reference cluster says only what the clients' cores can know. Nothing but an answer ends an operation for
/// certain, and the only failure that is an answer is a refused comparison. Gives what is wrong.
pub(crate) fn audit(history: &History) -> Result<(), String> {
    for event in &history.events {
        let refused = event.error.as_deref() == Some("mismatch");
        if event.process != Process::Nemesis && event.kind == Kind::Fail && !refused {
            return Err(format!(
                "event {}: a {} is written down as failed ({}), and no answer said so",
                event.index,
                event.f,
                event.error.as_deref().unwrap_or("without a reason")
            ));
        }
    }
    Ok(())
}
