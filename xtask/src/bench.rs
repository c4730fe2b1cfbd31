//! `cargo xtask bench`: the gateway beside a bare handler that makes the same one model call.
//!
//! All on loopback: a model server without delay, the bare handler, and the release gateway with API-key
//! authentication and SQLite on. Each is driven in turn, round by round, so that a machine that slows down
//! slows both; every figure is the median of the rounds.

mod fixture;
mod load;
mod machine;
mod report;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use xshell::cmd;

use crate::project::Project;
use fixture::Fixture;
use load::{Driver, Sample};
use machine::Usage;
use report::{Report, Side};
use server::{Server, free_port};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Length of one round at saturation; a round at the fixed rate takes as long.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Connections that are kept busy at saturation.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// Rounds, and starts of the gateway.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Requests per second of the rounds at a fixed rate.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
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

/// Where the built binaries are.
struct Binaries {
    bench: PathBuf,
    gateway: PathBuf,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "bench reads /proc, so it runs on Linux only");
    let binaries = build(project, args)?;
    let fixture = Fixture::create(project.target().as_std_path())?;
    let model =
        Server::start("model", Command::new(&binaries.bench).arg("model"), free_port()?, fixture.folder())?;
    let bare = starts(
        args.rounds,
        "bare",
        || {
            let port = free_port()?;
            Ok((bare_command(&binaries.bench, model.port()), port))
        },
        fixture.folder(),
    )?;
    let gateway = starts(
        args.rounds,
        "gateway",
        || {
            let port = free_port()?;
            if args.self_check {
                return Ok((bare_command(&binaries.bench, model.port()), port));
            }
            fixture.forget_database()?;
            Ok((gateway_command(&binaries.gateway, &fixture, model.port()), port))
        },
        fixture.folder(),
    )?;
    if !args.self_check {
        fixture.check_gateway(gateway.server.port())?;
    }
    let empty = fixture.database_bytes()?;
    let report = measure(args, &binaries, &model, bare, gateway)?;
    if !args.self_check {
        fixture.check_database(empty)?;
    }
    if args.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.table());
    }
    let missed = report.missed();
    if args.enforce && !missed.is_empty() {
        bail!("missed: {}", missed.join(", "));
    }
    Ok(())
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

fn bare_command(bench: &Path, model: u16) -> Command {
    let mut command = Command::new(bench);
    command.args(["bare", "--upstream", &format!("http://127.0.0.1:{model}/v1")]);
    command
}

fn gateway_command(gateway: &Path, fixture: &Fixture, model: u16) -> Command {
    let mut command = Command::new(gateway);
    command.arg("serve").arg("--workspace").arg(fixture.workspace()).args(["--host", "127.0.0.1"]);
    command.env("OPENAI_BASE_URL", format!("http://127.0.0.1:{model}/v1")).env("OPENAI_API_KEY", "bench");
    command.env_remove("OPENAI_API_BASE");
    command
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
    command: impl Fn() -> Result<(Command, u16)>,
    logs: &Path,
) -> Result<Started> {
    let mut times = Vec::new();
    let mut kept = None;
    for round in 1..=rounds {
        drop(kept.take());
        let (mut command, port) = command()?;
        let server = Server::start(name, &mut command, port, logs)?;
        progress(&format!("{name}: start {round}/{rounds} took {:.1} ms", ms(server.ready_in())));
        times.push(server.ready_in());
        kept = Some(server);
    }
    let Some(server) = kept else { bail!("no round, no server") };
    sleep(Duration::from_secs(1));
    let idle_kib = server.rss_kib()?;
    Ok(Started { server, starts: times, idle_kib })
}

fn measure(
    args: &Args,
    binaries: &Binaries,
    model: &Server,
    bare: Started,
    gateway: Started,
) -> Result<Report> {
    let saturate = Driver {
        bench: &binaries.bench,
        connections: args.connections,
        seconds: args.seconds,
        rate: None,
        credential: fixture::KEY,
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
    let before = Usage::now(servers.iter().chain([model]))?;
    for round in 1..=args.rounds {
        for (side, server) in sides.iter_mut().zip(&servers) {
            side.saturated.push(told(round, args.rounds, side.name, "saturated", saturate.drive(server)?));
        }
        for (side, server) in sides.iter_mut().zip(&servers) {
            side.steady.push(told(round, args.rounds, side.name, "steady", steady.drive(server)?));
        }
    }
    let others = Usage::now(servers.iter().chain([model]))?.of_others_since(&before);
    progress("waiting for memory to settle");
    sleep(Duration::from_secs(3));
    for (side, server) in sides.iter_mut().zip(&servers) {
        side.after_kib = server.rss_kib()?;
    }
    Ok(Report::new(args, sides, others))
}

fn told(round: u32, rounds: u32, name: &str, kind: &str, sample: Sample) -> Sample {
    progress(&format!(
        "round {round}/{rounds} {name}, {kind}: {:.0} requests/s, p50 {:.2} ms, p99 {:.2} ms",
        sample.rps, sample.p50_ms, sample.p99_ms
    ));
    sample
}

fn progress(line: &str) {
    eprintln!("bench: {line}");
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
