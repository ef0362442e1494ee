use super::*;
use crate::client::session::{Call, Returned};
use crate::workload::Binding;
use crate::zookeeper::binding::ZnodesBinding;
use stormglass_impls::contract::{ClientId, NodeId};
use stormglass_impls::machine::Machine;
use stormglass_impls::zookeeper::tree::Znode;
use stormglass_impls::zookeeper::words::{
    Act, Body, Command, Event, Op, Read, Reply, Request, Stat, What, ZxidNumber,
};
use stormglass_impls::zookeeper::znodes::Znodes as Tree;

/// One server without a network, for clients that ask one after the other.
struct Alone {
    tree: Tree,
    zxid: ZxidNumber,
    sessions: BTreeMap<u32, SessionId>,
}

impl Alone {
    fn new() -> Self {
        Self {
            tree: Tree::default(),
            zxid: 0,
            sessions: BTreeMap::new(),
        }
    }

    fn apply(&mut self, session: SessionId, act: Act) -> Result<Done, Error> {
        self.zxid += 1;
        let at_ms = self.zxid;
        let command = Command {
            session,
            at_ms,
            act,
        };
        self.tree.apply(self.zxid, &command).result
    }

    fn session(&mut self, client: u32) -> SessionId {
        if let Some(session) = self.sessions.get(&client) {
            return *session;
        }
        let open = Act::Open {
            client: ClientId(client),
            timeout_ms: 1_000,
        };
        let Ok(Done::Opened(session)) = self.apply(SessionId::NONE, open) else {
            panic!("a session can always be opened");
        };
        self.sessions.insert(client, session);
        session
    }

    fn read(&self, read: &Read) -> Result<Done, Error> {
        let node = self.tree.tree().get(&read.path);
        if let What::Exists = read.what {
            return Ok(Done::Exists(node.map(Znode::stat)));
        }
        let node = node.ok_or(Error::NoNode)?;
        let stat = node.stat();
        Ok(match read.what {
            What::Children => Done::Children(node.children.iter().cloned().collect(), stat),
            What::Acl => Done::Acl(node.acl.clone(), stat),
            What::Data | What::Exists => Done::Data(node.data.clone(), stat),
        })
    }

    /// What the client core of this client gives back for an operation.
    fn reply(&mut self, client: u32, operation: &Operation) -> Vec<u8> {
        let session = self.session(client);
        let asked = Asked::read(&operation.value).unwrap();
        let body = match asked.call() {
            Call::Rest { .. } => Body::Pong,
            Call::Ask(Request::Write(op)) => {
                if op == Op::Close {
                    self.sessions.remove(&client);
                }
                Body::Done(self.apply(session, Act::Do(op)))
            }
            Call::Ask(Request::Read(read)) => Body::Done(self.read(&read)),
            Call::Ask(_) => Body::Done(Ok(Done::Fine)),
        };
        let returned = Returned {
            reply: Reply {
                zxid: self.zxid,
                body,
            },
            session,
            server: NodeId(1),
            events: vec![Event::Closed],
        };
        postcard::to_allocvec(&returned).unwrap()
    }
}

/// The operations of some clients that ask in turns, and how they ended.
fn asked_in_turns(kind: ZnodesKind, seed: u64, turns: u64) -> Vec<(u32, &'static str, Ended)> {
    let mut workload = Znodes::new(ZnodesConfig::of(kind), seed);
    let mut alone = Alone::new();
    let mut all = Vec::new();
    for n in 0..turns {
        for client in 0..4 {
            let operation = workload.operation(client, n);
            assert!(FUNCTIONS.contains(&operation.f));
            let reply = alone.reply(client, &operation);
            let completion = ZnodesBinding.completion(&operation, &reply).unwrap();
            let completion = workload.settled(client, &operation, completion);
            workload.completed(client, &operation, &completion);
            let Completion::Ok(value) = completion else {
                panic!("an answer is an answer");
            };
            all.push((client, operation.f, Ended::read(&value).unwrap()));
        }
    }
    all
}

