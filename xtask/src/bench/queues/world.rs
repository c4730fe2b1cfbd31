//! What the setups need: a workspace, an empty store, an empty queue, and the counters of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use url::Url;

use super::super::fixture::write_agents;
use super::super::{Bench, progress};
use super::setup::{Places, Queue, Setup, Store, configuration};
use crate::services::{Found, Place, Service};

/// Always the same, so that a bench finds what an interrupted one has left.
const NAME: &str = "agw_bench";
/// More would only wait for each other.
const POSTGRES_CLIENTS: u32 = 16;
/// How long Postgres may take to count what a client did that is gone.
const COUNTED: Duration = Duration::from_secs(10);

const TABLE: &str = "CREATE TABLE bare (id bigint PRIMARY KEY, state int NOT NULL, job text NOT NULL)";
/// The life of a job: put, taken, done.
const JOB: &str = "\\set id random(1, 9000000000000000000)
INSERT INTO bare VALUES (:id, 0, repeat('x', 200));
UPDATE bare SET state = 1 WHERE id = :id AND state = 0;
UPDATE bare SET state = 2 WHERE id = :id AND state = 1;
";

#[derive(Debug)]
pub(super) struct World<'a> {
    bench: &'a Path,
    connections: u32,
    seconds: u64,
    folder: PathBuf,
    sqlite: PathBuf,
    found: &'a [Found],
    model: u16,
}

/// What a database has counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) commits: u64,
    /// Rows that were inserted, updated or deleted, where the database counts them.
    pub(super) rows: Option<u64>,
}

impl<'a> World<'a> {
    /// The tool asks the model server, which answers it at once.
    pub(super) fn create(bench: &Bench<'a>, found: &'a [Found], model: u16) -> Result<Self> {
        let folder = bench.fixture.folder().join("queues");
        write_agents(&folder)?;
        let tool = folder.join("tools/look");
        fs::create_dir_all(&tool)?;
        let definition =
            format!("---\ndescription: Looks.\nhttp:\n  url: http://127.0.0.1:{model}/tool\n---\n");
        fs::write(tool.join("TOOL.md"), definition)?;
        Ok(Self {
            bench: &bench.binaries.bench,
            connections: bench.args.connections,
            seconds: bench.args.seconds,
            sqlite: bench.fixture.database(),
            folder,
            found,
            model,
        })
    }

    pub(super) fn workspace(&self) -> &Path {
        &self.folder
    }

    /// The port of the model server.
    pub(super) fn model(&self) -> u16 {
        self.model
    }

    /// The setups whose servers are there, and why others are left out.
    pub(super) fn possible(&self) -> Result<(Vec<Setup>, Vec<String>)> {
        let (mut setups, mut skipped) = (Vec::new(), Vec::new());
        for setup in Setup::all() {
            let missing = self.found.iter().find_map(|found| {
                let why =
                    found.missing().filter(|_| setup.services().any(|service| service == found.service));
                why.map(|why| format!("{setup}: no {}: {why}", found.service.word()))
            });
            match missing {
                Some(line) => skipped.push(line),
                None => setups.push(setup),
            }
        }
        for found in self.found {
            if let Place::Broken { why, .. } = &found.place {
                bail!("{} names a server that is of no use: {why}", found.service.variable());
            }
        }
        Ok((setups, skipped))
    }

    fn url(&self, service: Service) -> Result<&str> {
        let places = self.found.iter().filter(|found| found.service == service).map(|found| &found.place);
        let mut urls = places.filter_map(|place| match place {
            Place::At { url, .. } => Some(url.as_str()),
            _ => None,
        });
        urls.next().with_context(|| format!("no {}", service.word()))
    }

    /// The database of this bench, on the server that was found.
    fn database(&self) -> Result<String> {
        let mut url = Url::parse(self.url(Service::Postgres)?)?;
        url.set_path(NAME);
        Ok(url.into())
    }

    /// An empty store and an empty queue, and the configuration that names them.
    pub(super) fn prepare(&self, setup: Setup, workers: u32) -> Result<()> {
        self.clear(setup)?;
        let postgres = if setup.store == Store::Postgres {
            self.psql(&[&format!("CREATE DATABASE {NAME}")])?;
            self.database()?
        } else {
            String::new()
        };
        let broker = setup.queue.service().map_or(Ok(""), |service| self.url(service))?;
        let places = Places { sqlite: &self.sqlite, postgres: &postgres, broker, name: NAME };
        fs::write(self.folder.join("gateway.yaml"), configuration(setup, workers, &places))?;
        Ok(())
    }

