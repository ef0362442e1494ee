//! Nights: what is known, what is new and since when, and what must be found.

use super::*;

#[test]
fn known_failures_stay_in_sight_and_are_red_again_when_they_expire() {
    let place = place(BROKEN);
    let known = |expires: &str| {
        format!(
            "[[known]]\nproperty = \"committed-on-quorum\"\nsignature = \"raft-cache+*\"\nreason = \"being mended\"\nexpires = {expires}\n"
        )
    };
    fs::write(place.path().join("known.toml"), known("2999-12-31")).unwrap();
    let told = place.run("soak small.toml --seed 100 --out told");
    expect(&told, 0);
    let summary = out(&told);
    assert!(summary.contains("# GREEN"), "{summary}");
    assert!(
        summary.contains("- KNOWN `raft-cache+raft/ack-before-fsync/"),
        "{summary}"
    );
    assert!(
        summary.contains("being mended (until 2999-12-31)"),
        "{summary}"
    );
    assert!(text(&place.path().join("told/campaign.html")).contains("being mended"));

    fs::write(place.path().join("known.toml"), known("2020-01-01")).unwrap();
    let expired = place.run("soak small.toml --seed 100 --out expired");
    expect(&expired, 1);
    assert!(out(&expired).contains("- EXPIRED `"), "{}", out(&expired));

    // Of a property that did not break, it is no excuse; and what was not seen is told.
    let other = known("2999-12-31").replace("committed-on-quorum", "log-matching");
    fs::write(place.path().join("other.toml"), other).unwrap();
    let other = place.run("soak small.toml --seed 100 --out other --known other.toml");
    expect(&other, 1);
    assert!(
        out(&other).contains("was not seen: if it is mended"),
        "{}",
        out(&other)
    );

    fs::write(place.path().join("known.toml"), known("\"soon\"")).unwrap();
    let wrong = place.run("soak small.toml --out wrong");
    expect(&wrong, 65);
    assert!(err(&wrong).contains("known.toml:5: "), "{}", err(&wrong));
}

#[test]
fn a_new_failure_shows_its_first_night_and_the_commits_since_the_last_green_one() {
    let place = place(BROKEN);
    fs::write(
        place.path().join("whole.toml"),
        format!("name = \"small\"\n{WHOLE}"),
    )
    .unwrap();
    let git = |words: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@x"])
            .args(words);
        let done = git.current_dir(place.path()).output().unwrap();
        assert!(done.status.success(), "{}", err(&done));
        out(&done)
    };
    let commit = |what: &str| git(&["commit", "--quiet", "--allow-empty", "-m", what]);
    git(&["init", "--quiet"]);
    commit("the first");
    // Not that of whoever runs this test.
    let soak = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut soak = place.command(&words);
        soak.env_remove("GITHUB_SHA")
            .env_remove("STORMGLASS_COMMIT");
        soak.output().unwrap()
    };
    expect(&soak("soak whole.toml --seed 1 --out one"), 0);
    commit("breaks it");
    commit("something else");
    let two = soak("soak small.toml --seed 100 --out two");
    expect(&two, 1);
    let summary = out(&two);
    assert!(summary.contains("since the last green night:"), "{summary}");
    let told: Vec<&str> = summary
        .lines()
        .skip_while(|line| !line.contains("since the last green night"))
        .skip(1)
        .take_while(|line| line.starts_with("    "))
        .collect();
    assert_eq!(told.len(), 2, "{summary}");
    assert!(
        told[0].ends_with("something else") && told[1].ends_with("breaks it"),
        "{summary}"
    );
    let page = text(&place.path().join("two/campaign.html"));
    assert!(page.contains("breaks it"));

    // A week later it is no longer new, and its first night is what it was.
    let ledger = place.path().join(".stormglass/nights.jsonl");
    let nights = text(&ledger);
    let today = closing(&place.path().join("two"))["day"]
        .as_str()
        .unwrap()
        .to_string();
    fs::write(&ledger, nights.replace(&today, "2026-01-02")).unwrap();
    let three = soak("soak small.toml --seed 200 --out three");
    expect(&three, 1);
    assert!(out(&three).contains("- SEEN BEFORE `"), "{}", out(&three));
    assert!(
        out(&three).contains("first night 2026-01-02"),
        "{}",
        out(&three)
    );
    assert!(
        !out(&three).contains("since the last green night"),
        "{}",
        out(&three)
    );
}

#[test]
fn a_night_in_which_a_planted_bug_is_not_found_is_red() {
    let blind = format!("{WHOLE}\n[[canary]]\nmutant = \"raft/stale-round\"\nseeds = 1\n");
    let place = place(&blind);
    let night = place.run("soak small.toml --seed 1 --out night");
    expect(&night, 1);
    let summary = text(&place.path().join("night/summary.md"));
    assert!(summary.starts_with("# RED"), "{summary}");
    assert!(summary.contains("- 0 of 1 canaries found"), "{summary}");
    assert!(
        summary.contains("the planted bug raft/stale-round of raft-cache was not found"),
        "{summary}"
    );
    let page = text(&place.path().join("night/campaign.html"));
    assert!(
        page.contains("<p class=\"badge\">violation</p>"),
        "the page is not green"
    );
}
