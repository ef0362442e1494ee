//! Every small trial that is kept in `nemesis/regressions` runs again, before anything else here: what was found once is not found twice.
//!
//! One with a mutant must break the same property as ever, and nothing at all without the mutant. One without a mutant tells of a bug that
//! was mended, and must break nothing. A digest that has changed is a note: the protocol or the arena has.

use std::ops::ControlFlow;
use std::path::Path;
use stormglass_nemesis::arena;
use stormglass_nemesis::judge::{Ruling, judge};
use stormglass_nemesis::regression::Regression;
use stormglass_nemesis::shrink::Property;
use stormglass_nemesis::trial::Trial;

fn run(trial: &Trial) -> (Ruling, Option<Property>, String) {
    let run = arena::run(trial, &mut |_| ControlFlow::Continue(())).expect("a kept trial is sound");
    let judged = judge(trial, &run).expect("the history is well formed");
    (judged.ruling, Property::of(&judged), run.record.digest)
}

#[test]
fn what_was_found_once_is_seen_again_and_only_because_of_its_mutant() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let kept = Regression::read_all(&folder).unwrap_or_else(|error| panic!("{error}"));
    assert!(kept.len() >= 13, "{} trials are kept", kept.len());
    for (
        path,
        Regression {
            property,
            digest,
            trial,
        },
    ) in kept
    {
        let name = path.display();
        if trial.mutant.is_some() {
            let (_, broken, now) = run(&trial);
            assert_eq!(broken, Some(property), "{name}");
            if now != digest {
                println!("{name}: the digest is {now} now; {digest} was kept");
            }
        }
        let clean = Trial {
            mutant: None,
            ..trial
        };
        let (ruling, broken, _) = run(&clean);
        assert_ne!(
            ruling,
            Ruling::Violation,
            "{name} without a mutant breaks {broken:?}"
        );
    }
}

#[test]
fn a_file_that_is_no_regression_is_named_with_its_field() {
    let folder =
        std::env::temp_dir().join(format!("stormglass-regressions-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("bad.json");
    for (text, named) in [
        ("{}", "missing field `property`"),
        (
            r#"{"property": "panic", "digest": "", "trial": 3}"#,
            "bad.json:1",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = Regression::read(&path).unwrap_err().to_string();
        assert!(
            error.contains(named) && error.contains("bad.json"),
            "{error}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
