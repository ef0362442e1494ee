use stormglass_nemesis::model::{library, search::*, space::*, trace::*};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let max: usize = std::env::var("MAX").ok().and_then(|m| m.parse().ok()).unwrap_or(30_000_000);
    let t: usize = std::env::var("T").ok().and_then(|m| m.parse().ok()).unwrap_or(1);
    let run = |b: stormglass_nemesis::model::bounds::Bounds, m: Option<&str>| {
        let name = format!("{}/{} {}", b.cluster, b.name, m.unwrap_or(""));
        let space = Space::new(b, m, Reductions::ALL).unwrap();
        let start = std::time::Instant::now();
        let out = match search(&space, &Limits { threads: t, states_max: max, ..Limits::default() }) { Ok(o) => o, Err(e) => { println!("{name}: {e}"); return } };
        let s = start.elapsed().as_secs_f64();
        let end = match &out.end { End::Broken { property, trace, .. } => format!("BROKEN {property} in {}", trace.len()), e => format!("{e:?}") };
        if let End::Broken { property, message, trace } = &out.end {
            let trace = Trace::of(&space, m, Some((property, message)), trace).unwrap();
            for (arena, walked) in [("core", trace.walk_core()), ("simulator", trace.walk_simulator()), ("turmoil", trace.walk_turmoil())] {
                match walked { Err(e) => println!("   {arena}: {e}"), Ok(w) => match trace.parting(&w) { None => println!("   {arena}: same, {:?}", w.broken), Some(p) => println!("   {arena}: PARTS {p:?}") } }
            }
        }
        println!("{name}: {end} gen {} uniq {} depth {} {s:.2}s {:.0}/s {:.0} B/state missing {:?}", out.counts.generated, out.counts.unique, out.counts.depth, out.counts.generated as f64 / s, out.counts.bytes_peak as f64 / out.counts.unique as f64, out.missing);
    };
    if args[0] == "kills" { for k in library::KILLS { if let Ok(b) = k.bounds { let c = if k.mutant.starts_with("raft") { "raft-cache" } else { "paxos-cache" }; if args.get(1).is_none_or(|a| k.mutant.contains(a.as_str())) { run(library::bounds(c, b).expect(b), Some(k.mutant)); } } } }
    else { for b in library::all() { if args[0] == "all" || (b.name == args[0] && args.get(1).is_none_or(|c| b.cluster.starts_with(c.as_str()))) { run(b, None); } } }
}
