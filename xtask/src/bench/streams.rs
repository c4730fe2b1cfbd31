//! Streamed chats: streams per second, time to the first token, what open streams cost in memory.
//!
//! Each round starts both servers afresh. The open streams come first, before load has grown the heap: what is
//! left over from it would make them seem cheaper, and the memory afterwards closer to idle.

mod drive;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::machine::Usage;
use super::model::{Model, Play};
use super::report::Part;
use super::server::{Server, free_port};
use super::table::{Row, Target, float, median, mib};
use super::{Bench, progress};
use drive::{Opened, Sample, StreamDriver, hold};

/// Until memory is at rest after the warm-up.
const REST: Duration = Duration::from_secs(3);

/// What one round showed of one server.
#[derive(Debug, Clone, Copy)]
struct Side {
    idle_kib: u64,
    open_kib: u64,
    after_kib: u64,
    saturated: Sample,
    single: Sample,
}

/// The bare relay and the gateway.
type Round = [Side; 2];

pub(super) fn run(bench: &Bench<'_>) -> Result<Part> {
    let args = bench.args;
    let model = Model::start(bench.model_command(), bench.fixture.folder())?;
    let (mut rounds, mut others) = (Vec::new(), 0.0_f64);
    for number in 1..=args.rounds {
        let (round, share) = round(bench, &model, number)?;
        rounds.push(round);
        others = others.max(share);
    }
    let setting = format!(
        "streamed chats of 20 deltas; {}, {} connections, {} s a round, median of {}, {} open streams",
        bench.subject(),
        args.connections,
        args.seconds,
        args.rounds,
        args.streams
    );
    let told = rounds.iter().map(|[bare, gateway]| json!({ "bare": bare.json(), "gateway": gateway.json() }));
    let told = Value::Array(told.collect());
    let rows = rows(&rounds, args.streams, args.settle);
    Ok(Part { name: "streams", setting, others, rows, skipped: Vec::new(), rounds: told })
}

/// One round, and the share of the machine that others took while it was driven.
fn round(bench: &Bench<'_>, model: &Model, number: u32) -> Result<(Round, f64)> {
    let args = bench.args;
    let logs = bench.fixture.folder();
    let mut command = bench.bare_command(model.server().port());
    let bare = Server::start("bare", &mut command, free_port()?, logs)?;
    let mut command = bench.gateway_command(model.server().port())?;
    let gateway = Server::start("gateway", &mut command, free_port()?, logs)?;
    let empty = bench.check_gateway(gateway.port(), "chat")?;
    let servers = [&bare, &gateway];
    let tell = |server: &Server, words: String| {
        progress(&format!("round {number}/{} {}, {words}", args.rounds, server.name()))
    };

    let saturate =
        StreamDriver { bench: &bench.binaries.bench, connections: args.connections, seconds: args.seconds };
    let single = StreamDriver { connections: 1, ..saturate };
    let warm_up = StreamDriver { connections: 4, seconds: 1, ..saturate };
    model.play(Play::AtOnce)?;
    for server in servers {
        warm_up.drive(server)?;
    }
    sleep(REST);
    let openings = [Opened::Head, if args.self_check { Opened::Head } else { Opened::Session }];
    let mut memory = Vec::new();
    for (server, opened) in servers.into_iter().zip(openings) {
        let held = hold(bench, model, server, opened).with_context(|| server.last_words())?;
        let open = held.open_kib;
        tell(server, format!("{} open streams: {} KiB, idle {} KiB", args.streams, open, held.idle_kib));
        memory.push((server, held, Instant::now()));
    }
    let mut settled = Vec::new();
    for (server, held, ended) in memory {
        sleep((ended + Duration::from_secs(args.settle)).saturating_duration_since(Instant::now()));
        settled.push((held, server.rss_kib()?));
        tell(server, format!("{} s after: {} KiB", args.settle, server.rss_kib()?));
    }

    let before = Usage::now([&bare, &gateway, model.server()].map(Server::process))?;
    let drive = |driver: &StreamDriver<'_>, server: &Server| -> Result<Sample> {
        let sample = driver.drive(server)?;
        tell(server, sample.text(driver.connections));
        Ok(sample)
    };
    let saturated = [drive(&saturate, &bare)?, drive(&saturate, &gateway)?];
    model.play(Play::FirstAlone)?;
    let singles = [drive(&single, &bare)?, drive(&single, &gateway)?];
    let others = Usage::now([&bare, &gateway, model.server()].map(Server::process))?.of_others_since(&before);
    bench.check_database(empty)?;
    let side = |at: usize| -> Result<Side> {
        let (held, after_kib) = settled.get(at).context("two servers")?;
        let (idle_kib, open_kib, after_kib) = (held.idle_kib, held.open_kib, *after_kib);
        let saturated = *saturated.get(at).context("two servers")?;
        let single = *singles.get(at).context("two servers")?;
        Ok(Side { idle_kib, open_kib, after_kib, saturated, single })
    };
    Ok(([side(0)?, side(1)?], others))
}

impl Side {
    fn kib_for_each(&self, streams: u32) -> f64 {
        (float(self.open_kib) - float(self.idle_kib)) / f64::from(streams)
    }

