use stormglass_nemesis::model::bounds::*;
use stormglass_nemesis::model::search::*;
use stormglass_nemesis::model::space::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let get = |name: &str, d: &str| -> String { args.iter().find_map(|a| a.strip_prefix(&format!("{name}="))).unwrap_or(d).to_string() };
    let n = |name: &str, d: &str| -> u64 { get(name, d).parse().unwrap() };
    let mut timers = vec![];
    for t in get("silent", "").split(',').filter(|s| !s.is_empty()) { timers.push(TimerBound{timer: t.into(), nodes: Some(vec![]), times: None}); }
    let st = get("stand", ""); if !st.is_empty() { timers.push(TimerBound{timer: "election".into(), nodes: Some(st.split(',').map(|x| x.parse().unwrap()).collect()), times: None}); }
    for t in args.iter().filter_map(|a| a.strip_prefix("tm=")) { let p: Vec<&str> = t.split(':').collect(); timers.push(TimerBound{timer: p[0].into(), nodes: (p[1] != "*").then(|| p[1].split('+').filter(|x| *x != "-").map(|x| x.parse().unwrap()).collect()), times: (p[2] != "*").then(|| p[2].parse().unwrap())}); }
    let members: Vec<Vec<u8>> = get("members", "1+2").split('/').map(|m| m.split('+').map(|x| x.parse().unwrap()).collect()).collect();
    let w = get("asks", "w");
    let clients = w.split('/').map(|c| c.chars().enumerate().map(|(i, x)| match x { 'w' => Ask::Write("k".into(), (i as u64 + 1).into()), 'r' => Ask::Read("k".into()), 'm' => Ask::Members(members[0].clone()), 'n' => Ask::Members(members[1].clone()), _ => Ask::Transfer(2) }).collect::<Vec<_>>()).collect();
    let clients = if w == "-" { vec![] } else { clients };
    let b = Bounds { name: "x".into(), cluster: get("c", "raft-cache"), summary: "".into(), nodes: n("nodes", "3") as u8, spares: n("spares", "0") as u8,
        knobs: args.iter().filter_map(|a| a.strip_prefix("k:")).map(|a| { let (x, y) = a.split_once('=').unwrap(); (x.to_string(), y.to_string()) }).collect(),
        epoch_max: n("epoch", "2"), log_max: n("log", "3"), clients, asks_max: n("asksmax", "1") as u8, crashes: n("crashes", "0") as u8, resets: 0, timers,
        disk: if get("disk", "a") == "a" { Disk::Atomic } else { Disk::Pipelined }, network: if get("net", "s") == "s" { Network::Set } else { Network::Fifo }, shows: vec![], prelude: get("pre", "").split(';').filter(|s| !s.is_empty()).map(|s| s.trim().to_string()).collect() };
    let m = get("mutant", "");
    let r = match get("r", "all").as_str() { "none" => Reductions::NONE, "ops" => Reductions { no_ops: true, ..Reductions::NONE }, "stale" => Reductions { symmetry: false, ..Reductions::ALL }, "sym" => Reductions { stale_letters: false, ..Reductions::ALL }, _ => Reductions::ALL };
    let space = Space::new(b, (!m.is_empty()).then_some(&m), r).unwrap();
    let start = std::time::Instant::now();
    let out = search(&space, &Limits { threads: n("t", "1") as usize, states_max: n("max", "3000000") as usize, tell: &|c| if start.elapsed().as_secs() > 5 { eprintln!("{:?} {:?}", start.elapsed(), c) }, ..Limits::default() }).unwrap_or_else(|e| { println!("{}", e.to_string().replace("; ", "\n   ")); std::process::exit(1) });
    let s = start.elapsed().as_secs_f64();
    println!("{:?} {:.2}s {:.0} gen/s {:.0} uniq/s {:.1} B/unique", out.counts, s, out.counts.generated as f64 / s, out.counts.unique as f64 / s, out.counts.bytes_peak as f64 / out.counts.unique as f64);
    println!("{:?}", space.sizes());
    match &out.end { End::Broken { property, message, trace } => { println!("BROKEN {property}: {message} in {}", trace.len()); for a in trace { println!("  {}", space.describe(*a)); } } e => println!("{e:?}") }
    println!("{:?}", out.seen);
}
