//! Whole answers: start, memory, requests per second, latencies.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::load::{Driver, Sample};
use super::machine::Usage;
use super::report::Part;
use super::server::{Server, free_port};
use super::table::{Row, Target, median, mib};
use super::{Bench, ms, progress};

/// One of the two servers and all that was measured of it.
#[derive(Debug)]
struct Side {
    name: &'static str,
    starts: Vec<Duration>,
    idle_kib: u64,
    saturated: Vec<Sample>,
    steady: Vec<Sample>,
    after_kib: u64,
}

impl Side {
    fn new(name: &'static str, starts: Vec<Duration>, idle_kib: u64) -> Self {
        Self { name, starts, idle_kib, saturated: Vec::new(), steady: Vec::new(), after_kib: 0 }
    }

    fn loaded_kib(&self) -> u64 {
        self.saturated.iter().chain(&self.steady).map(|sample| sample.peak_kib).max().unwrap_or_default()
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "start_ms": self.starts.iter().map(|start| ms(*start)).collect::<Vec<_>>(),
            "rss_kib": { "idle": self.idle_kib, "loaded": self.loaded_kib(), "after": self.after_kib },
            "saturated": self.saturated.iter().map(Sample::json).collect::<Vec<_>>(),
            "steady": self.steady.iter().map(Sample::json).collect::<Vec<_>>(),
        })
    }
}

pub(super) fn run(bench: &Bench<'_>) -> Result<Part> {
    let args = bench.args;
    let logs = bench.fixture.folder();
    let model = Server::start("model", &mut bench.model_command(), free_port()?, logs)?;
    let bare = starts(args.rounds, "bare", || Ok(bench.bare_command(model.port())), logs)?;
    let gateway = starts(args.rounds, "gateway", || bench.gateway_command(model.port()), logs)?;
    let empty = bench.check_gateway(gateway.server.port(), "invoke")?;
    let part = measure(bench, &model, bare, gateway)?;
    bench.check_database(empty)?;
    Ok(part)
}

/// A server that stays, and how long each of its starts took.
struct Started {
    server: Server,
    starts: Vec<Duration>,
    idle_kib: u64,
}

/// Starts a server `rounds` times and keeps the last; memory is read once it is at rest.
fn starts(
    rounds: u32,
    name: &'static str,
    command: impl Fn() -> Result<Command>,
    logs: &Path,
) -> Result<Started> {
    let mut times = Vec::new();
    let mut kept = None;
    for round in 1..=rounds {
        drop(kept.take());
        let server = Server::start(name, &mut command()?, free_port()?, logs)?;
        progress(&format!("{name}: start {round}/{rounds} took {:.1} ms", ms(server.ready_in())));
        times.push(server.ready_in());
        kept = Some(server);
    }
    let Some(server) = kept else { bail!("no round, no server") };
    sleep(Duration::from_secs(1));
    let idle_kib = server.rss_kib()?;
    Ok(Started { server, starts: times, idle_kib })
}

fn measure(bench: &Bench<'_>, model: &Server, bare: Started, gateway: Started) -> Result<Part> {
    let args = bench.args;
    let saturate = Driver {
        bench: &bench.binaries.bench,
        connections: args.connections,
        seconds: args.seconds,
        rate: None,
    };
    let steady = Driver { rate: Some(args.rate), connections: 16, ..saturate };
    let warm_up = Driver { seconds: 1, ..saturate };
    let mut sides = [
        Side::new("bare", bare.starts, bare.idle_kib),
        Side::new("gateway", gateway.starts, gateway.idle_kib),
    ];
    let servers = [bare.server, gateway.server];
    for server in &servers {
        warm_up.drive(server)?;
    }
    let before = Usage::now(servers.iter().chain([model]).map(Server::process))?;
    for round in 1..=args.rounds {
        for (side, server) in sides.iter_mut().zip(&servers) {
            side.saturated.push(told(round, args.rounds, side.name, "saturated", saturate.drive(server)?));
        }
        for (side, server) in sides.iter_mut().zip(&servers) {
            side.steady.push(told(round, args.rounds, side.name, "steady", steady.drive(server)?));
        }
    }
    let others = Usage::now(servers.iter().chain([model]).map(Server::process))?.of_others_since(&before);
    progress("waiting for memory to settle");
    sleep(Duration::from_secs(3));
    for (side, server) in sides.iter_mut().zip(&servers) {
        side.after_kib = server.rss_kib()?;
    }
    let setting = format!(
        "{}, {} connections, {} s a round, median of {}, steady rate {}/s",
        bench.subject(),
        args.connections,
        args.seconds,
        args.rounds,
        args.rate
    );
    let rounds = json!(sides.iter().map(Side::json).collect::<Vec<_>>());
    Ok(Part { name: "requests", setting, others, rows: rows(&sides, args.rate), skipped: Vec::new(), rounds })
}

