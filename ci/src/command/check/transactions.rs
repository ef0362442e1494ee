//! Judging transactions for a level of isolation.

use super::{Exit, Failure, Format, at_its_line, counts, how_read, limit, print_line};
use crate::command::exit::OrExit;
use bytesize::ByteSize;
use stormglass_checker::transactions::{Level, TransactionKind, TransactionVerdict};
use stormglass_checker::{Limits, Recording, TransactionOptions, check_transactions};

/// How many anomalies are told in full.
const TOLD_MAX: usize = 3;

pub(super) fn judge(
    recording: &Recording,
    kind: TransactionKind,
    level: Level,
    limits: Limits,
    format: Format,
) -> Result<Exit, Failure> {
    let options = TransactionOptions {
        kind,
        level,
        limits,
        ..TransactionOptions::default()
    };
    let judgement = check_transactions(&recording.history, &options)
        .map_err(|error| at_its_line(recording, error))?;
    let (called, ok) = counts(&recording.history);
    let inferred = judgement.inferred;
    let nothing = inferred.write_write + inferred.write_read + inferred.read_write == 0;
    let exit = match &judgement.verdict {
        TransactionVerdict::Valid if nothing => Exit::Vacuous,
        TransactionVerdict::Valid => Exit::Valid,
        TransactionVerdict::Invalid { .. } => Exit::Violation,
        TransactionVerdict::Unknown { .. } => Exit::Unknown,
    };
    if format == Format::Json {
        print_line(serde_json::to_string(&judgement).or_exit(Exit::Internal)?);
        return Ok(exit);
    }
    let level = level.name();
    print_line(match &judgement.verdict {
        TransactionVerdict::Valid if nothing => {
            format!(
                "VACUOUS  no transaction depends on another, so nothing rules {level} out, and nothing was put to the test"
            )
        }
        TransactionVerdict::Valid => format!("VALID  no anomaly rules out {level}"),
        TransactionVerdict::Invalid { kinds } => {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            format!("VIOLATION  not {level}: {}", kinds.join(", "))
        }
        TransactionVerdict::Unknown {
            reason,
            limit: number,
        } => {
            format!("UNKNOWN  {}", limit(*reason, *number))
        }
    });
    let strongest: Vec<&str> = judgement
        .strongest
        .iter()
        .map(|level| level.name())
        .collect();
    print_line(match strongest.as_slice() {
        [] => "  every level is ruled out".to_owned(),
        strongest => format!("  strongest levels not ruled out: {}", strongest.join(", ")),
    });
    for count in &judgement.counts {
        print_line(format!("  {}: {}", count.kind.name(), count.found));
    }
    for anomaly in judgement.anomalies.iter().take(TOLD_MAX) {
        for line in anomaly.explanation.lines() {
            print_line(format!("  {line}"));
        }
    }
    print_line(format!("  {}", how_read(recording)));
    print_line(format!(
        "  {called} transactions, {ok} ok, {} taken as committed; {} write-write, {} write-read and {} read-write edges; {} steps, at most {} at once",
        inferred.transactions,
        inferred.write_write,
        inferred.write_read,
        inferred.read_write,
        judgement.work.steps,
        ByteSize(judgement.work.bytes_peak)
    ));
    Ok(exit)
}
