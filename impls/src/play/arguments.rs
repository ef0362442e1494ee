//! What stands behind the name of a command.

use super::cluster::{Cluster, Fault, read_node};
use super::flights::Selection;
use crate::contract::{ClientId, NodeId, Session};
use crate::knobs::Knobs;
use crate::machine::cache;
use crate::manage::Manage;
use crate::node_set::NodeSet;
use crate::session::Ask;
use goldenscript::ArgumentConsumer;

/// The next argument, which names a node.
pub(super) fn node(cluster: &Cluster, args: &mut ArgumentConsumer<'_>) -> Result<NodeId, Fault> {
    cluster.node(args.next_pos().ok_or("which node?")?)
}

/// All other arguments, which name nodes.
pub(super) fn nodes(
    cluster: &Cluster,
    args: &mut ArgumentConsumer<'_>,
) -> Result<Vec<NodeId>, Fault> {
    std::iter::from_fn(|| args.next_pos())
        .map(|name| cluster.node(name))
        .collect()
}

/// A number under a key.
pub(super) fn number(args: &mut ArgumentConsumer<'_>, key: &str) -> Result<Option<usize>, Fault> {
    let read = |value: &str| {
        value
            .parse()
            .map_err(|_| format!("{key}={value} is not a number"))
    };
    args.take_key(key).map(read).transpose()
}

/// Which messages are meant. Their receivers are all arguments that are left.
pub(super) fn selection(
    cluster: &Cluster,
    args: &mut ArgumentConsumer<'_>,
    from: Option<NodeId>,
) -> Result<Selection, Fault> {
    Ok(Selection {
        from,
        kind: kind(cluster, args)?,
        skip: number(args, "skip")?.unwrap_or(0),
        count: number(args, "count")?.unwrap_or(usize::MAX),
        to: nodes(cluster, args)?,
    })
}

/// A kind of message, in its protocol's own word.
pub(super) fn kind(
    cluster: &Cluster,
    args: &mut ArgumentConsumer<'_>,
) -> Result<Option<&'static str>, Fault> {
    let Some(name) = args.take_key("kind") else {
        return Ok(None);
    };
    let kinds = cluster.system.message_kinds();
    let kind = kinds.iter().find(|kind| **kind == name);
    kind.map(|kind| Some(*kind)).ok_or(format!(
        "no message is of the kind {name}; there are: {}",
        kinds.join(" ")
    ))
}

/// A length of time, as `100ms`.
pub(super) fn ns(text: &str) -> Result<u64, Fault> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => Some(1),
        "us" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        _ => None,
    };
    let time = unit.zip(digits.parse().ok());
    time.and_then(|(unit, count): (u64, u64)| count.checked_mul(unit))
        .ok_or(format!("{text} is no length of time: 100ms is one, and 2s"))
}

/// The knobs that are turned: all arguments under a key that are left.
pub(super) fn knobs(args: &mut ArgumentConsumer<'_>) -> Result<Knobs, Fault> {
    let mut knobs = Knobs::default();
    while let Some((key, value)) = args.next_key() {
        let key = match key {
            "entries" => "entries_per_append_max",
            key => key,
        };
        knobs.turn(key, value)?;
    }
    Ok(knobs)
}

/// Who asks.
pub(super) fn client(args: &mut ArgumentConsumer<'_>, usual: &str) -> Result<ClientId, Fault> {
    let name = args.take_key("client").unwrap_or(usual);
    let number = name
        .strip_prefix('c')
        .and_then(|number| number.parse().ok());
    number
        .map(ClientId)
        .ok_or(format!("{name} is no client: they are c1, c2 and so on"))
}

/// In which session, if one is named.
pub(super) fn session(args: &mut ArgumentConsumer<'_>) -> Result<Option<Session>, Fault> {
    Ok(number(args, "session")?.map(|number| Session(number as u64)))
}

/// What is asked of a cache or of its cluster.
pub(super) type Asked = Ask<cache::Command, cache::Query>;

