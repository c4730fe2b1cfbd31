//! One table: bare, gateway, ratio, target.

use std::time::Duration;

use serde_json::{Value, json};

use super::load::Sample;
use super::{Args, ms};

/// One of the two servers and all that was measured of it.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) name: &'static str,
    starts: Vec<Duration>,
    idle_kib: u64,
    pub(super) saturated: Vec<Sample>,
    pub(super) steady: Vec<Sample>,
    pub(super) after_kib: u64,
}

impl Side {
    pub(super) fn new(name: &'static str, starts: Vec<Duration>, idle_kib: u64) -> Self {
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

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
enum Target {
    RatioAtLeast(f64),
    RatioAtMost(f64),
    AtMost(f64),
}

#[derive(Debug)]
struct Row {
    what: String,
    decimals: usize,
    bare: f64,
    gateway: f64,
    target: Option<Target>,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.gateway / self.bare
    }

    /// The target in words, and whether it is met.
    fn verdict(&self) -> Option<(String, bool)> {
        Some(match self.target? {
            Target::RatioAtLeast(limit) => (format!("ratio ≥ {limit}"), self.ratio() >= limit),
            Target::RatioAtMost(limit) => (format!("ratio ≤ {limit}"), self.ratio() <= limit),
            Target::AtMost(limit) => (format!("≤ {limit}"), self.gateway <= limit),
        })
    }
}

#[derive(Debug)]
pub(super) struct Report {
    setting: String,
    /// The share of the machine that other processes took.
    others: f64,
    sides: [Side; 2],
    rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(args: &Args, sides: [Side; 2], others: f64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let subject =
            if args.self_check { "the bare handler against itself" } else { "100 agents, API key, SQLite" };
        let setting = format!(
            "{subject}; {cores} cores, {} connections, {} s a round, median of {}, steady rate {}/s",
            args.connections, args.seconds, args.rounds, args.rate
        );
        let rows = rows(&sides, args.rate);
        Self { setting, others, sides, rows }
    }

    /// Markdown, so that it can stand in a document as it is.
    pub(super) fn table(&self) -> String {
        let percent = self.others * 100.0;
        let mut text = format!("{}; others took {percent:.0} % of the machine meanwhile\n\n", self.setting);
        let head = ["", "bare", "gateway", "ratio", "target"].map(str::to_owned);
        let mut lines = vec![head];
        for row in &self.rows {
            let number = |value: f64| format!("{value:.*}", row.decimals);
            let target = row.verdict().map_or(String::new(), |(words, met)| {
                format!("{words} {}", if met { "ok" } else { "MISSED" })
            });
            let ratio = format!("{:.2}", row.ratio());
            lines.push([row.what.clone(), number(row.bare), number(row.gateway), ratio, target]);
        }
        let mut widths = [0; 5];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        let [first, bare, gateway, ratio, target] = widths;
        for (index, [a, b, c, d, e]) in lines.iter().enumerate() {
            text.push_str(&format!(
                "| {a:<first$} | {b:>bare$} | {c:>gateway$} | {d:>ratio$} | {e:<target$} |\n"
            ));
            if index == 0 {
                let dashes = |width: usize| "-".repeat(width);
                let [a, b, c, d, e] = [first, bare - 1, gateway - 1, ratio - 1, target].map(dashes);
                text.push_str(&format!("| {a} | {b}: | {c}: | {d}: | {e} |\n"));
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| {
            let verdict = row.verdict();
            json!({
                "what": row.what,
                "bare": row.bare,
                "gateway": row.gateway,
                "ratio": row.ratio(),
                "target": verdict.as_ref().map(|(words, _)| words),
                "met": verdict.as_ref().map(|(_, met)| met),
            })
        };
        json!({
            "setting": self.setting,
            "others_share": self.others,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "sides": self.sides.iter().map(Side::json).collect::<Vec<_>>(),
        })
    }

    pub(super) fn missed(&self) -> Vec<String> {
        let missed = self.rows.iter().filter(|row| row.verdict().is_some_and(|(_, met)| !met));
        missed.map(|row| row.what.clone()).collect()
    }
}

fn rows(sides: &[Side; 2], rate: u32) -> Vec<Row> {
    let row = |what: &str, decimals: usize, target: Option<Target>, read: &dyn Fn(&Side) -> f64| Row {
        what: what.to_owned(),
        decimals,
        bare: read(&sides[0]),
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

fn mib(kib: u64) -> f64 {
    u32::try_from(kib).map_or(f64::INFINITY, f64::from) / 1024.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        return upper;
    }
    let lower = middle.checked_sub(1).and_then(|below| values.get(below)).copied().unwrap_or(f64::NAN);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &'static str, rps: f64, cpu_us: f64, idle_kib: u64, start_ms: u64) -> Side {
        let sample = Sample { rps, p50_ms: 1.0, p99_ms: 2.0, cpu_us, peak_kib: idle_kib * 2 };
        let mut side = Side::new(name, vec![Duration::from_millis(start_ms); 3], idle_kib);
        side.saturated = vec![sample, Sample { rps: rps * 2.0, ..sample }, Sample { rps: 0.0, ..sample }];
        side.steady = vec![sample];
        side
    }

    fn report(gateway: Side) -> Report {
        let sides = [side("bare", 1000.0, 50.0, 10_240, 5), gateway];
        let rows = rows(&sides, 200);
        Report { setting: "a test".into(), others: 0.0, sides, rows }
    }

    #[test]
    fn medians_and_not_means() {
        assert_eq!(median([9.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([1.0, 3.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
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
        assert_eq!(report.table().matches("MISSED").count(), 4);
        assert!(report.table().contains("| requests/s "), "{}", report.table());
        assert_eq!(report.json()["rows"][0]["met"], false);
    }

    #[test]
    fn a_figure_that_is_missing_meets_no_target() {
        let mut gateway = side("gateway", 500.0, 60.0, 10_240, 10);
        gateway.saturated.clear();
        assert_eq!(report(gateway).missed(), ["requests/s", "CPU per request, µs"]);
    }
}
