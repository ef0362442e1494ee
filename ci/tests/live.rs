//! Clusters of real processes: what users run, and what is left of it when processes are killed.

mod common;

use common::{Place, err, expect, out, text};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A cluster that is taken down when the test ends, however it does.
struct Cluster(Place);

impl Drop for Cluster {
    fn drop(&mut self) {
        self.0.run("cluster down");
    }
}

impl Cluster {
    fn up(arguments: &str) -> Self {
        let cluster = Self(Place::new());
        let up = cluster.0.run(&format!("cluster up {arguments} --detach"));
        expect(&up, 0);
        assert!(out(&up).contains("led by n"), "{}", out(&up));
        cluster
    }

    fn says(&self, line: &str, code: i32) -> String {
        let output = self.0.run(line);
        expect(&output, code);
        out(&output).trim().to_string()
    }

    /// What each node says of itself, by id.
    fn status(&self) -> Vec<Value> {
        let output = self.0.run("cluster status --format json");
        let lines = out(&output);
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn leader(&self) -> Option<u64> {
        let leads = |node: &&Value| node["report"]["role"] == "leader";
        self.status().iter().find(leads)?["node"].as_u64()
    }

    fn until(&self, what: &str, holds: impl Fn(&[Value]) -> bool) {
        let began = Instant::now();
        while !holds(&self.status()) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{what}: {:?}",
                self.status()
            );
        }
    }
}

