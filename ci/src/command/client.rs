//! `stormglass client`: asks a cache, a tree of znodes, or an etcd-style service, that runs.

mod keys;
mod znode;

use super::exit::OrExit;
use super::{Exit, Failure, Format, print_line};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use stormglass::live::asking::{self, Asker};
use stormglass::live::{Plan, backup};
use stormglass_impls::catalog;
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
    /// In whose words to ask where addresses are given; the cluster's directory knows
    #[arg(long, global = true, default_value = "cache")]
    words: Words,
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
        /// Of etcd: the lease it goes with
        #[arg(long)]
        lease: Option<u64>,
    },
    /// Say what a key or a znode holds
    Get {
        /// The key, or the path
        key: String,
        /// Of etcd: all keys that begin so
        #[arg(long)]
        prefix: bool,
        /// Of etcd: as it was at this revision
        #[arg(long)]
        rev: Option<u64>,
        /// Of etcd: as any member has it, old or not
        #[arg(long)]
        serializable: bool,
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
        /// Of etcd: all keys that begin so
        #[arg(long)]
        prefix: bool,
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
    /// Of etcd: forget what keys were before a revision
    Compact {
        /// Which
        revision: u64,
    },
    /// Of etcd: make a lease
    Grant {
        /// Its number
        lease: u64,
        /// How long it lives without being kept alive
        #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
        ttl: Duration,
    },
    /// Of etcd: keep a lease alive, once
    KeepAlive {
        /// Its number
        lease: u64,
    },
    /// Of etcd: end a lease, and delete its keys
    Revoke {
        /// Its number
        lease: u64,
    },
    /// Of etcd: save all that is stored, at the newest revision there is or, when no majority answers, at that of a member; `cluster up etcd --restore FILE` makes a new cluster of it
    Snapshot {
        /// The file to write
        file: PathBuf,
    },
}

impl What {
    /// In the words of a cache, if it has any for it.
    fn ask(&self) -> Option<Ask<Command, Query>> {
        Some(Ask::Command(match self.clone() {
            What::Get { key, .. } => return Some(Ask::Query(Query::Get { key })),
            What::Put { key, value, .. } => Command::Put { key, value },
            What::Cas { key, old, new } => Command::Cas {
                key,
                expected: Some(old),
                new,
            },
            What::Delete { key, .. } => Command::Delete { key },
            What::Append { key, value } => Command::Append { key, suffix: value },
            _ => return None,
        }))
    }

    /// Whether it only reads.
    fn reads(&self) -> bool {
        matches!(
            self,
            What::Get { .. } | What::Ls { .. } | What::Stat { .. } | What::Snapshot { .. }
        )
    }
}

/// In whose words a cluster is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Words {
    /// A cache's
    Cache,
    /// Those of a tree of znodes
    Znodes,
    /// Those of an etcd-style service
    Etcd,
}

impl Words {
    fn of(system: &str) -> Self {
        match system {
            asking::ZNODES => Words::Znodes,
            asking::KEYS => Words::Etcd,
            _ => Words::Cache,
        }
    }
}

/// What came of it: as data, in words, and how the command ends.
pub(super) struct Answered {
    pub(super) json: serde_json::Value,
    pub(super) text: String,
    pub(super) exit: Exit,
}

pub(super) fn execute(args: &ClientArgs, format: Format) -> Result<Exit, Failure> {
    let (addresses, words) = if let Some(addresses) = &args.addresses {
        let addresses = addresses.split(',').map(str::to_string).collect();
        (addresses, args.words)
    } else {
        let plan = Plan::read(&args.dir).or_exit(Exit::Unreadable)?;
        (plan.addresses, Words::of(&plan.system))
    };
    let body = match words {
        Words::Cache => args.what.ask().map(|ask| asking::encode(&ask)),
        Words::Znodes => znode::words(&args.what),
        Words::Etcd => keys::words(&args.what),
    };
    let body = body.ok_or_else(|| no_words(words))?;
    let asker = Asker::new(&addresses, args.timeout);
    let asker = match words {
        Words::Znodes => asker.in_session(),
        Words::Cache | Words::Etcd => asker,
    };
    if let (Words::Etcd, What::Snapshot { file }) = (words, &args.what) {
        return save(&asker, args, body, file);
    }
    let outcome = asking::block_on(asker.ask(body)).or_exit(Exit::Internal)?;
    let answered = match outcome {
        Outcome::Done(reply) => match words {
            Words::Etcd => keys::answered(&args.what, &reply),
            Words::Znodes => znode::answered(&reply),
            Words::Cache => answered(&reply),
        },
        Outcome::Refused(refusal) => {
            return Err(Failure::usage(refusal.claim().meaning));
        }
        Outcome::Unknown => {
            let text = match args.what.reads() {
                true => "no answer",
                false => "no answer: it may have been done, may be done later, or never",
            };
            return Err(no_answer(text, &addresses));
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

fn no_words(words: Words) -> Failure {
    let what = match words {
        Words::Cache => "a cache knows put, get, cas, delete and append",
        Words::Znodes => "a tree of znodes knows create, get, set, delete, ls and stat",
        Words::Etcd => {
            "an etcd-style service knows put, get, cas, delete, compact, grant, keep-alive, revoke and snapshot"
        }
    };
    Failure::usage(format!("there are no words for that: {what}"))
}

fn no_answer(text: &str, addresses: &[String]) -> Failure {
    Failure {
        exit: Exit::Unknown,
        error: anyhow::anyhow!("{text} ({})", addresses.join(", ")),
    }
}

/// Saves what a member has stored that has reached the revision which a majority knows of. Any member will do, as in etcd, and one that is behind would
/// leave out what was acknowledged: then another is asked, until time is over. When no majority answers, what any member has is all there is.
fn save(asker: &Asker, args: &ClientArgs, snapshot: Vec<u8>, file: &Path) -> Result<Exit, Failure> {
    let asked = asking::block_on(async {
        let newest = match asker.ask(keys::newest()).await {
            Outcome::Done(reply) => keys::revision(&reply),
            _ => None,
        };
        let until = Instant::now() + args.timeout;
        loop {
            let Outcome::Done(reply) = asker.ask(snapshot.clone()).await else {
                break Err("no answer");
            };
            let has = keys::revision(&reply);
            if has.is_none() || has >= newest {
                break Ok((reply, newest));
            }
            if Instant::now() >= until {
                break Err("no member that answers has all that is stored yet");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let (reply, newest) = match asked.or_exit(Exit::Internal)? {
        Ok(answer) => answer,
        Err(text) => return Err(no_answer(text, asker.addresses())),
    };
    saved(file, &reply)?;
    if newest.is_none() {
        eprintln!("no majority answered: this is what one member has, and others may have more");
    }
    Ok(Exit::Valid)
}

/// All that a member has stored, as a file.
fn saved(file: &Path, reply: &[u8]) -> Result<(), Failure> {
    let system = catalog::system(asking::KEYS);
    let stored = system.and_then(|system| system.stored(reply));
    let Some(stored) = stored else {
        return Err(Failure::usage("the member does not say what it has stored"));
    };
    let saving = backup::save(file, asking::KEYS, &stored);
    let saved = asking::block_on(saving).or_exit(Exit::Internal)?;
    saved.or_exit(Exit::Unreadable)?;
    let (bytes, file) = (stored.len(), file.display());
    let revision = keys::revision(reply).map_or(String::new(), |at| format!(", at revision {at}"));
    print_line(format!("{bytes} bytes in {file}{revision}"));
    Ok(())
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
