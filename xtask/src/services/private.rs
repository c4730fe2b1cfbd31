//! Servers of our own: installed programs, started on free ports of loopback with a folder that goes with them.
//!
//! They are closed to others on this machine where a stranger could harm its user: PostgreSQL and Redis ask for a
//! password, which is in their URL.

mod postgres;
mod rabbitmq;
mod redis;

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::kind::Service;
use super::probe::{Answer, probe};
use super::process::{Process, tail};
use super::progress::Progress;
use super::state::{Server, State};

const POLL: Duration = Duration::from_millis(100);
const LOG: &str = "server.log";

/// The programs of a service.
#[derive(Debug)]
enum Programs {
    /// The folder of `initdb` and `postgres`.
    Postgres(PathBuf),
    Redis(PathBuf),
    RabbitMq(rabbitmq::Programs),
}

/// What a launch leaves behind, not yet ready.
struct Launched {
    url: String,
    processes: Vec<Process>,
}

fn find(service: Service) -> Option<Programs> {
    match service {
        Service::Postgres => postgres::find().map(Programs::Postgres),
        Service::Redis => redis::find().map(Programs::Redis),
        Service::RabbitMq => rabbitmq::find().map(Programs::RabbitMq),
    }
}

/// Whether one can be started here.
pub(super) fn is_installed(service: Service) -> bool {
    find(service).is_some()
}

/// Starts one and remembers it. It answers only later: see [`wait`].
pub(super) fn start(service: Service, state: &mut State) -> Result<()> {
    let programs = find(service).with_context(|| format!("{} is not installed", service.word()))?;
    // Not in the target folder: that may be closed to the user PostgreSQL runs as.
    let prefix = format!("agent-gateway-{}-", service.word());
    let owner_only = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let mut folder = tempfile::Builder::new();
    folder.prefix(&prefix).permissions(owner_only);
    let folder = folder.tempdir().context("making a folder for it")?;
    let launched = match programs {
        Programs::Postgres(bin) => postgres::launch(&bin, folder.path()),
        Programs::Redis(program) => redis::launch(&program, folder.path()),
        Programs::RabbitMq(programs) => rabbitmq::launch(&programs, folder.path()),
    };
    let Launched { url, processes } = launched.with_context(|| format!("starting {}", service.word()))?;
    state.put(Server { service, url, folder: folder.keep(), processes })
}

/// Waits until it answers; one that does not is ended and forgotten.
pub(super) fn wait(service: Service, state: &mut State) -> Result<()> {
    let server = state.get(service).context("nothing was started")?.clone();
    let Err(error) = ready(&server) else {
        // Only now its own number is known.
        if service == Service::RabbitMq {
            let beam = rabbitmq::beam(&server.folder)?;
            let mut server = server;
            server.processes.insert(1, beam);
            state.put(server)?;
        }
        return Ok(());
    };
    server.stop()?;
    state.forget(service)?;
    Err(error)
}

fn ready(server: &Server) -> Result<()> {
    let (word, patience) = (server.service.word(), server.service.patience());
    let log = server.folder.join(LOG);
    let begun = Instant::now();
    let mut progress = Progress::new(format!("{word} starts"));
    loop {
        let answer = probe(server.service, &server.url);
        if answer == Answer::Ready {
            return Ok(());
        }
        if !server.runs() {
            bail!("{word} ended instead of serving:\n{}", tail(&log));
        }
        if begun.elapsed() > patience {
            bail!("{word} was not ready within {} s ({answer:?}):\n{}", patience.as_secs(), tail(&log));
        }
        progress.tick();
        sleep(POLL);
    }
}

/// Variables that would send a server of ours elsewhere.
fn without(command: &mut std::process::Command, prefixes: &[&str]) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if prefixes.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// A file that only its owner reads.
fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests;