    fn after_of_idle(&self) -> f64 {
        float(self.after_kib) / float(self.idle_kib)
    }

    fn json(&self) -> Value {
        json!({
            "rss_kib": { "idle": self.idle_kib, "open": self.open_kib, "after": self.after_kib },
            "saturated": self.saturated.json(),
            "single": self.single.json(),
        })
    }
}

fn rows(rounds: &[Round], streams: u32, settle: u64) -> Vec<Row> {
    let both = |what: &str, decimals: usize, target: Option<Target>, read: &dyn Fn(&Side) -> f64| Row {
        what: what.to_owned(),
        decimals,
        bare: Some(median(rounds.iter().map(|[bare, _]| read(bare)))),
        gateway: median(rounds.iter().map(|[_, gateway]| read(gateway))),
        target,
    };
    // Of each round, since only what was measured in the same minute is subtracted.
    let added = |what: &str, target: Option<Target>, read: fn(&Sample) -> f64| Row {
        what: what.to_owned(),
        decimals: 2,
        bare: None,
        gateway: median(rounds.iter().map(|[bare, gateway]| read(&gateway.single) - read(&bare.single))),
        target,
    };
    let p50 = |sample: &Sample| sample.first_p50_ms;
    let p99 = |sample: &Sample| sample.first_p99_ms;
    vec![
        both("streams/s", 0, Some(Target::RatioAtLeast(0.3)), &|side| side.saturated.per_s),
        both("stream p50, ms", 2, None, &|side| side.saturated.whole_p50_ms),
        both("stream p99, ms", 2, None, &|side| side.saturated.whole_p99_ms),
        both("CPU per stream, µs", 0, None, &|side| side.saturated.cpu_us),
        both("first token at concurrency 1, p50, ms", 2, None, &|side| p50(&side.single)),
        both("first token at concurrency 1, p99, ms", 2, None, &|side| p99(&side.single)),
        added("added to first token, p50, ms", None, p50),
        added("added to first token, p99, ms", Some(Target::AtMost(0.5)), p99),
        both("memory idle, MiB", 1, None, &|side| mib(side.idle_kib)),
        both(&format!("memory with {streams} open streams, MiB"), 1, None, &|side| mib(side.open_kib)),
        both("KiB for each open stream", 1, Some(Target::AtMost(40.0)), &|side| side.kib_for_each(streams)),
        both(&format!("memory {settle} s after, MiB"), 1, None, &|side| mib(side.after_kib)),
        both(
            &format!("memory {settle} s after, of idle"),
            2,
            Some(Target::AtMost(1.2)),
            &Side::after_of_idle,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::table::{missed, table};
    use super::*;

    fn side(per_s: f64, first_p99_ms: f64, [idle_kib, open_kib, after_kib]: [u64; 3]) -> Side {
        let sample = Sample {
            per_s,
            whole_p50_ms: 1.0,
            whole_p99_ms: 2.0,
            first_p50_ms: first_p99_ms / 2.0,
            first_p99_ms,
            cpu_us: 10.0,
            peak_kib: 1,
        };
        Side { idle_kib, open_kib, after_kib, saturated: sample, single: sample }
    }

    fn bare() -> Side {
        side(1000.0, 0.25, [10_000, 20_000, 11_000])
    }

    #[test]
    fn targets_are_met_at_their_limits() {
        let rounds = [[bare(), side(300.0, 0.75, [30_000, 110_000, 36_000])]];
        let rows = rows(&rounds, 2000, 60);
        assert_eq!(missed(&rows), Vec::<String>::new());
        assert_eq!(table(&rows).matches(" ok ").count(), 4, "{}", table(&rows));
    }

    #[test]
    fn every_missed_target_is_named() {
        let rounds = [[bare(), side(299.0, 0.76, [30_000, 110_001, 36_001])]];
        let missed = missed(&rows(&rounds, 2000, 5));
        let expected = [
            "streams/s",
            "added to first token, p99, ms",
            "KiB for each open stream",
            "memory 5 s after, of idle",
        ];
        assert_eq!(missed, expected);
    }

    #[test]
    fn what_is_added_is_subtracted_round_by_round() {
        let memory = [10_000, 20_000, 10_000];
        let pair = |bare: f64, gateway: f64| [side(1.0, bare, memory), side(1.0, gateway, memory)];
        // Medians apart would say 3.0 - 2.0.
        let rounds = [pair(1.0, 1.25), pair(2.0, 3.5), pair(3.0, 3.0)];
        let rows = rows(&rounds, 1000, 60);
        let added = rows.iter().find(|row| row.what == "added to first token, p99, ms").unwrap();
        assert_eq!((added.bare, added.gateway), (None, 0.25));
        let each = rows.iter().find(|row| row.what == "KiB for each open stream").unwrap();
        assert_eq!((each.bare, each.gateway), (Some(10.0), 10.0));
    }

    #[test]
    fn without_rounds_no_target_is_met() {
        assert_eq!(missed(&rows(&[], 2000, 60)).len(), 4);
    }
}