#[test]
fn a_cluster_is_started_asked_killed_in_part_restarted_and_ended() {
    let cluster = Cluster::up("raft-cache --nodes 3");
    assert_eq!(cluster.says("client put greeting hello", 0), "stored");
    assert_eq!(cluster.says("client get greeting", 0), "hello");
    assert_eq!(
        cluster.says("client cas greeting hello goodbye", 0),
        "stored"
    );
    assert_eq!(cluster.says("client cas greeting hello again", 4), "");
    assert_eq!(cluster.says("client append greeting !", 0), "stored");
    assert_eq!(cluster.says("client delete nothing", 4), "");
    assert_eq!(cluster.says("client get nothing", 4), "");
    let json = cluster.says("client get greeting --format json", 0);
    assert_eq!(json, r#"{"Value":"goodbye!"}"#);

    let leader = cluster.leader().expect("somebody leads");
    cluster.says(&format!("cluster stop {leader} --kill"), 0);
    assert_eq!(cluster.says("client get greeting", 0), "goodbye!");
    assert_eq!(cluster.says("client put greeting afterwards", 0), "stored");
    assert!(cluster.status()[leader as usize - 1]["pid"].is_null());
    cluster.says(&format!("cluster start {leader}"), 0);
    cluster.until("the node comes back and catches up", |nodes| {
        let commits: Vec<&Value> = nodes.iter().map(|node| &node["report"]["commit"]).collect();
        commits
            .iter()
            .all(|commit| commit.is_u64() && *commit == commits[0])
    });

    // All at once, and again from their logs.
    cluster.says("cluster down", 0);
    cluster.says("cluster down", 4);
    cluster.says("cluster status", 69);
    expect(&cluster.0.run("cluster up --detach"), 0);
    assert_eq!(cluster.says("client get greeting", 0), "afterwards");
    let plan = text(&cluster.0.path().join(".stormglass/cluster/cluster.json"));
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let addresses: Vec<&str> = plan["addresses"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let by_address = format!("client {} get greeting", addresses.join(","));
    assert_eq!(cluster.says(&by_address, 0), "afterwards");
}

#[test]
fn members_are_added_and_removed_and_a_leader_hands_over() {
    let cluster = Cluster::up("raft-cache --nodes 2 --spares 1");
    cluster.says("client put k v", 0);
    cluster.says("cluster add 3", 0);
    cluster.says("cluster transfer 3", 0);
    assert_eq!(cluster.leader(), Some(3));
    cluster.says("cluster remove 1", 0);
    cluster.until("the others know", |nodes| {
        nodes[1]["report"]["voters"] == serde_json::json!([2, 3])
    });
    assert_eq!(cluster.says("client get k", 0), "v");
    expect(&cluster.0.run("cluster add 4"), 64);
}

#[test]
fn a_cluster_whose_members_stay_as_they_are_outlives_its_leader() {
    let cluster = Cluster::up("zab-cache --nodes 3");
    cluster.says("client put k v", 0);
    let leader = cluster.leader().expect("somebody stored it");
    cluster.says(&format!("cluster stop {leader}"), 0);
    assert_eq!(cluster.says("client get k", 0), "v");
    assert_ne!(cluster.leader(), Some(leader));
    cluster.says(&format!("cluster start {leader}"), 0);
    cluster.until("it follows again", |nodes| {
        nodes[leader as usize - 1]["report"]["role"] == "follower"
    });
    for change in ["transfer 1", "remove 1", "add 1"] {
        let refused = cluster.0.run(&format!("cluster {change}"));
        expect(&refused, 64);
        let text = err(&refused);
        assert!(text.contains("zab-cache: its members stay"), "{text}");
    }
}

#[test]
fn a_tree_of_znodes_outlives_its_leader() {
    let cluster = Cluster::up("zookeeper --nodes 3");
    assert_eq!(cluster.says("client create /app hello", 0), "/app");
    for number in 0..2 {
        let made = cluster.says("client create /app/n- x --sequential", 0);
        assert_eq!(made, format!("/app/n-{number:010}"));
    }
    let leader = cluster.leader().expect("somebody leads");
    cluster.says(&format!("cluster stop {leader}"), 0);
    assert_eq!(cluster.says("client get /app", 0), "hello");
    assert_eq!(
        cluster.says("client set /app world --version 0", 0),
        "version 1"
    );
    cluster.says("client set /app again --version 0", 4);
    cluster.says(&format!("cluster start {leader}"), 0);
    cluster.until("it follows again", |nodes| {
        nodes[leader as usize - 1]["report"]["role"] == "follower"
    });
    let names = cluster.says("client ls /app", 0);
    assert_eq!(names, "n-0000000000\nn-0000000001");
    cluster.says("client delete /app", 4);
    cluster.says("client delete /app/n-0000000000", 0);
    let json = cluster.says("client stat /app --format json", 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["stat"]["cversion"], 3);
    expect(&cluster.0.run("client put k v"), 64);
    expect(&cluster.0.run("cluster transfer 1"), 64);
}

#[test]
fn keys_outlive_their_leader_and_are_restored_into_a_new_cluster() {
    let cluster = Cluster::up("etcd --nodes 3");
    assert_eq!(cluster.says("client put app/a hello", 0), "revision 2");
    assert_eq!(cluster.says("client put app/b there", 0), "revision 3");
    cluster.says("client grant 7 --ttl 60s", 0);
    cluster.says("client put app/c leased --lease 7", 0);
    cluster.says("client put app/d leased --lease 8", 4);
    let leader = cluster.leader().expect("somebody leads");
    cluster.says(&format!("cluster stop {leader}"), 0);
    assert_eq!(cluster.says("client get app/a", 0), "hello");
    assert_eq!(
        cluster.says("client cas app/a hello world", 0),
        "revision 5"
    );
    cluster.says("client cas app/a hello again", 4);
    assert_eq!(cluster.says("client get app/a --rev 2", 0), "hello");
    cluster.says("client get app/a --rev 99", 4);
    cluster.says(&format!("cluster start {leader}"), 0);
    cluster.until("it follows again", |nodes| {
        nodes[leader as usize - 1]["report"]["role"] == "follower"
    });
    assert_eq!(cluster.says("client keep-alive 7", 0), "lives for 60000 ms");
    cluster.says("client compact 4", 0);
    cluster.says("client get app/a --rev 2", 4);
    let file = cluster.0.path().join("saved");
    let saving = format!("client snapshot {}", file.display());
    let saved = cluster.says(&saving, 0);
    assert!(
        saved.contains("bytes") && saved.contains(", at revision "),
        "{saved}"
    );
    cluster.says(&saving, 65);
    for turn in 6..26 {
        // Whichever member is asked, what was acknowledged is in it.
        let put = format!("client put app/z {turn}");
        assert_eq!(cluster.says(&put, 0), format!("revision {turn}"));
        let file = cluster.0.path().join(format!("saved-{turn}"));
        let saved = cluster.says(&format!("client snapshot {}", file.display()), 0);
        assert!(saved.ends_with(&format!("revision {turn}")), "{saved}");
    }
    assert_eq!(cluster.says("client revoke 7", 0), "revoked");
    cluster.says("client get app/c", 4);

    // One alone of three: what it has is all there is to save.
    let leader = cluster.leader().expect("somebody leads");
    for node in (1..=3).filter(|&node| node != leader) {
        cluster.says(&format!("cluster stop {node}"), 0);
    }
    let alone = cluster.0.path().join("alone");
    let saving = format!("client snapshot {} --timeout 2s", alone.display());
    let saved = cluster.0.run(&saving);
    expect(&saved, 0);
    assert!(
        err(&saved).contains("no majority answered"),
        "{}",
        err(&saved)
    );

    let restored = Cluster::up(&format!("etcd --nodes 2 --restore {}", file.display()));
    let all = restored.says("client get app/ --prefix", 0);
    assert_eq!(all, "app/a = world\napp/b = there\napp/c = leased");
    let json = restored.says("client put app/b on --format json", 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["revision"].as_u64() > Some(1_000_000_000), "{json}");
    restored.says("client get app/a --rev 5", 4);
    std::fs::write(&file, "no backup").unwrap();
    let other = Place::new();
    let refused = other.run(&format!("cluster up etcd --restore {}", file.display()));
    expect(&refused, 65);
    expect(&cluster.0.run("client create /a b"), 64);
}

#[test]
fn what_cannot_be_started_says_why() {
    let cluster = Cluster::up("raft-cache --nodes 1");
    let again = cluster.0.run("cluster up raft-cache --detach");
    expect(&again, 69);
    assert!(err(&again).contains("this cluster runs"), "{}", err(&again));
    let twice = cluster.0.run("node --id 1 --dir .stormglass/cluster");
    expect(&twice, 69);
    assert!(
        err(&twice).contains("is this node already"),
        "{}",
        err(&twice)
    );
    cluster.says("client put k v", 0);
    cluster.says("cluster down", 0);
    let wal = cluster.0.path().join(".stormglass/cluster/n1/wal");
    let mut content = std::fs::read(&wal).unwrap();
    content[40] ^= 1;
    std::fs::write(&wal, content).unwrap();
    let damaged = cluster.0.run("node --id 1 --dir .stormglass/cluster");
    expect(&damaged, 65);
    assert!(
        err(&damaged).contains("is damaged at offset"),
        "{}",
        err(&damaged)
    );
    let up = cluster.0.run("cluster up --detach");
    expect(&up, 69);
    assert!(
        err(&up).contains("n1 ended") && err(&up).contains("is damaged"),
        "{}",
        err(&up)
    );

    let place = Place::new();
    expect(&place.run("client get k"), 65);
    expect(&place.run("cluster status"), 65);
    expect(&place.run("cluster up raft-cash --detach"), 64);
    expect(&place.run("node --id 1 --dir ."), 65);
    let exposed = place.run("node --id 1 --dir . --system raft-cache --addresses 0.0.0.0:7999");
    expect(&exposed, 64);
    assert!(err(&exposed).contains("--listen"), "{}", err(&exposed));
    let nobody = place.run("client 127.0.0.1:9 get k --timeout 300ms");
    expect(&nobody, 2);
    assert!(err(&nobody).contains("no answer"), "{}", err(&nobody));
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    line
}

#[test]
fn nodes_in_the_foreground_end_with_the_one_that_started_them_however_it_ends() {
    let place = Place::new();
    let mut up = place.command(&["cluster", "up", "raft-cache", "--nodes", "2"]);
    let mut up = up.stdout(Stdio::piped()).spawn().unwrap();
    assert!(first_line(&mut up).contains("led by"));
    up.kill().unwrap();
    up.wait().unwrap();
    let began = Instant::now();
    while place.run("cluster down").status.code() != Some(4) {
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn processes_that_are_killed_again_and_again_lose_nothing_that_was_acknowledged() {
    let place = Place::new();
    // STORMGLASS_LIVE_TIME=120s for two minutes of it.
    let time = std::env::var("STORMGLASS_LIVE_TIME").unwrap_or_else(|_| "8s".to_string());
    let run = place.run(&format!(
        "run raft-cache --arena live --faults crash --nodes 3 --clients 8 --seed 1 --time {time}"
    ));
    expect(&run, 0);
    println!("{}", out(&run));
    let verdict: Value = serde_json::from_str(&text(&place.latest().join("run.json"))).unwrap();
    assert_eq!(verdict["verdict"], "valid");
    assert!(
        verdict["counts"]["faults_installed"].as_u64() >= Some(3),
        "{verdict}"
    );
    assert!(verdict["counts"]["ok"].as_u64() >= Some(500), "{verdict}");
    assert!(
        !place.latest().join("nodes").exists(),
        "of a valid run the logs are not kept"
    );
    expect(&place.run("replay latest"), 64);
    expect(&place.run("replay latest --arena simulator"), 0);
}

#[test]
fn a_cluster_that_loses_what_it_acknowledged_is_caught() {
    let place = Place::new();
    let run = place.run(
        "run raft-cache --arena live --faults crash-loop,kill-fresh-leader --nodes 3 --clients 8 --seed 1 --time 12s --mutant raft/new-leader-truncates",
    );
    expect(&run, 1);
    assert!(
        place.latest().join("nodes/n1/wal").exists(),
        "the logs are evidence"
    );
}
