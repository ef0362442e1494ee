//! `stormglass generate`: makes a history to order.

use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use stormglass_workloads::generate::{Crashes, Generated, Lie, Object, Plan, Violation};

/// How many values a register has unless told otherwise: as many as Jepsen's.
const DOMAIN: u64 = 5;

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What the clients work on
    #[arg(value_enum)]
    object: ObjectName,
    /// How many operations are called
    #[arg(long, default_value_t = 1000)]
    operations: usize,
    /// How many clients there are [default: as many as are in flight, or 5]
    #[arg(long)]
    clients: Option<usize>,
    /// How many operations are in flight at once [default: one a client]
    #[arg(long, value_name = "COUNT")]
    in_flight: Option<usize>,
    /// How many keys there are [default: 10 for kv, 3 at a time for list-append, otherwise 1]
    #[arg(long)]
    keys: Option<u64>,
    /// How many values a register has [default: 5]
    #[arg(long, value_name = "VALUES")]
    domain: Option<u64>,
    /// How often something is read, as a weight among the shares
    #[arg(long, value_name = "SHARE")]
    reads: Option<u64>,
    /// How often something is overwritten, as a weight among the shares
    #[arg(long, value_name = "SHARE")]
    writes: Option<u64>,
    /// How often something is compared and set, as a weight among the shares
    #[arg(long, value_name = "SHARE")]
    cas: Option<u64>,
    /// How often something is appended, as a weight among the shares
    #[arg(long, value_name = "SHARE")]
    appends: Option<u64>,
    /// Exactly how many operations end unknown. Half of them take effect, some of these late
    #[arg(long, value_name = "COUNT")]
    crashes: Option<usize>,
    /// Of a thousand operations that change something, how many end unknown
    #[arg(long, value_name = "COUNT", conflicts_with = "crashes")]
    crashes_per_thousand: Option<u64>,
    /// What one read is turned into; which one is said beside the history
    #[arg(long, value_enum, default_value_t = ViolationName::None)]
    violation: ViolationName,
    /// Where that read is called, in percent of the history [default: 50]
    #[arg(long, value_name = "PERCENT")]
    at: Option<u64>,
    /// Seeds every draw: the same flags and seed give the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the history to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ObjectName {
    /// Registers of a few values: read, write, compare-and-set
    Register,
    /// Registers to which no value is written twice: read, write
    UniqueWrites,
    /// Registers to which no value is written twice: read, write, compare-and-set
    UniqueCas,
    /// A key-value store of texts: get, put, append
    Kv,
    /// Transactions that read lists and append to them
    ListAppend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ViolationName {
    /// Nothing: the history is legal
    None,
    /// What was never written. No order explains that
    Impossible,
    /// What an earlier read saw, after another had seen it replaced. Where values repeat (register), an order may explain that
    Stale,
}

impl GenerateArgs {
    fn plan(&self) -> Result<Plan, Failure> {
        let object = match self.object {
            ObjectName::Register => Object::Register {
                domain: self.domain.unwrap_or(DOMAIN),
            },
            ObjectName::UniqueWrites => Object::UniqueWrites,
            ObjectName::UniqueCas => Object::UniqueCas,
            ObjectName::Kv => Object::Kv,
            ObjectName::ListAppend => Object::ListAppend,
        };
        if self.domain.is_some() && self.object != ObjectName::Register {
            return Err(Failure::usage(format!(
                "{} has no --domain: it never writes a value twice. Remedy: leave --domain out, or generate register",
                object.name()
            )));
        }
        let violation = match self.violation {
            ViolationName::None if self.at.is_some() => {
                return Err(Failure::usage(
                    "--at says where the violation is, but there is none. Remedy: add --violation impossible or stale",
                ));
            }
            ViolationName::None => None,
            ViolationName::Impossible => Some(Lie::Impossible),
            ViolationName::Stale => Some(Lie::Stale),
        };
        let clients = self.clients.or(self.in_flight).unwrap_or(5);
        let mut plan = Plan::new(object, self.operations, clients, self.seed);
        plan.in_flight = self.in_flight.unwrap_or(clients);
        plan.keys = self.keys.unwrap_or(plan.keys);
        let shares = &mut plan.shares;
        for (share, given) in [
            (&mut shares.reads, self.reads),
            (&mut shares.writes, self.writes),
            (&mut shares.cas, self.cas),
            (&mut shares.appends, self.appends),
        ] {
            *share = given.unwrap_or(*share);
        }
        if let Some(count) = self.crashes {
            plan.crashes = Crashes::Exactly(count);
        }
        if let Some(share) = self.crashes_per_thousand {
            plan.crashes = Crashes::PerThousand(share);
        }
        plan.violation = violation.map(|lie| Violation {
            lie,
            at_percent: self.at.unwrap_or(50),
        });
        Ok(plan)
    }
}

pub(super) fn execute(args: &GenerateArgs, format: Format) -> Result<Exit, Failure> {
    let made = args.plan()?.generate().map_err(Failure::usage)?;
    let written = match &args.out {
        Some(path) => std::fs::File::create(path)
            .and_then(|file| made.history.write_jsonl(BufWriter::new(file)))
            .map_err(|error| anyhow::anyhow!("{}: cannot be written ({error})", path.display())),
        None => match made
            .history
            .write_jsonl(BufWriter::new(std::io::stdout().lock()))
        {
            // A reader that has gone away, as `head` does, is no failure of ours.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(anyhow::Error::from),
        },
    };
    written.or_exit(Exit::Unreadable)?;
    tell(args, format, &made);
    Ok(Exit::Valid)
}

/// Says what was made: on standard output only where the history is not there.
fn tell(args: &GenerateArgs, format: Format, made: &Generated) {
    let planted = made.planted.as_ref();
    let text = match format {
        Format::Json => json!({
            "events": made.history.events.len(),
            "planted": planted.map(|planted| json!({
                "event": planted.event, "part": planted.part, "truth": planted.truth, "lie": planted.lie,
            })),
        })
        .to_string(),
        Format::Human => match planted {
            None => format!("{} events, legal", made.history.events.len()),
            Some(planted) => {
                let part = planted.part.map(|part| format!(", part {part}"));
                format!(
                    "{} events; event {}{} says {} where {} was read",
                    made.history.events.len(),
                    planted.event,
                    part.unwrap_or_default(),
                    planted.lie,
                    planted.truth
                )
            }
        },
    };
    if args.out.is_some() {
        print_line(text);
    } else {
        let _ = writeln!(std::io::stderr(), "stormglass: {text}");
    }
}
