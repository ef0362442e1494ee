use super::*;

fn did(state: &mut State, op: Op) -> Output {
    let at = state.applied() + 1;
    state.apply(at, &Command::Do { as_user: None, op })
}

fn put(key: &str, value: &str, lease: LeaseId) -> Put {
    Put {
        key: key.to_string(),
        value: value.to_string(),
        lease,
        prev_kv: true,
    }
}

fn delete(keys: Keys) -> DeleteRange {
    DeleteRange {
        keys,
        prev_kv: false,
    }
}

fn txn(compare: Vec<Compare>, success: Vec<TxnOp>) -> Op {
    Op::Txn(Txn {
        compare,
        success,
        failure: Vec::new(),
    })
}

#[test]
fn a_revision_is_made_by_what_changes_something() {
    let mut state = State::default();
    let mut revision_after = |op| did(&mut state, op).revision;
    assert_eq!(revision_after(Op::Put(put("a", "1", 0))), 2);
    let nothing = delete(Keys::one("b"));
    assert_eq!(revision_after(Op::DeleteRange(nothing)), 2);
    let read = TxnOp::Range(Range::of(Keys::one("a")));
    assert_eq!(revision_after(txn(Vec::new(), vec![read])), 2);
    let parts = vec![TxnOp::Put(put("a", "2", 0)), TxnOp::Put(put("b", "2", 0))];
    assert_eq!(revision_after(txn(Vec::new(), parts)), 3);
    assert_eq!(revision_after(Op::Compact { revision: 3 }), 3);
    let both = delete(Keys::from("a"));
    assert_eq!(revision_after(Op::DeleteRange(both)), 4);
}

#[test]
fn a_transaction_sees_what_its_own_parts_have_done_and_compares_what_was_before() {
    let mut state = State::default();
    did(&mut state, Op::Put(put("a", "1", 0)));
    let compare = Compare {
        keys: Keys::one("a"),
        result: CompareResult::Equal,
        target: Target::Value("1".to_string()),
    };
    let parts = vec![
        TxnOp::Put(put("a", "2", 0)),
        TxnOp::Range(Range::of(Keys::one("a"))),
        TxnOp::DeleteRange(delete(Keys::one("b"))),
    ];
    let Ok(Done::Txn {
        succeeded: true,
        responses,
    }) = did(&mut state, txn(vec![compare], parts)).result
    else {
        panic!("what is compared is the state before");
    };
    let Done::Range { kvs, count: 1 } = &responses[1] else {
        panic!("one key is read");
    };
    assert_eq!((kvs[0].value.as_str(), kvs[0].version), ("2", 2));
}

#[test]
fn a_transaction_that_fails_leaves_nothing_behind() {
    let mut state = State::default();
    for value in ["1", "2", "3"] {
        did(&mut state, Op::Put(put("a", value, 0)));
    }
    did(&mut state, Op::Compact { revision: 3 });
    let before = state.store().clone();
    let old = Range {
        revision: 2,
        ..Range::of(Keys::one("a"))
    };
    let parts = vec![TxnOp::Put(put("b", "1", 0)), TxnOp::Range(old)];
    let failed = did(&mut state, txn(Vec::new(), parts));
    let compact_revision = 3;
    assert_eq!(failed.result, Err(Error::Compacted { compact_revision }));
    let twice = vec![TxnOp::Put(put("c", "1", 0)), TxnOp::Put(put("c", "2", 0))];
    let failed = did(&mut state, txn(Vec::new(), twice));
    assert_eq!(failed.result, Err(Error::DuplicateKey));
    let covered = vec![
        TxnOp::DeleteRange(delete(Keys::from("a"))),
        TxnOp::Put(put("c", "1", 0)),
    ];
    let failed = did(&mut state, txn(Vec::new(), covered));
    assert_eq!(failed.result, Err(Error::DuplicateKey));
    assert_eq!(state.store(), &before);
}