    /// Removes what a setup has left.
    fn clear(&self, setup: Setup) -> Result<()> {
        if let Some(folder) = self.sqlite.parent() {
            fs::remove_dir_all(folder)?;
            fs::create_dir(folder)?;
        }
        if setup.store == Store::Postgres {
            self.psql(&[&format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")])?;
        }
        if matches!(setup.queue, Queue::Redis | Queue::RabbitMq) {
            self.broker("sweep", setup.queue, &[])?;
        }
        Ok(())
    }

    /// Jobs per second of the queue's server alone.
    pub(super) fn bare(&self, queue: Queue) -> Result<f64> {
        if queue == Queue::Postgres {
            return self.pgbench();
        }
        self.broker("sweep", queue, &[])?;
        let (connections, seconds) = (self.connections.to_string(), self.seconds.to_string());
        let told = self.broker("broker", queue, &["--connections", &connections, "--seconds", &seconds])?;
        let told: Value = serde_json::from_str(&told).context("the report on a broker")?;
        told["jobs_per_s"].as_f64().with_context(|| format!("no jobs in {told}"))
    }

    fn broker(&self, what: &str, queue: Queue, more: &[&str]) -> Result<String> {
        let service = queue.service().context("a queue without a server")?;
        let mut command = Command::new(self.bench);
        command.args([what, "--url", self.url(service)?, "--name", NAME]).args(more);
        output(command)
    }

    fn pgbench(&self) -> Result<f64> {
        let (drop, create) =
            (format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"), format!("CREATE DATABASE {NAME}"));
        self.psql(&[&drop, &create])?;
        let script = self.folder.with_file_name("job.sql");
        fs::write(&script, JOB)?;
        let database = self.database()?;
        let mut table = Command::new("psql");
        table.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", TABLE, &database]);
        output(table)?;
        let mut command = Command::new("pgbench");
        let clients = POSTGRES_CLIENTS.min(self.connections).to_string();
        command.args(["-n", "-M", "prepared", "-j", "2", "-c", &clients, "-T", &self.seconds.to_string()]);
        command.arg("-f").arg(&script).arg(&database);
        let told = output(command)?;
        parse_tps(&told).with_context(|| format!("no tps in what pgbench says: {told}"))
    }

    /// What the store has counted. With Postgres, of clients that are gone.
    pub(super) fn written(&self, store: Store) -> Result<Written> {
        match store {
            Store::Sqlite => {
                let mut index = self.sqlite.clone().into_os_string();
                index.push("-shm");
                let header = fs::read(&index).context("the index of SQLite's log")?;
                let commits = parse_commits(&header).context("the index of SQLite's log is too short")?;
                Ok(Written { commits: commits.into(), rows: None })
            }
            Store::Postgres => {
                let counters = format!(
                    "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database \
                     WHERE datname = '{NAME}'"
                );
                let told = self.psql(&[&counters])?;
                parse_counters(&told).with_context(|| format!("no counters of Postgres in: {told}"))
            }
        }
    }

    /// Until Postgres has counted what the gateway did. A client that is gone was counted.
    pub(super) fn settle(&self) -> Result<()> {
        let limit = Instant::now() + COUNTED;
        let clients = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{NAME}' AND backend_type = 'client backend'"
        );
        while self.psql(&[&clients])?.trim() != "0" {
            ensure!(Instant::now() < limit, "clients of Postgres are left though the gateway is gone");
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Each statement by itself, in the database that was found.
    fn psql(&self, statements: &[&str]) -> Result<String> {
        let mut command = Command::new("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1"]);
        for statement in statements {
            command.args(["-c", statement]);
        }
        command.arg(self.url(Service::Postgres)?);
        output(command)
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        let Ok((setups, _)) = self.possible() else { return };
        for setup in setups {
            if let Err(error) = self.clear(setup) {
                progress(&format!("{setup} leaves something behind: {error:#}"));
            }
        }
    }
}

/// What a program prints. The words of one that fails are part of the error; its arguments, which may hold a password, are
/// not.
fn output(mut command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // A notice is no news: the things that are dropped need not be there.
    command.stdin(Stdio::null()).env("PGOPTIONS", "-c client_min_messages=warning");
    let output = command
        .output()
        .with_context(|| format!("running {program}; psql and pgbench are in Debian's postgresql"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// `tps = 4711.5 (without initial connection time)`.
fn parse_tps(told: &str) -> Option<f64> {
    told.lines().find_map(|line| line.strip_prefix("tps = "))?.split_whitespace().next()?.parse().ok()
}

fn parse_counters(told: &str) -> Option<Written> {
    let (commits, rows) = told.trim().split_once('|')?;
    Some(Written { commits: commits.parse().ok()?, rows: Some(rows.parse().ok()?) })
}

/// The third number of the header counts the transactions (sqlite.org/walformat.html), in the order of this machine.
fn parse_commits(header: &[u8]) -> Option<u32> {
    header.get(8..12)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_as_their_programs_write_them() {
        let told =
            "number of failed transactions: 0 (0.000%)\ntps = 4711.5 (without initial connection time)\n";
        assert_eq!(parse_tps(told), Some(4711.5));
        assert_eq!(parse_tps("tps: many"), None);
        let written = parse_counters("12|3400\n").unwrap();
        assert_eq!((written.commits, written.rows), (12, Some(3400)));
        assert!(parse_counters("\n").is_none());
        let header: Vec<u8> = [3_007_000_u32, 0, 42, 7].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(parse_commits(&header), Some(42));
        assert_eq!(parse_commits(&header[..10]), None);
    }
}
