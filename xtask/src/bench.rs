//! `cargo xtask bench`: the gateway beside a bare handler that makes the same one model call.
//!
//! All on loopback: a model server without delay, the bare handler, and the release gateway with API-key
//! authentication and SQLite on. Each is driven in turn, round by round, so that a machine that slows down
//! slows both; every figure is the median of the rounds. There are three parts: whole answers, streamed chats, and
//! detached runs, which are measured on every queue whose server is there.

mod files;
mod fixture;
mod load;
mod machine;
mod model;
mod queues;
mod report;
mod requests;
mod server;
mod streams;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use xshell::cmd;

use crate::project::Project;
use crate::services::{self, Found};
use crate::suite;
use fixture::Fixture;
use report::Report;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Length of one round at saturation; a round at the fixed rate takes as long.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections that are kept busy at saturation.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Rounds; the gateway starts as often, for streams with each round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Requests per second of the rounds at a fixed rate.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Streams that wait for the model at once.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    streams: u32,
    /// Seconds after the end of these streams at which memory is read again.
    #[arg(long, default_value_t = 60)]
    settle: u64,
    /// Detached runs of one measurement.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=9000))]
    runs: u32,
    /// Runs that a process with workers works on at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,
    /// Detached runs per second while it is measured how soon they are picked up.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    run_rate: u32,
    /// Run one part alone.
    #[arg(long, value_enum)]
    only: Option<Only>,
    /// The same as `--only queues`.
    #[arg(long, conflicts_with = "only")]
    queues: bool,
    /// Print JSON, every round included.
    #[arg(long)]
    json: bool,
    /// Fail when a target is missed.
    #[arg(long)]
    enforce: bool,
    /// Use the release binaries as they are.
    #[arg(long)]
    no_build: bool,
    /// Drive the bare handler in the gateway's place too: how far two equal servers seem to differ here.
    #[arg(long)]
    self_check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// Whole answers.
    Requests,
    /// Streamed chats.
    Streams,
    /// Detached runs.
    Queues,
}

impl Args {
    fn asks_for(&self, part: Only) -> bool {
        let only = if self.queues { Some(Only::Queues) } else { self.only };
        only.is_none_or(|only| only == part)
    }
}

/// Where the built binaries are.
struct Binaries {
    bench: PathBuf,
    gateway: PathBuf,
}

/// What every part needs.
struct Bench<'a> {
    args: &'a Args,
    binaries: &'a Binaries,
    fixture: &'a Fixture,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "bench reads /proc, so it runs on Linux only");
    // Before minutes are spent on what comes first.
    if args.asks_for(Only::Streams) {
        files::allow(args.streams)?;
    }
    let found = if args.asks_for(Only::Queues) { servers(project)? } else { Vec::new() };
    let binaries = build(project, args)?;
    let fixture = Fixture::create(project.target().as_std_path())?;
    let bench = Bench { args, binaries: &binaries, fixture: &fixture };
    let mut parts = Vec::new();
    if args.asks_for(Only::Requests) {
        parts.push(requests::run(&bench)?);
    }
    if args.asks_for(Only::Streams) {
        parts.push(streams::run(&bench)?);
    }
    if args.asks_for(Only::Queues) && args.self_check {
        progress("skipped: the bare handler has no queues");
    } else if args.asks_for(Only::Queues) {
        parts.push(queues::run(&bench, &found)?);
    }
    let report = Report { parts };
    if args.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.text());
    }
    let missed = report.missed();
    if args.enforce && !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    Ok(())
}

/// The servers of queues and stores that are there. One that is required and missing is an error.
fn servers(project: &Project) -> Result<Vec<Found>> {
    let found = services::look(project.target().as_std_path())?;
    let required = suite::required(&project.sh);
    for found in &found {
        let word = found.service.word();
        if let Some(why) = found.missing().filter(|_| required.iter().any(|name| name == word)) {
            bail!("AGW_REQUIRE asks for {word}, but there is none: {why}");
        }
    }
    Ok(found)
}

fn build(project: &Project, args: &Args) -> Result<Binaries> {
    let release = project.target().join("release").into_std_path_buf();
    let binaries =
        Binaries { bench: release.join("agent-gateway-bench"), gateway: release.join("agent-gateway") };
    if args.no_build {
        return Ok(binaries);
    }
    progress("building the release binaries");
    let mut packages = vec!["-p", "agent-gateway-bench"];
    if !args.self_check {
        packages.extend(["-p", "agent-gateway-cli"]);
    }
    cmd!(project.sh, "cargo build --release {packages...}").run()?;
    Ok(binaries)
}

impl Bench<'_> {
    fn model_command(&self) -> Command {
        let mut command = Command::new(&self.binaries.bench);
        command.arg("model");
        command
    }

    fn bare_command(&self, model: u16) -> Command {
        let mut command = Command::new(&self.binaries.bench);
        command.args(["bare", "--upstream", &format!("http://127.0.0.1:{model}/v1")]);
        command
    }

    /// The gateway with an empty database, or what stands in its place.
    fn gateway_command(&self, model: u16) -> Result<Command> {
        if self.args.self_check {
            return Ok(self.bare_command(model));
        }
        self.fixture.forget_database()?;
        let mut command = self.serve_command(&self.fixture.workspace(), model);
        command.args(["--host", "127.0.0.1"]);
        Ok(command)
    }

    fn serve_command(&self, workspace: &Path, model: u16) -> Command {
        let mut command = Command::new(&self.binaries.gateway);
        command.arg("serve").arg("--workspace").arg(workspace);
        command.env("OPENAI_BASE_URL", format!("http://127.0.0.1:{model}/v1")).env("OPENAI_API_KEY", "bench");
        command.env_remove("OPENAI_API_BASE");
        command
    }

    /// The figures are worth nothing if the gateway lets everybody in. Answers the size of its database, for
    /// `check_database`.
    fn check_gateway(&self, port: u16, route: &str) -> Result<u64> {
        if !self.args.self_check {
            self.fixture.check_gateway(port, route)?;
        }
        self.fixture.database_bytes()
    }

    /// Nor if it stored nothing.
    fn check_database(&self, before: u64) -> Result<()> {
        if self.args.self_check {
            return Ok(());
        }
        self.fixture.check_database(before)
    }

    fn subject(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let subject = if self.args.self_check {
            "the bare handler against itself"
        } else {
            "100 agents, API key, SQLite"
        };
        format!("{subject}; {cores} cores")
    }
}

fn progress(line: &str) {
    eprintln!("bench: {line}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
