//! Detached runs: how many go from accepted to completed in a second, how soon one is picked up, and what it writes, on
//! each queue and beside what the queue's server does bare.
//!
//! Every measurement starts the gateway afresh, with an empty store and an empty queue. The times are those that the store
//! keeps of each run.

mod drive;
mod setup;
mod world;

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use super::machine::Usage;
use super::model::{Model, Play};
use super::report::Part;
use super::server::Server;
use super::table::{Row, Target, median};
use super::{Args, Bench, progress};
use crate::services::Found;
use drive::{Sample, sample};
use setup::{Queue, Setup};
use world::World;

/// What all rounds showed, by setup and by queue.
#[derive(Debug, Default)]
struct Rounds {
    samples: BTreeMap<Setup, Vec<Sample>>,
    /// Jobs per second of the queue's server alone.
    bare: BTreeMap<Queue, Vec<f64>>,
}

pub(super) fn run(bench: &Bench<'_>, found: &[Found]) -> Result<Part> {
    let args = bench.args;
    let model = Model::start(bench.model_command(), bench.fixture.folder())?;
    model.play(Play::CallFirst)?;
    let world = World::create(bench, found, model.server().port())?;
    let (setups, skipped) = world.possible()?;
    for line in &skipped {
        progress(&format!("skipped: {line}"));
    }
    let mut rounds = Rounds::default();
    let before = Usage::now([model.server()].map(Server::process))?;
    for number in 1..=args.rounds {
        for setup in &setups {
            let tell = |words: &str| progress(&format!("round {number}/{} {words}", args.rounds));
            let measured = rounds.bare.get(&setup.queue).map_or(0, Vec::len);
            if setup.queue != Queue::Memory && measured < number as usize {
                let jobs = world.bare(setup.queue)?;
                tell(&format!("{} bare: {jobs:.0} jobs/s", setup.queue.word()));
                rounds.bare.entry(setup.queue).or_default().push(jobs);
            }
            let sample = sample(bench, &world, *setup)?;
            tell(&format!("{setup}: {}", sample.text()));
            rounds.samples.entry(*setup).or_default().push(sample);
        }
    }
    let others = Usage::now([model.server()].map(Server::process))?.of_others_since(&before);
    let (rows, rounds) = (rows(&rounds, args.run_rate), rounds.json());
    Ok(Part { name: "queues", setting: setting(bench), others, rows, skipped, rounds })
}

fn setting(bench: &Bench<'_>) -> String {
    let Args { runs, connections, workers, run_rate, seconds, rounds, .. } = bench.args;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "detached runs of two model calls and one call of an HTTP tool; 100 agents, API key; {cores} cores, {runs} runs \
         from {connections} connections, {workers} workers, pick-up at {run_rate} runs/s for {seconds} s, median of \
         {rounds}; bare: jobs that the queue's server alone takes, hands out and forgets, in Postgres by three commits; \
         these servers count as others"
    )
}

impl Rounds {
    fn json(&self) -> Value {
        let setups = self.samples.iter().map(|(setup, samples)| {
            let samples: Vec<Value> = samples.iter().map(Sample::json).collect();
            json!({ "setup": setup.to_string(), "rounds": samples })
        });
        let bare: BTreeMap<_, _> = self.bare.iter().map(|(queue, jobs)| (queue.word(), jobs)).collect();
        json!({ "setups": setups.collect::<Vec<_>>(), "bare_jobs_per_s": bare })
    }
}

fn rows(rounds: &Rounds, rate: u32) -> Vec<Row> {
    let of = |(setup, samples): (&Setup, &Vec<Sample>)| {
        let bare = rounds.bare.get(&setup.queue).map(|jobs| median(jobs.iter().copied()));
        let row = |what: &str, decimals: usize, read: fn(&Sample) -> f64| Row {
            what: format!("{setup}: {what}"),
            decimals,
            bare: None,
            gateway: median(samples.iter().map(read)),
            target: None,
        };
        let target = setup.least_runs_per_s().map(Target::AtLeast);
        let written = samples.iter().filter_map(|sample| sample.rows_for_each);
        let mut rows = vec![
            Row { bare, target, ..row("runs/s", 0, |sample| sample.runs_per_s) },
            row(&format!("pick-up p50 at {rate}/s, ms"), 2, |sample| sample.pick_up_p50_ms),
            row(&format!("pick-up p99 at {rate}/s, ms"), 2, |sample| sample.pick_up_p99_ms),
            row("commits in the database for each run", 2, |sample| sample.commits_for_each),
        ];
        if written.clone().next().is_some() {
            let gateway = median(written);
            let row = row("rows written for each run", 2, |sample| sample.cpu_us);
            rows.push(Row { gateway, ..row });
        }
        rows.push(row("CPU of the gateway for each run, µs", 0, |sample| sample.cpu_us));
        rows
    };
    rounds.samples.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
