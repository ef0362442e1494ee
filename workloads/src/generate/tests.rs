use super::*;
use serde_json::json;
use std::collections::BTreeSet;
use stormglass_checker::{Limits, Register, Verdict, check, verify};

const REGISTERS: [Object; 3] = [
    Object::Register { domain: 5 },
    Object::UniqueWrites,
    Object::UniqueCas,
];

const OBJECTS: [Object; 5] = [
    REGISTERS[0],
    REGISTERS[1],
    REGISTERS[2],
    Object::Kv,
    Object::ListAppend,
];

fn made(plan: &Plan) -> Generated {
    plan.generate().expect("the plan can be carried out")
}

fn judged(history: &History) -> Verdict {
    let register = Register::default();
    let verdict = check(&register, history, &Limits::default())
        .expect("the history is well formed")
        .verdict;
    if let Verdict::Valid(certificate) = &verdict {
        let operations = history.operations().expect("the history is well formed");
        verify(&register, &operations, certificate).expect("the certificate holds");
    }
    verdict
}

/// The tutorial: a history made to order, and the same with a lie in it.
#[test]
fn what_is_made_is_legal_and_a_lie_in_it_is_not() {
    let plan = Plan::new(Object::UniqueCas, 200, 4, 1);
    assert!(matches!(judged(&made(&plan).history), Verdict::Valid(_)));
    let lying = made(&plan.lying(Lie::Stale, 50));
    let planted = lying.planted.expect("a lie was asked for");
    assert_ne!(planted.truth, planted.lie);
    assert_eq!(lying.history.events[planted.event].value, planted.lie);
    assert!(matches!(judged(&lying.history), Verdict::Invalid(_)));
}

#[test]
fn one_plan_gives_one_history_and_each_seed_another() {
    for object in OBJECTS {
        let plan = |seed| Plan::new(object, 100, 3, seed).crashing(Crashes::PerThousand(100));
        assert_eq!(made(&plan(1)), made(&plan(1)), "{}", object.name());
        assert_ne!(made(&plan(1)), made(&plan(2)), "{}", object.name());
    }
}

#[test]
fn as_many_are_in_flight_as_were_asked_for_until_all_are_called() {
    for object in OBJECTS {
        let plan = Plan {
            clients: 9,
            ..Plan::new(object, 300, 6, 3)
        };
        let history = made(&plan.crashing(Crashes::Exactly(20))).history;
        let (mut open, mut called) = (0, 0);
        for event in &history.events {
            if event.kind == Kind::Invoke {
                called += 1;
                open += 1;
            } else {
                assert!(open == 6 || called == 300, "{}", object.name());
                open -= 1;
            }
            assert!(open <= 6);
        }
        assert_eq!((open, called), (0, 300));
        assert!(history.operations().is_ok(), "calls and returns pair");
    }
}

#[test]
fn registers_that_tell_the_truth_are_valid_whatever_crashes() {
    for object in REGISTERS {
        for seed in 0..30 {
            let plan = Plan {
                keys: 1 + seed % 2,
                ..Plan::new(object, 60, 1 + seed as usize % 5, seed)
            };
            let history = made(&plan.crashing(Crashes::PerThousand(seed * 10))).history;
            let verdict = judged(&history);
            assert!(
                matches!(verdict, Verdict::Valid(_)),
                "{} {seed}: {verdict:?}",
                object.name()
            );
        }
    }
}

#[test]
fn lies_that_no_order_explains_are_invalid() {
    for object in REGISTERS {
        for seed in 0..30 {
            let plan = Plan::new(object, 80, 3, seed).crashing(Crashes::Exactly(4));
            let lies = match object {
                // A stale value may have been written again.
                Object::Register { .. } => vec![Lie::Impossible],
                _ => vec![Lie::Impossible, Lie::Stale],
            };
            for lie in lies {
                let history = made(&plan.clone().lying(lie, seed * 3)).history;
                let verdict = judged(&history);
                assert!(
                    matches!(verdict, Verdict::Invalid(_)),
                    "{} {seed} {lie:?}: {verdict:?}",
                    object.name()
                );
            }
        }
    }
}

