use super::*;
use stormglass_impls::contract::NodeId;
use stormglass_nemesis::record::ViolationKind;

/// Everything that can make a failure long, at once.
fn long() -> Failure {
    let violation = |at: u64| Violation {
        kind: ViolationKind::Panic,
        name: "panic".to_string(),
        time_ns: at * 1_000_000,
        node: Some(NodeId(2)),
        message: format!(
            "assertion failed\n  left: {at}\n\n right: {}",
            "x".repeat(500)
        ),
    };
    Failure {
        name: "beacon".to_string(),
        seed: 7,
        ruling: Ruling::Violation,
        sentence: "What the clients saw\nis not linearizable ".to_string() + &"y".repeat(400),
        explanation: Some("op 1 < op 2, because it returned before\n\n".repeat(300)),
        violations: (0..40).map(violation).collect(),
        digest: "0".repeat(32),
        repeats: false,
        kept: Ok(PathBuf::from("/out/beacon-register-7-0a1b2c")),
        origin: Origin::Seed {
            keep_in: PathBuf::from("/package/tests/regressions/beacon"),
        },
        arena: Some(Arena::Simulator),
    }
}

#[test]
fn a_failure_has_at_most_twelve_lines_and_ends_with_the_command_that_repeats_it() {
    let kept = [Ok(PathBuf::from("/out/run")), Err("no\nroom\n".repeat(50))];
    let origins = [
        long().origin,
        Origin::Regression("/package/tests/regressions/beacon/a.json".into()),
        Origin::Replayed("/out/run/trial.json".into()),
    ];
    let rulings = [Ruling::Violation, Ruling::Unknown, Ruling::Vacuous];
    for (kept, origin) in kept
        .iter()
        .flat_map(|kept| origins.iter().map(move |o| (kept, o)))
    {
        for (repeats, ruling) in [true, false]
            .into_iter()
            .flat_map(|r| rulings.map(|o| (r, o)))
        {
            let failure = Failure {
                repeats,
                ruling,
                kept: kept.clone(),
                origin: origin.clone(),
                ..long()
            };
            let text = failure.to_string();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), LINES_MAX, "as much as fits:\n{text}");
            assert!(text.contains("more lines"), "{text}");
            assert!(text.contains(&failure.digest), "{text}");
            let last = lines[LINES_MAX - 1];
            let wanted = match &kept {
                Ok(_) => "replay  STORMGLASS_TRIAL=/out/run/trial.json ",
                Err(_) => "replay  run the test with STORMGLASS_SEED=7",
            };
            assert!(last.starts_with(wanted), "{text}");
            let is_said = |word: &str| lines.iter().any(|line| line.starts_with(word));
            let is_new = matches!(origin, Origin::Seed { .. }) && kept.is_ok();
            assert_eq!(is_said("keep "), is_new, "{text}");
            let told = lines
                .iter()
                .filter(|line| !line.starts_with("re") && !line.starts_with("keep"));
            let told = told.filter(|line| line.chars().count() > COLUMNS_MAX);
            assert_eq!(told.count(), 0, "a line is too long:\n{text}");
        }
    }
}

#[test]
fn a_short_failure_is_told_whole() {
    let failure = Failure {
        sentence: "The cluster was whole again and made no progress.".to_string(),
        explanation: Some("one line\n".to_string()),
        violations: Vec::new(),
        repeats: true,
        arena: None,
        ..long()
    };
    let text = failure.to_string();
    let wanted = "beacon, seed 7: broken\n\
        The cluster was whole again and made no progress.\n\
        one line\n\
        report  /out/beacon-register-7-0a1b2c/report.html\n\
        digest  00000000000000000000000000000000 (the same when run again)\n\
        keep    mkdir -p /package/tests/regressions/beacon && cp /out/beacon-register-7-0a1b2c/trial.json \
        /package/tests/regressions/beacon/beacon-register-7-0a1b2c.json\n\
        replay  STORMGLASS_TRIAL=/out/beacon-register-7-0a1b2c/trial.json ";
    assert!(text.starts_with(wanted), "{text}");
}

#[test]
fn what_cannot_be_run_is_told_in_as_few_lines() {
    let error = ChaosError::Setup("a cause\n".repeat(100));
    let text = brief(&error);
    assert_eq!(text.lines().count(), LINES_MAX);
    assert!(text.ends_with("... 89 more lines"), "{text}");
    assert_eq!(brief(&ChaosError::Setup("a cause".to_string())), "a cause");
}