#[test]
fn the_keys_of_a_lease_go_with_it_at_one_revision() {
    let mut state = State::default();
    let grant = Op::Grant {
        lease: 7,
        ttl_ms: 10,
    };
    did(&mut state, grant.clone());
    assert_eq!(did(&mut state, grant).result, Err(Error::LeaseExists));
    for key in ["a", "b", "c"] {
        did(&mut state, Op::Put(put(key, "1", 7)));
    }
    did(&mut state, Op::Put(put("b", "2", 0)));
    let at = state.applied() + 1;
    let grant = Grant { lease: 7, at: 1 };
    let over = state.apply(at, &Command::Expire(grant));
    assert_eq!((over.result, over.revision), (Ok(Done::Revoke), 6));
    let everything = Keys::from("a");
    let left: Vec<&String> = state
        .store()
        .range(&everything, 6)
        .map(|kv| &kv.key)
        .collect();
    assert_eq!(left, ["b"], "what was put without the lease stays");
    let late = did(&mut state, Op::Put(put("d", "1", 7)));
    assert_eq!(late.result, Err(Error::LeaseNotFound));
}

#[test]
fn what_is_said_of_a_lease_is_nothing_to_the_next_of_its_name() {
    let mut state = State::default();
    let grant = Op::Grant {
        lease: 7,
        ttl_ms: 10,
    };
    did(&mut state, grant.clone());
    did(&mut state, Op::Revoke { lease: 7 });
    did(&mut state, grant);
    let (first, second) = (Grant { lease: 7, at: 1 }, Grant { lease: 7, at: 3 });
    let said = |state: &mut State, grant, left_ms| {
        let at = state.applied() + 1;
        let remaining_ms = vec![(grant, left_ms)];
        state.apply(at, &Command::Checkpoint { remaining_ms });
        state.leases()[&7].remaining_ms
    };
    assert_eq!(said(&mut state, first, 1), None);
    assert_eq!(said(&mut state, second, 2), Some(2));
    assert_eq!(said(&mut state, first, 10), Some(2));
    let late = state.apply(7, &Command::Expire(first));
    assert_eq!(late.result, Err(Error::LeaseNotFound));
    let over = state.apply(8, &Command::Expire(second));
    assert_eq!(over.result, Ok(Done::Revoke));
}

#[test]
fn comparisons_of_a_key_that_is_not_there() {
    let state = State::default();
    let holds = |result, target| {
        state.holds(&Compare {
            keys: Keys::one("a"),
            result,
            target,
        })
    };
    assert!(holds(CompareResult::Equal, Target::CreateRevision(0)));
    assert!(holds(CompareResult::Less, Target::Version(1)));
    for result in [
        CompareResult::Equal,
        CompareResult::NotEqual,
        CompareResult::Greater,
        CompareResult::Less,
    ] {
        assert!(!holds(result, Target::Value(String::new())));
    }
    // A range in which there is nothing compares as one key that is not there.
    let of_range = |result, target| {
        let keys = Keys::from("a");
        state.holds(&Compare {
            keys,
            result,
            target,
        })
    };
    assert!(of_range(CompareResult::Equal, Target::Version(0)));
    assert!(!of_range(CompareResult::Greater, Target::Version(9)));
    assert!(!of_range(
        CompareResult::NotEqual,
        Target::Value("x".into())
    ));
}

#[test]
fn what_is_compacted_and_what_is_yet_to_come_is_said_to_be() {
    let mut state = State::default();
    for value in ["1", "2"] {
        did(&mut state, Op::Put(put("a", value, 0)));
    }
    let compacts = |state: &mut State, revision| did(state, Op::Compact { revision }).result;
    assert_eq!(compacts(&mut state, 4), Err(Error::FutureRevision));
    assert_eq!(compacts(&mut state, 3), Ok(Done::Compact));
    let compact_revision = 3;
    let compacted = Err(Error::Compacted { compact_revision });
    assert_eq!(compacts(&mut state, 3), compacted);
    let read = |revision| {
        let range = Range {
            revision,
            ..Range::of(Keys::one("a"))
        };
        state.read(&range, state.store().revision())
    };
    assert_eq!(read(2), compacted);
    assert_eq!(read(4), Err(Error::FutureRevision));
    assert!(matches!(read(3), Ok(Done::Range { count: 1, .. })));
}