#[test]
fn exactly_so_many_crash_and_all_of_them_change_something() {
    let plan = Plan::new(Object::Register { domain: 5 }, 200, 5, 8);
    let history = made(&plan.crashing(Crashes::Exactly(26))).history;
    let crashed: Vec<&Event> = history
        .events
        .iter()
        .filter(|event| event.kind == Kind::Info)
        .collect();
    assert_eq!(crashed.len(), 26);
    assert!(crashed.iter().all(|event| event.f != "read"));
    let processes: BTreeSet<_> = crashed.iter().map(|event| event.process).collect();
    assert_eq!(processes.len(), 26, "who crashed never comes back");
}

#[test]
fn a_lie_stands_where_it_was_asked_for() {
    for object in OBJECTS {
        let plan = Plan::new(object, 400, 4, 5);
        let honest = made(&plan).history;
        for lie in [Lie::Impossible, Lie::Stale] {
            let Generated { history, planted } = made(&plan.clone().lying(lie, 50));
            let planted = planted.expect("a lie was asked for");
            let differ: Vec<usize> = (0..honest.events.len())
                .filter(|at| history.events[*at] != honest.events[*at])
                .collect();
            assert_eq!(differ, [planted.event], "{}", object.name());
            assert!(
                (400..480).contains(&planted.event),
                "{} {lie:?}: {planted:?}",
                object.name()
            );
        }
    }
}

/// Every read of a list sees a prefix of what the longest read saw, and no element twice.
#[test]
fn lists_only_grow() {
    let plan = Plan::new(Object::ListAppend, 2000, 5, 4).crashing(Crashes::PerThousand(20));
    let history = made(&plan).history;
    let mut seen: std::collections::BTreeMap<u64, Vec<Value>> = Default::default();
    let ok = history.events.iter().filter(|event| event.kind == Kind::Ok);
    for part in ok.flat_map(|event| event.value.as_array().expect("a list of parts")) {
        let key = part[1].as_u64().expect("keys are numbers");
        match part[0].as_str() {
            Some("append") => assert!(part[2].as_u64() <= Some(APPENDS_A_KEY)),
            _ => {
                let list = part[2].as_array().expect("a read returns a list");
                let longest = seen.entry(key).or_default();
                let common = list.len().min(longest.len());
                assert_eq!(list[..common], longest[..common], "key {key}");
                if list.len() > longest.len() {
                    longest.clone_from(list);
                }
            }
        }
    }
    assert!(seen.len() > 10, "keys are retired and replaced");
    for list in seen.values() {
        let distinct: BTreeSet<String> = list.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), list.len());
        assert!(!list.contains(&json!(0)));
    }
}

#[test]
fn plans_that_contradict_themselves_are_refused_with_a_remedy() {
    let plan = Plan::new(Object::Register { domain: 5 }, 10, 2, 1);
    let shares = plan.shares;
    let unique = Plan::new(Object::UniqueWrites, 10, 2, 1);
    let foreign = Plan { shares, ..unique };
    for (plan, word) in [
        (
            Plan {
                operations: 0,
                ..plan.clone()
            },
            "operations",
        ),
        (
            Plan {
                clients: 0,
                in_flight: 0,
                ..plan.clone()
            },
            "clients",
        ),
        (
            Plan {
                in_flight: 3,
                ..plan.clone()
            },
            "in flight",
        ),
        (
            Plan {
                keys: 0,
                ..plan.clone()
            },
            "keys",
        ),
        (
            Plan {
                shares: Shares::default(),
                ..plan.clone()
            },
            "share",
        ),
        (
            Plan {
                shares: Shares {
                    cas: u64::MAX,
                    ..shares
                },
                ..plan.clone()
            },
            "cas",
        ),
        (
            Plan {
                object: Object::Register { domain: 0 },
                ..plan.clone()
            },
            "values",
        ),
        (foreign, "unique-writes has no cas"),
        (plan.clone().crashing(Crashes::Exactly(11)), "crash"),
        (plan.clone().crashing(Crashes::PerThousand(1001)), "1000"),
        (plan.clone().lying(Lie::Stale, 101), "100"),
        (
            Plan {
                shares: Shares { reads: 0, ..shares },
                ..plan
            }
            .lying(Lie::Impossible, 0),
            "read",
        ),
    ] {
        let text = plan.generate().map(|_| ()).expect_err(word).to_string();
        assert!(text.contains(word) && text.contains("Remedy"), "{text}");
    }
}
