//! What a campaign does not do: touch what is not its own, take a failing machine for a failing cluster, call nothing a night.

use super::*;

#[test]
fn what_lies_in_a_directory_is_nobodys_to_remove() {
    let place = place(BROKEN);
    let run = "run raft-cache --arena simulator --seed 3 --time 2s --faults none --out home/runs";
    expect(&place.run(run), 0);
    let kept = runs(&place.path().join("home"));
    assert_eq!(kept.len(), 1);
    for line in [
        "soak small.toml --seed 1 --out home",
        "soak small.toml --seed 1 --out home --resume",
    ] {
        let refused = place.run(line);
        expect(&refused, 64);
        assert!(
            err(&refused).contains("and no campaign"),
            "{}",
            err(&refused)
        );
    }
    expect(
        &place.run("soak small.toml --seed 100 --budget 2 --out night"),
        1,
    );
    let refused = place.run("merge night --out home");
    expect(&refused, 64);
    assert!(
        err(&refused).contains("no merged campaign"),
        "{}",
        err(&refused)
    );
    assert_eq!(runs(&place.path().join("home")), kept);

    // A merged campaign is not taken for one that goes on, and a second merge leaves nothing of the first.
    expect(&place.run("merge night --out whole"), 1);
    expect(&place.run("soak small.toml --out whole --resume"), 64);
    expect(&place.run("merge night --out whole"), 1);
    // What a merge leaves that was cut short: it is made again.
    fs::remove_file(place.path().join("whole/campaign.json")).unwrap();
    expect(&place.run("merge night --out whole"), 1);
    expect(&place.run("soak small.toml --resume"), 64);
}

#[test]
fn a_machine_that_fails_ends_the_campaign_and_no_trial() {
    let place = place(WHOLE);
    expect(
        &place.run("soak small.toml --seed 1 --budget 1 --out night"),
        0,
    );
    let night = place.path().join("night");
    fs::remove_dir_all(night.join("runs")).unwrap();
    fs::write(night.join("runs"), "in the way").unwrap();
    let failed = place.run("soak --budget 4 --out night --resume");
    expect(&failed, 70);
    assert!(
        err(&failed).contains("what is finished is safe"),
        "{}",
        err(&failed)
    );
    fs::remove_file(night.join("runs")).unwrap();
    expect(&place.run("soak --budget 4 --out night --resume"), 0);
    assert_eq!(rows(&night).len(), 4);
}

#[test]
fn a_campaign_that_tested_nothing_is_not_green() {
    let hasty = format!("{BROKEN}\n[[canary]]\nmutant = \"raft/read-before-noop\"\n");
    let place = place(&hasty);
    let hasty = place.run("soak small.toml --seed 1 --budget 1ms --jobs 1 --out hasty");
    expect(&hasty, 3);
    assert!(out(&hasty).contains("no trial was run"), "{}", out(&hasty));
    let calm = "[[storm]]\ncluster = \"raft-cache\"\narena = \"simulator\"\nfaults = \"all\"\ntime = \"1s\"\n";
    fs::write(place.path().join("calm.toml"), calm).unwrap();
    let calm = place.run("soak calm.toml --seed 1 --budget 3 --out calm");
    expect(&calm, 3);
    assert!(
        out(&calm).contains("no fault of these kinds fits"),
        "{}",
        out(&calm)
    );
}

#[test]
fn a_damaged_store_and_a_damaged_ledger_are_named() {
    let place = place(BROKEN);
    expect(
        &place.run("soak small.toml --seed 100 --budget 2 --out night"),
        1,
    );
    let store = place.path().join("night/campaign.redb");
    let whole = fs::read(&store).unwrap();
    for length in [whole.len() / 2, 5_000, 100, 0] {
        fs::write(&store, &whole[..length]).unwrap();
        for line in ["soak --out night --resume", "merge night --out whole"] {
            let refused = place.run(line);
            expect(&refused, 65);
            assert!(
                err(&refused).contains("night/campaign.redb"),
                "{length}: {}",
                err(&refused)
            );
            assert!(
                !err(&refused).contains("panicked"),
                "{length}: {}",
                err(&refused)
            );
        }
    }
    // Told before the night, and not behind it.
    fs::write(place.path().join("nights"), "{\"name\": 3}\n").unwrap();
    let refused = place.run("soak small.toml --seed 100 --out other --nights nights");
    expect(&refused, 65);
    assert!(err(&refused).contains("nights:1: "), "{}", err(&refused));
    assert!(!place.path().join("other").exists());
}

#[test]
fn limits_that_nothing_could_keep_are_refused() {
    let place = place(WHOLE);
    for (line, wanted) in [
        ("--timeout 18446744073709551615s", "timeout: say a time"),
        ("--timeout 0s", "timeout: say a time"),
        ("--memory 0", "memory: say a size"),
        ("--memory 18446744073709551615", "memory: say a size"),
        ("--shard 5/100000000000", "shards are too many"),
    ] {
        let refused = place.run(&format!("soak small.toml --seed 1 --out night {line}"));
        expect(&refused, 64);
        assert!(err(&refused).contains(wanted), "{line}: {}", err(&refused));
    }
    for name in ["../x", "/tmp/x", "a/b", ".", ""] {
        fs::write(
            place.path().join("named.toml"),
            format!("name = \"{name}\"\n{WHOLE}"),
        )
        .unwrap();
        let refused = place.run("soak named.toml --seed 1 --budget 1");
        expect(&refused, 65);
        assert!(
            err(&refused).contains("named.toml: name: "),
            "{}",
            err(&refused)
        );
    }
    // The last seed there is is run, and none behind it.
    let last = u64::MAX - 1;
    expect(
        &place.run(&format!(
            "soak small.toml --seed {last} --out last --budget 9"
        )),
        2,
    );
    assert_eq!(rows(&place.path().join("last")).len(), 2);
}
