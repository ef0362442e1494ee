//! `stormglass client`: asks a cache, or a tree of znodes, that runs.

mod znode;

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
    /// The addresses are of a tree of znodes; told from the cluster's directory where no addresses are given
    #[arg(long, global = true)]
    znodes: bool,
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
    /// Say what a key or a znode holds
    Get {
        /// The key, or the path
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
    /// Remove a key or a znode
    Delete {
        /// The key, or the path
        key: String,
    },
    /// Add text to what a key holds
    Append {
        /// The key
        key: String,
        /// What is added
        value: String,
    },
    /// Make a znode
    Create {
        /// Its path
        path: String,
        /// What it holds
        #[arg(default_value = "")]
        data: String,
        /// Put a number at the end of its name
        #[arg(long)]
        sequential: bool,
    },
    /// Set what a znode holds
    Set {
        /// Its path
        path: String,
        /// What it then holds
        data: String,
        /// Only if its version is this
        #[arg(long)]
        version: Option<u32>,
    },
    /// List the children of a znode
    Ls {
        /// Its path
        path: String,
    },
    /// Say what is known of a znode
    Stat {
        /// Its path
        path: String,
    },
}

impl What {
    /// In the words of a cache, if it has any for it.
    fn ask(&self) -> Option<Ask<Command, Query>> {
        Some(Ask::Command(match self.clone() {
            What::Get { key } => return Some(Ask::Query(Query::Get { key })),
            What::Put { key, value } => Command::Put { key, value },
            What::Cas { key, old, new } => Command::Cas {
                key,
                expected: Some(old),
                new,
            },
            What::Delete { key } => Command::Delete { key },
            What::Append { key, value } => Command::Append { key, suffix: value },
            _ => return None,
        }))
    }

    /// Whether it only reads.
    fn reads(&self) -> bool {
        matches!(self, What::Get { .. } | What::Ls { .. } | What::Stat { .. })
    }

    /// Whether only a tree of znodes has words for it.
    fn is_of_znodes(&self) -> bool {
        self.ask().is_none()
    }
}

/// What came of it: as data, in words, and how the command ends.
pub(super) struct Answered {
    pub(super) json: serde_json::Value,
    pub(super) text: String,
    pub(super) exit: Exit,
}

pub(super) fn execute(args: &ClientArgs, format: Format) -> Result<Exit, Failure> {
    let (addresses, znodes) = if let Some(addresses) = &args.addresses {
        let addresses = addresses.split(',').map(str::to_string).collect();
        (addresses, args.znodes || args.what.is_of_znodes())
    } else {
        let plan = Plan::read(&args.dir).or_exit(Exit::Unreadable)?;
        let znodes = plan.system == asking::ZNODES;
        (plan.addresses, znodes)
    };
    let asker = Asker::new(&addresses, args.timeout);
    let (asker, body) = match (znodes, args.what.ask()) {
        (true, _) => match znode::words(&args.what) {
            Some(body) => (asker.in_session(), body),
            None => return Err(no_words("a tree of znodes")),
        },
        (false, Some(ask)) => (asker, asking::encode(&ask)),
        (false, None) => return Err(no_words("a cache")),
    };
    let outcome = asking::block_on(asker.ask(body)).or_exit(Exit::Internal)?;
    let answered = match outcome {
        Outcome::Done(reply) if znodes => znode::answered(&reply),
        Outcome::Done(reply) => answered(&reply),
        Outcome::Refused(refusal) => {
            return Err(Failure::usage(refusal.claim().meaning));
        }
        Outcome::Unknown => {
            let text = match args.what.reads() {
                true => "no answer",
                false => "no answer: it may have been done, may be done later, or never",
            };
            return Err(Failure {
                exit: Exit::Unknown,
                error: anyhow::anyhow!("{text} ({})", addresses.join(", ")),
            });
        }
    };
    let Some(Answered { json, text, exit }) = answered else {
        return Err(Failure {
            exit: Exit::Unreadable,
            error: anyhow::anyhow!("the answer is not one to that"),
        });
    };
    match format {
        Format::Json => print_line(json),
        Format::Human if exit == Exit::Valid => print_line(text),
        Format::Human => eprintln!("{text}"),
    }
    Ok(exit)
}

fn no_words(what: &str) -> Failure {
    let put = "put, get, cas, delete and append";
    let create = "create, get, set, delete, ls and stat";
    Failure::usage(format!(
        "{what} has no words for that: caches know {put}, trees of znodes {create}"
    ))
}

/// What a cache answered.
fn answered(reply: &[u8]) -> Option<Answered> {
    let Ok(Told::Output(output)) = postcard::from_bytes(reply) else {
        return None;
    };
    let json = json!(output);
    let (text, exit) = match output {
        Output::Stored => ("stored".to_string(), Exit::Valid),
        Output::Deleted(true) => ("deleted".to_string(), Exit::Valid),
        Output::Value(Some(value)) => (value, Exit::Valid),
        // Nothing there, or nothing done.
        Output::Deleted(false) | Output::Value(None) => ("absent".into(), Exit::NothingSelected),
        Output::Mismatch => ("mismatch".into(), Exit::NothingSelected),
    };
    Some(Answered { json, text, exit })
}
