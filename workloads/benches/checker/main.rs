//! What judging costs, ours and others', on the same histories in the same run:
//! `STORMGLASS_CORPUS=FOLDER cargo bench -p stormglass-workloads --features porcupine --bench checker [-- WORDS]`. Words choose the rows whose name holds
//! one of them.
//!
//! Each cell is measured in a process of its own, one after the other, in processor time. What is short is repeated for a tenth of a second. A cell
//! ends after ten seconds (ours after thirty), or when it asks for more than six gigabytes.
//!
//! The verdict is `Case::decide`, from operations that are paired and parsed: this is what the others do, who begin with typed operations in memory
//! and say yes or no. Pairing and parsing stand beside it, and `check` as users call it: both of these, and a certificate, or evidence made small. Of
//! transactions there is only the whole. Where a history has keys the others are given each by itself, except where it says unsplit.
//!
//! What the promises of a service cost stands in a table of its own, chosen by the word `zookeeper` or `etcd`.

mod measure;
#[path = "../peers/mod.rs"]
mod others;
mod peers;
mod promises;
mod rows;

use peers::{Peer, Score};
use rows::{Row, rows};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// What one process may hold.
const KIBIBYTES_MAX: u64 = 6 << 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rows = rows();
    if let [flag, number, peer] = arguments.as_slice()
        && flag == "--cell"
    {
        return cell(&rows, number, peer);
    }
    let words: Vec<&String> = arguments
        .iter()
        .filter(|word| !word.starts_with("--"))
        .collect();
    println!(
        "| history | aim | verdict | pairing, parsing | with proof | search holds | says | others |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut agreed = true;
    for (number, row) in rows.iter().enumerate() {
        let chosen = words.is_empty() || words.iter().any(|word| row.name.contains(word.as_str()));
        if chosen {
            agreed &= print(number, row);
        }
    }
    agreed &= promises::print(&words);
    if agreed {
        ExitCode::SUCCESS
    } else {
        println!("Verdicts differ: see the rows marked with DIFFERS.");
        ExitCode::FAILURE
    }
}

/// Measures one cell in this process.
fn cell(rows: &[Row], number: &str, peer: &str) -> ExitCode {
    let row = number
        .parse()
        .ok()
        .and_then(|number: usize| rows.get(number));
    let Some((row, peer)) = row.zip(Peer::named(peer)) else {
        return ExitCode::FAILURE;
    };
    match (peer.missing(), row.histories()) {
        (Some(why), _) => println!("{why}"),
        (None, Err(why)) => println!("{why}"),
        (None, Ok(histories)) => {
            let seconds = if peer == Peer::Ours { 30 } else { 10 };
            measure::end_after(Duration::from_secs(seconds));
            println!("{}", peers::score(peer, row.subject, &histories).line());
        }
    }
    ExitCode::SUCCESS
}

/// Prints a row. False when verdicts differ.
fn print(number: usize, row: &Row) -> bool {
    let mut ours = None;
    let mut first = String::new();
    let mut others = Vec::new();
    let mut agreed = true;
    for peer in row.peers() {
        let line = run(number, *peer);
        let score = Score::read(&line);
        if *peer == Peer::Ours {
            first = line;
            ours = score;
            continue;
        }
        let mut text = score.as_ref().map_or(line, Score::time);
        if let (Some(ours), Some(score)) = (&ours, &score)
            && !ours.agrees(score)
        {
            text += " DIFFERS";
            agreed = false;
        }
        others.push(format!("{} {text}", peer.name()));
    }
    let cells = match &ours {
        Some(score) => format!(
            "{} | {} | {} | {} | {}",
            score.time(),
            milliseconds(score.preparing_ns),
            milliseconds(score.proving_ns),
            bytes(score.bytes),
            score.says
        ),
        None => format!("{first} | | | | "),
    };
    println!(
        "| {} | {} | {cells} | {} |",
        row.name,
        row.aim,
        others.join("; ")
    );
    agreed
}

/// Measures one cell in a process of its own; what it said in the end.
fn run(number: usize, peer: Peer) -> String {
    let program = std::env::current_exe().expect("a process knows its program");
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -v {KIBIBYTES_MAX}; exec \"$0\" \"$@\""))
        .arg(program)
        .args(["--cell", &number.to_string(), peer.name()])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return format!("cannot be run: {error}"),
    };
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    match said.lines().last() {
        Some(line) if output.status.success() => line.to_owned(),
        _ if complained.contains("memory allocation") => {
            format!("> {} GiB", KIBIBYTES_MAX >> 20)
        }
        _ if complained.contains("overflowed its stack") => "overflows its stack".to_owned(),
        _ => format!(
            "{}: {}",
            output.status,
            complained.lines().last().unwrap_or_default()
        ),
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds as f64 / 1e6;
    match milliseconds {
        0.0..1.0 => format!("{milliseconds:.3} ms"),
        1.0..1000.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{:.2} s", milliseconds / 1e3),
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
    }
}
