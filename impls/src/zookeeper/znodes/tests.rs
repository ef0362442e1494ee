use super::super::words::open_to_all;
use super::*;

/// A machine with one open session, s1, and the zxid of the last command.
struct Bench {
    znodes: Znodes,
    zxid: u64,
}

const S1: SessionId = SessionId(1);

impl Bench {
    fn new() -> Self {
        let mut znodes = Znodes::default();
        znodes.settle_in(None);
        let mut bench = Bench { znodes, zxid: 0 };
        bench.open();
        bench
    }

    fn open(&mut self) -> SessionId {
        let client = ClientId(0);
        let act = Act::Open {
            client,
            timeout_ms: 100,
        };
        self.run(SessionId::NONE, act).unwrap();
        SessionId(self.zxid)
    }

    fn run(&mut self, session: SessionId, act: Act) -> Result<Done, Error> {
        self.zxid += 1;
        let at_ms = self.zxid * 10;
        let command = Command {
            session,
            at_ms,
            act,
        };
        let output = self.znodes.apply(self.zxid, &command);
        assert_eq!(output.zxid, self.zxid);
        let tree = self.znodes.tree();
        assert_eq!(tree.digest(), tree.digest_anew());
        assert_eq!(
            self.znodes.ephemerals,
            super::super::rules::ephemerals_of(tree)
        );
        output.result
    }

    fn op(&mut self, op: Op) -> Result<Done, Error> {
        self.run(S1, Act::Do(op))
    }

    fn create(&mut self, path: &str, mode: Mode) -> Result<Done, Error> {
        self.op(create(path, mode))
    }

    fn stat(&self, path: &str) -> Option<super::super::words::Stat> {
        Some(self.znodes.tree().get(path)?.stat())
    }
}

fn create(path: &str, mode: Mode) -> Op {
    Op::Create {
        path: path.into(),
        data: "d".into(),
        mode,
        acl: open_to_all(),
    }
}

fn delete(path: &str) -> Op {
    Op::Delete {
        path: path.into(),
        version: None,
    }
}

fn set(path: &str, version: Option<u32>) -> Op {
    Op::Set {
        path: path.into(),
        data: "new".into(),
        version,
    }
}

#[test]
fn a_node_is_made_set_and_removed_and_its_stat_tells() {
    let mut bench = Bench::new();
    bench.create("/a", Mode::Persistent).unwrap();
    bench.create("/a/b", Mode::Persistent).unwrap();
    bench.op(set("/a", Some(0))).unwrap();
    assert_eq!(bench.op(set("/a", Some(0))), Err(Error::BadVersion));
    assert_eq!(bench.op(delete("/a")), Err(Error::NotEmpty));
    bench.op(delete("/a/b")).unwrap();
    let stat = bench.stat("/a").unwrap();
    let got = (stat.czxid, stat.mzxid, stat.pzxid);
    assert_eq!(got, (2, 4, 7), "made, set, a child went");
    assert_eq!((stat.version, stat.cversion, stat.children), (1, 2, 0));
    assert_eq!((stat.ctime_ms, stat.mtime_ms), (20, 40));
    bench.op(delete("/a")).unwrap();
    assert_eq!(bench.stat("/a"), None);
    assert_eq!(bench.op(delete("/a")), Err(Error::NoNode));
    assert_eq!(bench.op(delete("/")), Err(Error::BadArguments));
    let orphan = bench.create("/x/y", Mode::Persistent);
    assert_eq!(orphan, Err(Error::NoNode), "no parent");
}

#[test]
fn numbers_of_sequential_nodes_never_come_again() {
    let mut bench = Bench::new();
    bench.create("/q", Mode::Persistent).unwrap();
    for number in 0..3 {
        let created = bench.create("/q/n-", Mode::PersistentSequential).unwrap();
        let wanted = format!("/q/n-{number:010}");
        assert!(matches!(created, Done::Created { path, .. } if path == wanted));
        bench.op(delete(&wanted)).unwrap();
    }
    let bare = bench.create("/q/", Mode::EphemeralSequential).unwrap();
    assert!(matches!(bare, Done::Created { path, .. } if path == "/q/0000000003"));
}