fn told(round: u32, rounds: u32, name: &str, kind: &str, sample: Sample) -> Sample {
    progress(&format!(
        "round {round}/{rounds} {name}, {kind}: {:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms",
        sample.rps, sample.p50_ms, sample.p99_ms
    ));
    sample
}

fn rows(sides: &[Side; 2], rate: u32) -> Vec<Row> {
    let row = |what: &str, decimals: usize, target: Option<Target>, read: &dyn Fn(&Side) -> f64| Row {
        what: what.to_owned(),
        decimals,
        bare: Some(read(&sides[0])),
        gateway: read(&sides[1]),
        target,
    };
    let saturated = |read: fn(&Sample) -> f64| move |side: &Side| median(side.saturated.iter().map(read));
    let steady = |read: fn(&Sample) -> f64| move |side: &Side| median(side.steady.iter().map(read));
    let p50 = |sample: &Sample| sample.p50_ms;
    let p99 = |sample: &Sample| sample.p99_ms;
    let at_rate = |name: &str| format!("{name} at {rate}/s, ms");
    vec![
        row("requests/s", 0, Some(Target::RatioAtLeast(0.25)), &saturated(|sample| sample.rps)),
        row("p50, ms", 2, None, &saturated(p50)),
        row("p99, ms", 2, None, &saturated(p99)),
        row(&at_rate("p50"), 2, None, &steady(p50)),
        row(&at_rate("p99"), 2, None, &steady(p99)),
        row("CPU per request, µs", 0, Some(Target::RatioAtMost(5.0)), &saturated(|sample| sample.cpu_us)),
        row("memory idle, MiB", 1, Some(Target::AtMost(40.0)), &|side| mib(side.idle_kib)),
        row("memory loaded, MiB", 1, None, &|side| mib(side.loaded_kib())),
        row("memory after, MiB", 1, None, &|side| mib(side.after_kib)),
        row("start, ms", 1, Some(Target::AtMost(150.0)), &|side| median(side.starts.iter().map(|s| ms(*s)))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Report;

    fn side(name: &'static str, rps: f64, cpu_us: f64, idle_kib: u64, start_ms: u64) -> Side {
        let sample = Sample { rps, p50_ms: 1.0, p99_ms: 2.0, cpu_us, peak_kib: idle_kib * 2 };
        let mut side = Side::new(name, vec![Duration::from_millis(start_ms); 3], idle_kib);
        side.saturated = vec![sample, Sample { rps: rps * 2.0, ..sample }, Sample { rps: 0.0, ..sample }];
        side.steady = vec![sample];
        side
    }

    fn report(gateway: Side) -> Report {
        let rows = rows(&[side("bare", 1000.0, 50.0, 10_240, 5), gateway], 200);
        let setting = "a test".into();
        Report {
            parts: vec![Part {
                name: "requests",
                setting,
                others: 0.0,
                rows,
                skipped: Vec::new(),
                rounds: Value::Null,
            }],
        }
    }

    #[test]
    fn targets_are_met_at_their_limits() {
        assert_eq!(report(side("gateway", 250.0, 250.0, 40_960, 150)).missed(), Vec::<String>::new());
    }

    #[test]
    fn every_missed_target_is_named() {
        let report = report(side("gateway", 240.0, 260.0, 41_000, 151));
        let missed = ["requests/s", "CPU per request, µs", "memory idle, MiB", "start, ms"];
        assert_eq!(report.missed(), missed);
        assert_eq!(report.text().matches("MISSED").count(), 4);
        assert!(report.text().contains("| requests/s "), "{}", report.text());
        assert_eq!(report.json()["parts"][0]["rows"][0]["met"], false);
    }

    #[test]
    fn a_figure_that_is_missing_meets_no_target() {
        let mut gateway = side("gateway", 500.0, 60.0, 10_240, 10);
        gateway.saturated.clear();
        assert_eq!(report(gateway).missed(), ["requests/s", "CPU per request, µs"]);
    }
}
