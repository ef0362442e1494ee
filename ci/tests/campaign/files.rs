//! Campaign files: what is wrong in them, and those of the pipeline.

use super::*;

#[test]
fn what_is_wrong_with_a_campaign_file_is_told_with_its_line() {
    for (campaign, wanted) in [
        (
            "\n[[storm]]\ncluster = \"raft-cach\"\n",
            "small.toml:2: storm: there is no cluster \"raft-cach\"; did you mean raft-cache",
        ),
        ("[[storm]]\n", "small.toml:1: storm: cluster: say which"),
        (
            "[[storm]]\ncluster = \"etcd\"\nnodez = 3\n",
            "small.toml:1: storm: unexpected argument '--nodez'",
        ),
        (
            "[[storm]]\ncluster = \"etcd\"\nnodes = 300\n",
            "300 is not in 1..=99",
        ),
        (
            "[[storm]]\ncluster = \"etcd\"\nseed = 3\n",
            "seed: the campaign says that itself",
        ),
        (
            "[[storm]]\ncluster = \"etcd\"\nfaults = \"floods\"\n",
            "there is no fault \"floods\"",
        ),
        (
            "\n\n[[canary]]\nmutant = \"raft/no-such\"\n",
            "small.toml:3: canary: there is no mutant",
        ),
        (
            "[[model]]\ncluster = \"etcd\"\nbounds = \"x\"\n",
            "small.toml:1: model: there is no bounds \"x\"",
        ),
        ("budget = \"soon\"\n", "budget: "),
        ("\nbugdet = 3\n", "small.toml:2: unknown field `bugdet`"),
        ("[[storm]\n", "small.toml:1: "),
    ] {
        let place = place(campaign);
        let refused = place.run("soak small.toml --out night");
        expect(&refused, 65);
        assert!(
            err(&refused).contains(wanted),
            "{wanted}\n{}",
            err(&refused)
        );
        assert!(!place.path().join("night").exists(), "nothing was begun");
    }
    let place = Place::new();
    expect(&place.run("soak no-such.toml"), 65);
    expect(&place.run("soak --budget 5x"), 64);
    expect(&place.run("soak --only no-such"), 64);
    fs::write(place.path().join("empty.toml"), "").unwrap();
    expect(&place.run("soak empty.toml"), 4);
}

#[test]
fn the_campaigns_of_the_pipeline_can_be_run() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap();
    let dry = |line: &str| {
        let dry = place.run(line);
        expect(&dry, 0);
        let plan: Value = serde_json::from_str(&out(&dry)).unwrap();
        plan
    };
    for name in ["nightly", "pull-request"] {
        let file = root.join(".ci").join(format!("{name}.toml"));
        let line = format!("soak {} --dry-run --format json", file.display());
        let plan = dry(&line);
        // Every cluster is stormed, in both arenas, and has canaries.
        let clusters = |part: &str| -> BTreeSet<String> {
            let entries = plan[part].as_array().unwrap().iter();
            let names = entries.map(|entry| entry["cluster"].as_str().unwrap().to_string());
            names.collect()
        };
        assert_eq!(clusters("storms"), clusters("canaries"), "{name}");
        assert!(clusters("storms").len() >= 5, "{name}");
        let only = dry(&format!("{line} --only etcd"));
        for part in ["storms", "canaries"] {
            let entries = only[part].as_array().unwrap();
            assert!(!entries.is_empty(), "{name} {part}");
            assert!(
                entries.iter().all(|entry| entry["cluster"] == "etcd"),
                "{name} {part}"
            );
        }
    }
    assert!(
        dry("soak --dry-run --format json")["storms"]
            .as_array()
            .unwrap()
            .len()
            >= 10
    );
}
