//! `stormglass client`: asks a cache that runs.

use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use stormglass::live::Plan;
use stormglass::live::asking::{self, Asker};
use stormglass_impls::machine::cache::{Command, Output, Query};
use stormglass_impls::session::{Ask, Told};
use stormglass_workloads::client::Outcome;

#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// The addresses of all nodes by id, host:port, separated by commas; those in the cluster's directory when not said
    addresses: Option<String>,
    /// The cluster's directory
    #[arg(long, value_name = "DIR", default_value = super::cluster::DIRECTORY, global = true)]
    dir: PathBuf,
    /// How long to try
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, global = true)]
    timeout: Duration,
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Set a key
    Put {
        /// The key
        key: String,
        /// Its new value
        value: String,
    },
    /// Say what a key holds
    Get {
        /// The key
        key: String,
    },
    /// Set a key if it holds what is expected
    Cas {
        /// The key
        key: String,
        /// What it must hold
        old: String,
        /// What it then gets
        new: String,
    },
    /// Remove a key
    Delete {
        /// The key
        key: String,
    },
    /// Add text to what a key holds
    Append {
        /// The key
        key: String,
        /// What is added
        value: String,
    },
}

impl What {
    fn ask(&self) -> Ask<Command, Query> {
        Ask::Command(match self.clone() {
            What::Get { key } => return Ask::Query(Query::Get { key }),
            What::Put { key, value } => Command::Put { key, value },
            What::Cas { key, old, new } => Command::Cas {
                key,
                expected: Some(old),
                new,
            },
            What::Delete { key } => Command::Delete { key },
            What::Append { key, value } => Command::Append { key, suffix: value },
        })
    }
}

pub(super) fn execute(args: &ClientArgs, format: Format) -> Result<Exit, Failure> {
    let ask = args.what.ask();
    let (addresses, body) = if let Some(addresses) = &args.addresses {
        let addresses = addresses.split(',').map(str::to_string).collect();
        (addresses, asking::encode(&ask))
    } else {
        let plan = Plan::read(&args.dir).or_exit(Exit::Unreadable)?;
        let Some(body) = asking::cache_words(&plan, &ask) else {
            let text = format!(
                "{} is no cache: this client has no words for it",
                plan.system
            );
            return Err(Failure::usage(text));
        };
        (plan.addresses, body)
    };
    let asker = Asker::new(&addresses, args.timeout);
    let outcome = asking::block_on(asker.ask(body)).or_exit(Exit::Internal)?;
    let output = match outcome {
        Outcome::Done(reply) => match postcard::from_bytes(&reply) {
            Ok(Told::Output(output)) => output,
            _ => {
                return Err(Failure {
                    exit: Exit::Unreadable,
                    error: anyhow::anyhow!("the answer is not one of a cache"),
                });
            }
        },
        Outcome::Refused(refusal) => {
            return Err(Failure::usage(refusal.claim().meaning));
        }
        Outcome::Unknown => {
            let text = match ask {
                Ask::Query(_) => "no answer",
                _ => "no answer: it may have been done, may be done later, or never",
            };
            return Err(Failure {
                exit: Exit::Unknown,
                error: anyhow::anyhow!("{text} ({})", addresses.join(", ")),
            });
        }
    };
    let (text, exit) = match &output {
        Output::Stored => ("stored".to_string(), Exit::Valid),
        Output::Deleted(true) => ("deleted".to_string(), Exit::Valid),
        Output::Value(Some(value)) => (value.clone(), Exit::Valid),
        // Nothing there, or nothing done.
        Output::Deleted(false) | Output::Value(None) => ("absent".into(), Exit::NothingSelected),
        Output::Mismatch => ("mismatch".into(), Exit::NothingSelected),
    };
    match format {
        Format::Json => print_line(json!(output)),
        Format::Human if exit == Exit::Valid => print_line(text),
        Format::Human => eprintln!("{text}"),
    }
    Ok(exit)
}