#[test]
fn every_recipe_does_what_it_is_for() {
    for info in KINDS {
        let ended = asked_in_turns(info.kind, 3, 120);
        let essential = |ended: &&(u32, &str, Ended)| (info.essential.is)(ended.1, &ended.2);
        // Nobody here sends events.
        let wanted = usize::from(info.kind != ZnodesKind::Watch);
        let done = ended.iter().filter(essential).count();
        assert!(done >= wanted, "{}: no {}", info.name, info.essential.name);
        assert_eq!(ended, asked_in_turns(info.kind, 3, 120), "{}", info.name);
    }
}

#[test]
fn all_clients_of_a_line_get_their_turn() {
    for kind in [ZnodesKind::Lock, ZnodesKind::LeaderElection] {
        let ended = asked_in_turns(kind, 5, 400);
        let first = |ended: &&(u32, &str, Ended)| ended.2.stored.is_some() || ended.1 == "multi";
        let clients: std::collections::BTreeSet<u32> = ended
            .iter()
            .filter(first)
            .map(|(client, ..)| *client)
            .collect();
        assert_eq!(clients.len(), 4, "{kind:?}");
    }
}

#[test]
fn a_resource_with_fencing_takes_no_older_token() {
    let store = |workload: &mut Znodes, token| workload.resources.store("/locks/k0", token).taken;
    let mut fenced = Znodes::new(ZnodesConfig::of(ZnodesKind::FencedLock), 1);
    let taken = [5, 7, 5, 7, 8].map(|token| store(&mut fenced, token));
    assert_eq!(taken, [true, true, false, true, true]);
    let mut plain = Znodes::new(ZnodesConfig::of(ZnodesKind::Lock), 1);
    assert!([5, 7, 5].map(|token| store(&mut plain, token)) == [true; 3]);
}

#[test]
fn what_a_client_made_in_an_older_session_it_does_not_take_for_its_own() {
    let mut workload = Znodes::new(ZnodesConfig::of(ZnodesKind::FencedLock), 3);
    let mut alone = Alone::new();
    let mut before = None;
    for n in 0..60 {
        let operation = workload.operation(0, n);
        if operation.f == "store" && before.is_none() {
            // The session ends while its client holds the lock.
            let session = alone.sessions.remove(&0).unwrap();
            alone.apply(session, Act::Expire).unwrap();
            before = Some(n);
        } else if before == Some(n.wrapping_sub(1)) {
            let entered = operation.f == "create";
            assert!(entered, "{operation:?}");
        }
        let reply = alone.reply(0, &operation);
        let completion = ZnodesBinding.completion(&operation, &reply).unwrap();
        let completion = workload.settled(0, &operation, completion);
        workload.completed(0, &operation, &completion);
    }
    assert!(before.is_some());
}

#[test]
fn an_answer_to_something_else_is_no_answer() {
    let read = Asked::Read(Read {
        what: What::Exists,
        path: "/a".into(),
        watch: false,
    });
    let returned = |body| {
        let returned = Returned {
            reply: Reply { zxid: 7, body },
            session: SessionId(3),
            server: NodeId(2),
            events: Vec::new(),
        };
        postcard::to_allocvec(&returned).unwrap()
    };
    let operation = read.operation();
    let completion = |body| ZnodesBinding.completion(&operation, &returned(body));
    assert!(completion(Body::Done(Ok(Done::Exists(None)))).is_ok());
    assert!(completion(Body::Done(Err(Error::NoAuth))).is_ok());
    for body in [
        Body::Pong,
        Body::Behind,
        Body::Done(Ok(Done::Set(Stat::default()))),
    ] {
        assert!(completion(body).is_err());
    }
    assert!(ZnodesBinding.completion(&operation, &[200]).is_err());
}

#[test]
fn a_config_that_makes_no_sense_says_which_field() {
    let config = ZnodesConfig::of(ZnodesKind::Lock);
    assert_eq!(config.refuses(), None);
    let keys = ZnodesConfig {
        keys: 0,
        ..config.clone()
    };
    assert!(keys.refuses().unwrap().contains("keys"));
    let shares = ZnodesConfig {
        reads_percent: 90,
        ..config.clone()
    };
    assert!(shares.refuses().unwrap().contains("percent"));
    let session = ZnodesConfig {
        session_ms: 0,
        ..config
    };
    assert!(session.refuses().unwrap().contains("session_ms"));
}
