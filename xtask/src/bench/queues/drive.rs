//! One setup, driven twice: as many runs as it takes, and at a fixed rate.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::setup::{Layout, Setup, Store};
use super::world::{World, Written};
use crate::bench::Bench;
use crate::bench::load::{asking, cpu_us};
use crate::bench::server::{Process, Server, free_port};
use crate::bench::table::float;

const BODY: &str = r#"{"message":"look","options":{"async":true}}"#;
/// What the model says once the tool was called; a result without it did not come from there.
const RESULT: &str = "pong";
/// Enough for connections, caches and statements to be there.
const WARM_UP: u32 = 200;
/// At the fixed rate; the warm-up takes the arguments' number.
const STEADY_CONNECTIONS: u32 = 16;

/// What one round showed of a setup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) runs_per_s: f64,
    pub(super) cpu_us: f64,
    pub(super) commits_for_each: f64,
    pub(super) rows_for_each: Option<f64>,
    pub(super) pick_up_p50_ms: f64,
    pub(super) pick_up_p99_ms: f64,
}

impl Sample {
    pub(super) fn text(self) -> String {
        format!(
            "{:.0} runs/s, {:.2} commits each, pick-up p50 {:.2} ms, p99 {:.2} ms",
            self.runs_per_s, self.commits_for_each, self.pick_up_p50_ms, self.pick_up_p99_ms
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "runs_per_s": self.runs_per_s,
            "cpu_us_per_run": self.cpu_us,
            "commits_per_run": self.commits_for_each,
            "rows_written_per_run": self.rows_for_each,
            "pick_up_p50_ms": self.pick_up_p50_ms,
            "pick_up_p99_ms": self.pick_up_p99_ms,
        })
    }
}

pub(super) fn sample(bench: &Bench<'_>, world: &World<'_>, setup: Setup) -> Result<Sample> {
    saturated_and_steady(bench, world, setup).with_context(|| setup.to_string())
}

fn saturated_and_steady(bench: &Bench<'_>, world: &World<'_>, setup: Setup) -> Result<Sample> {
    let args = bench.args;
    let gateway = Gateway::start(bench, world, setup)?;
    let before = world.written(setup.store)?;
    gateway.ask(bench, "agent-001", Extent::Runs(WARM_UP))?;
    let saturated = gateway.ask(bench, "agent-000", Extent::Runs(args.runs))?;
    let after = gateway.end(world, setup.store)?;
    let runs = f64::from(WARM_UP + args.runs);
    let for_each = |before: u64, after: u64| float(after.saturating_sub(before)) / runs;

    let gateway = Gateway::start(bench, world, setup)?;
    gateway.ask(bench, "agent-001", Extent::Runs(WARM_UP))?;
    let steady = gateway.ask(bench, "agent-000", Extent::Rate(args.run_rate))?;
    Ok(Sample {
        runs_per_s: saturated.number("runs_per_s")?,
        cpu_us: saturated.cpu_us / saturated.number("runs")?,
        commits_for_each: for_each(before.commits, after.commits),
        rows_for_each: before.rows.zip(after.rows).map(|(before, after)| for_each(before, after)),
        pick_up_p50_ms: steady.number("pick_up_p50_ms")?,
        pick_up_p99_ms: steady.number("pick_up_p99_ms")?,
    })
}

/// The processes of a setup.
#[derive(Debug)]
struct Gateway {
    server: Server,
    worker: Option<Process>,
}

/// How much is asked for.
#[derive(Debug, Clone, Copy)]
enum Extent {
    Runs(u32),
    Rate(u32),
}

/// What a drive told, and what the gateway spent until the last run had ended.
struct Told {
    report: Value,
    cpu_us: f64,
}

impl Told {
    fn number(&self, key: &str) -> Result<f64> {
        self.report[key].as_f64().with_context(|| format!("no `{key}` in {}", self.report))
    }
}

impl Gateway {
    fn start(bench: &Bench<'_>, world: &World<'_>, setup: Setup) -> Result<Self> {
        world.prepare(setup, bench.args.workers)?;
        let logs = bench.fixture.folder();
        let model = world.model();
        let serve = |more: &[&str]| {
            let mut command = bench.serve_command(world.workspace(), model);
            command.args(more);
            command
        };
        let mut command = match setup.layout {
            Layout::Whole => serve(&["--host", "127.0.0.1"]),
            Layout::Apart => serve(&["--host", "127.0.0.1", "--no-workers"]),
        };
        let server = Server::start("gateway", &mut command, free_port()?, logs)?;
        bench.fixture.check_gateway(server.port(), "invoke")?;
        let worker = match setup.layout {
            Layout::Whole => None,
            Layout::Apart => Some(Process::start("worker", &mut serve(&["--worker-only"]), logs)?),
        };
        Ok(Self { server, worker })
    }

    /// Ends the processes, and answers what they have written. SQLite's counter goes with them; Postgres counts what clients
    /// did once they are gone.
    fn end(self, world: &World<'_>, store: Store) -> Result<Written> {
        match store {
            Store::Sqlite => world.written(store),
            Store::Postgres => {
                drop(self);
                world.settle()?;
                world.written(store)
            }
        }
    }

    fn processes(&self) -> impl Iterator<Item = &Process> {
        [self.server.process()].into_iter().chain(&self.worker)
    }

    fn cpu_ticks(&self) -> Result<u64> {
        self.processes().map(Process::cpu_ticks).sum()
    }

    /// Has runs done by an agent that has done none yet. One that does not complete is an error.
    fn ask(&self, bench: &Bench<'_>, agent: &str, extent: Extent) -> Result<Told> {
        let path = format!("{agent}/invoke");
        let mut command = asking(&bench.binaries.bench, "detached", self.server.port(), &path, BODY);
        command.args(["--status", "202", "--result", RESULT]);
        // Its trace is no help, and would hide what the gateway said.
        command.env("RUST_BACKTRACE", "0");
        match extent {
            Extent::Runs(runs) => {
                command.args(["--requests", &runs.to_string()]);
                command.args(["--connections", &bench.args.connections.to_string()]);
            }
            Extent::Rate(rate) => {
                command.args(["--rate", &rate.to_string(), "--seconds", &bench.args.seconds.to_string()]);
                command.args(["--connections", &STEADY_CONNECTIONS.to_string()]);
            }
        }
        let last_words = || self.processes().map(Process::last_words).collect::<Vec<_>>().join("\n");
        self.watch(command).with_context(last_words)
    }

    fn watch(&self, mut command: Command) -> Result<Told> {
        let before = self.cpu_ticks()?;
        let mut asking = Asking(command.spawn().context("starting what asks for runs")?);
        let mut lines = BufReader::new(asking.0.stdout.take().context("its output")?).lines();
        let mut line =
            || lines.next().context("what asks for runs ended; it says why above")?.context("its output");
        ensure!(line()? == "ended", "what asks for runs did not see their ends");
        let cpu_us = cpu_us(self.cpu_ticks()? - before);
        let report = serde_json::from_str(&line()?).context("the report on the runs")?;
        ensure!(asking.0.wait()?.success(), "what asks for runs failed");
        Ok(Told { report, cpu_us })
    }
}

/// Ends with this value, also when the bench fails.
struct Asking(Child);

impl Drop for Asking {
    fn drop(&mut self) {
        // Nothing can be done about a child that is already gone.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