#[test]
fn ephemeral_nodes_go_with_their_session_and_nothing_is_done_in_it_after() {
    let mut bench = Bench::new();
    let other = bench.open();
    bench.create("/a", Mode::Ephemeral).unwrap();
    let child = bench.create("/a/b", Mode::Persistent);
    assert_eq!(child, Err(Error::NoChildrenForEphemerals));
    let own = create("/b", Mode::Ephemeral);
    bench.run(other, Act::Do(own)).unwrap();
    bench.run(S1, Act::Expire).unwrap();
    assert_eq!(bench.stat("/a"), None);
    assert_eq!(bench.stat("/b").unwrap().ephemeral_owner, other);
    let late = bench.create("/a", Mode::Ephemeral);
    assert_eq!(late, Err(Error::SessionExpired));
    bench.run(other, Act::Do(Op::Close)).unwrap();
    assert_eq!(bench.stat("/b"), None);
    assert!(bench.znodes.sessions().is_empty());
}

#[test]
fn a_multi_is_done_whole_at_one_zxid_or_not_at_all() {
    let mut bench = Bench::new();
    let both = [
        create("/a", Mode::Persistent),
        create("/a/b", Mode::Ephemeral),
    ];
    bench.op(Op::Multi(both.to_vec())).unwrap();
    assert_eq!(bench.stat("/a").unwrap().czxid, bench.zxid);
    assert_eq!(bench.stat("/a/b").unwrap().czxid, bench.zxid);
    bench.znodes.take_news();
    let before = bench.znodes.tree().clone();
    let half = [delete("/a/b"), set("/a", Some(7))];
    let failed = bench.op(Op::Multi(half.to_vec()));
    let error = Box::new(Error::BadVersion);
    assert_eq!(failed, Err(Error::Multi { at: 1, error }));
    assert_eq!(*bench.znodes.tree(), before);
    assert_eq!(bench.znodes.take_news(), vec![]);
    let nested = bench.op(Op::Multi(vec![Op::Multi(vec![])]));
    let error = Box::new(Error::BadArguments);
    assert_eq!(nested, Err(Error::Multi { at: 0, error }));
}

#[test]
fn each_right_opens_what_it_names_and_nothing_else() {
    let login = |user: &str| Op::AddAuth {
        user: user.into(),
        password: "secret".into(),
    };
    let kinds = [
        (Rights::READ, 0),
        (Rights::WRITE, 1),
        (Rights::CREATE, 2),
        (Rights::DELETE, 3),
        (Rights::ADMIN, 4),
    ];
    for (right, opens) in kinds {
        let mut bench = Bench::new();
        bench.op(login("owner")).unwrap();
        let guest = Who::Digest {
            user: "guest".into(),
            digest: digest_of("guest", "secret"),
        };
        let acl = |who, rights| Acl { who, rights };
        let op = Op::Create {
            path: "/a".into(),
            data: "d".into(),
            mode: Mode::Persistent,
            acl: vec![acl(Who::Auth, Rights::ALL), acl(guest, right)],
        };
        bench.op(op).unwrap();
        bench.create("/a/b", Mode::Persistent).unwrap();
        let session = bench.open();
        let stranger = bench.run(session, Act::Do(set("/a", None)));
        assert_eq!(stranger, Err(Error::NoAuth), "nobody yet");
        bench.run(session, Act::Do(login("guest"))).unwrap();
        let read = |what| Read {
            what,
            path: "/a".into(),
            watch: false,
        };
        let set_acl = Op::SetAcl {
            path: "/a".into(),
            acl: vec![],
            version: None,
        };
        let got = [
            bench.znodes.read(session, &read(What::Data)),
            bench.run(session, Act::Do(set("/a", None))),
            bench.run(session, Act::Do(create("/a/c", Mode::Persistent))),
            bench.run(session, Act::Do(delete("/a/b"))),
            bench.run(session, Act::Do(set_acl)),
        ];
        for (at, got) in got.iter().enumerate() {
            assert_eq!(
                *got == Err(Error::NoAuth),
                at != opens,
                "{right} and {at}: {got:?}"
            );
        }
        let sees = bench.znodes.read(session, &read(What::Acl));
        let may = right == Rights::READ || right == Rights::ADMIN;
        assert_eq!(sees.is_ok(), may, "{right}");
        assert!(bench.znodes.read(session, &read(What::Exists)).is_ok());
    }
}

#[test]
fn what_was_read_from_a_snapshot_goes_on_alike() {
    let mut bench = Bench::new();
    bench.create("/a", Mode::Ephemeral).unwrap();
    let image = crate::snapshot::Image::of(&bench.znodes);
    let mut again: Znodes = image.open().unwrap();
    again.settle_in(None);
    assert_eq!(again, bench.znodes);
    assert_eq!(again.tree().digest(), bench.znodes.tree().digest());
}
