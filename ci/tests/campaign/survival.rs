//! What ends a campaign before its end: nothing that is finished is lost or counted twice.

use super::*;

#[test]
fn a_campaign_killed_at_fifty_instants_comes_to_the_same_as_one_left_alone() {
    let place = place(QUICK);
    let line =
        |out: &str| format!("soak small.toml --seed 7 --out {out} --resume --nights {out}.jsonl");
    expect(&place.run(&line("calm")), 1);
    let calm = place.path().join("calm");
    // The instants are of any length up to more than a campaign takes; the numbers come from a generator with a seed.
    let mut draw = 0x9E37_79B9_u32;
    let (mut killed, mut ended) = (0, 0);
    while killed < 50 {
        let mut child = spawn(&place, &line("wild"));
        draw = draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let instant = Duration::from_micros(u64::from(draw >> 8) % 400_000);
        std::thread::sleep(instant);
        match child.try_wait().unwrap() {
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                killed += 1;
            }
            Some(status) => {
                // It was faster: what it came to counts as well, and another one is killed.
                assert_eq!(status.code(), Some(1));
                same(&calm, &place.path().join("wild"));
                fs::remove_dir_all(place.path().join("wild")).unwrap();
                fs::remove_file(place.path().join("wild.jsonl")).unwrap();
                ended += 1;
            }
        }
    }
    expect(&place.run(&line("wild")), 1);
    same(&calm, &place.path().join("wild"));
    println!("killed {killed} times; came to its end {ended} times before that");
    let nights = |name: &str| text(&place.path().join(name)).lines().count();
    assert_eq!((nights("calm.jsonl"), nights("wild.jsonl")), (1, 1));
}

fn same(calm: &Path, wild: &Path) {
    assert_eq!(rows(calm), rows(wild));
    assert_eq!(
        text(&calm.join("summary.md")),
        text(&wild.join("summary.md"))
    );
    assert_eq!(runs(calm), runs(wild));
    assert_eq!(closing(calm)["failures"], closing(wild)["failures"]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_leaves_a_partial_report_and_what_is_finished_stays() {
    let place = place(&QUICK.replace("budget = 24", "budget = 2000"));
    let mut child = spawn(
        &place,
        "soak small.toml --seed 7 --out night --nights nights",
    );
    let night = place.path().join("night");
    wait_for_workers(&child);
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let summary = text(&night.join("summary.md"));
    assert!(summary.contains("it was interrupted"), "{summary}");
    assert!(text(&night.join("campaign.html")).contains("it was interrupted"));
    let finished = rows(&night).len();
    assert!(finished < 2_000);
    assert!(
        !place.path().join("nights").exists(),
        "half a night is none"
    );
    // What was under way left nothing behind once the campaign is taken up again, and the engine's own signal does the same.
    let told = summary
        .split('`')
        .find(|told| told.starts_with("stormglass soak"));
    let told = told
        .expect("the command is told")
        .trim_start_matches("stormglass ");
    let mut child = spawn(&place, &format!("{told} --nights nights"));
    wait_for_workers(&child);
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let more = rows(&night);
    assert!(more.len() >= finished);
    let units: BTreeSet<u64> = more
        .iter()
        .map(|row| row["unit"].as_u64().unwrap())
        .collect();
    assert_eq!(units.len(), more.len(), "nothing is counted twice");
}

/// Needs a file system that can be made small: root, or a user who may have a namespace.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_a_campaign_with_a_word_and_it_goes_on_when_there_is_room() {
    let place = place(&BROKEN.replace("budget = 8", "budget = 40"));
    fs::create_dir(place.path().join("disk")).unwrap();
    let script = format!(
        "set -u; cd '{}'; mount -t tmpfs -o size=600k tmpfs disk || exit 77
         soak='{} soak small.toml --seed 100 --out disk/night --resume --nights nights --jobs 1'
         $soak >out 2>err; echo $? >first
         mount -o remount,size=300m disk
         $soak >out 2>err2; echo $? >second
         cp disk/night/trials.jsonl disk/night/summary.md .; umount disk",
        place.path().display(),
        env!("CARGO_BIN_EXE_stormglass")
    );
    let done = std::process::Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .output();
    match done {
        Ok(done) if done.status.code() == Some(0) => {}
        other => {
            eprintln!("SKIPPED: no small file system can be made here: {other:?}");
            return;
        }
    }
    let read = |name: &str| text(&place.path().join(name));
    assert_eq!(read("first").trim(), "70", "{}", read("err"));
    assert!(
        read("err").contains("there is no room left on the disk; "),
        "{}",
        read("err")
    );
    assert!(
        read("err").contains("finished trials are safe: make room, then go on with"),
        "{}",
        read("err")
    );
    assert_eq!(read("second").trim(), "1", "{}", read("err2"));
    // What it came to is what a disk with room gives.
    expect(
        &place.run("soak small.toml --seed 100 --out roomy --nights nights2"),
        1,
    );
    assert_eq!(rows(place.path()), rows(&place.path().join("roomy")));
    assert_eq!(
        read("summary.md"),
        text(&place.path().join("roomy/summary.md"))
    );
}