/// The commands that ask a cache.
pub(super) const CACHE_COMMANDS: &[&str] = &["put", "append", "delete", "cas", "get"];

/// What an operator asks, and the words for it. Nodes may be named that there are not: the cluster has to say so.
pub(super) fn manage(args: &mut ArgumentConsumer<'_>) -> Result<(Manage, String), Fault> {
    let what = "manage what? manage n1 members n1 n2, or transfer n2, or status";
    let name = args.next_pos().ok_or(what)?;
    let node = |name: &str| read_node(name).ok_or(format!("{name} is no node"));
    let (manage, text) = match name {
        "members" => {
            let nodes = std::iter::from_fn(|| args.next_pos()).map(node);
            let members = nodes.collect::<Result<NodeSet, _>>()?;
            (Manage::Members(members), format!("members {members}"))
        }
        "transfer" => {
            let to = node(args.next_pos().ok_or("transfer to whom?")?)?;
            (Manage::Transfer(to), format!("transfer {to}"))
        }
        "status" => (Manage::Status, "status".to_string()),
        _ => return Err(what.to_string()),
    };
    Ok((manage, text))
}

/// What is asked of a cache, and the words for it.
pub(super) fn ask(name: &str, args: &mut ArgumentConsumer<'_>) -> Result<(Asked, String), Fault> {
    let own = str::to_string;
    if let "put" | "append" = name {
        let what = || {
            format!(
                "what is {} where? {name} n1 k=v",
                if name == "put" { "put" } else { "appended" }
            )
        };
        let (key, value) = args.next_key().ok_or_else(what)?;
        let text = format!("{name} {key}={value}");
        let command = match name {
            "put" => cache::Command::Put {
                key: own(key),
                value: own(value),
            },
            _ => cache::Command::Append {
                key: own(key),
                suffix: own(value),
            },
        };
        return Ok((Ask::Command(command), text));
    }
    let key = args.next_pos().ok_or("which key?")?;
    Ok(match name {
        "get" => (
            Ask::Query(cache::Query::Get { key: own(key) }),
            format!("get {key}"),
        ),
        "delete" => (
            Ask::Command(cache::Command::Delete { key: own(key) }),
            format!("delete {key}"),
        ),
        _ => {
            let expected = args.take_key("expect");
            let new = args
                .take_key("set")
                .ok_or("set to what? cas n1 k expect=a set=b")?;
            let text = format!(
                "cas {key} expect={} set={new}",
                expected.unwrap_or("(absent)")
            );
            let command = cache::Command::Cas {
                key: own(key),
                expected: expected.map(own),
                new: own(new),
            };
            (Ask::Command(command), text)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::DelayRange;
    use crate::knobs::Reads;
    use goldenscript::{Command, Context, Runner};
    use std::error::Error;

    struct Turn(Knobs);

    impl Runner for Turn {
        type Command = Command;

        fn run(&mut self, command: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
            self.0 = knobs(&mut command.consume_args())?;
            Ok(String::new())
        }
    }

    #[test]
    fn every_knob_is_turned_by_its_name() {
        let mut turn = Turn(Knobs::default());
        let script = "cluster entries=1 pre_vote=true reads=lease quorums=4/2 election_timeout_ms=10..20 snapshot_every=3\n---\n";
        goldenscript::generate(&mut turn, script).unwrap();
        let wanted = Knobs {
            entries_per_append_max: 1,
            pre_vote: true,
            reads: Reads::Lease,
            quorums: Some((4, 2)),
            election_timeout: DelayRange::from_ms(10, 20),
            snapshot_every: 3,
            ..Knobs::default()
        };
        assert_eq!(turn.0, wanted);
    }

    #[test]
    fn a_length_of_time_has_a_unit() {
        assert_eq!(ns("2s"), Ok(2_000_000_000));
        assert_eq!(ns("150us"), Ok(150_000));
        for wrong in [
            "2",
            "s",
            "2h",
            "99999999999999999999s",
            "18446744073709551615s",
        ] {
            assert!(ns(wrong).is_err(), "{wrong}");
        }
    }
}
