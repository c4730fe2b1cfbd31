//! One drive: the load generator runs as a process of its own while the server is watched.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::fixture::KEY;
use super::server::Server;
use super::table::float;

const BODY: &str = r#"{"message":"ping"}"#;
/// What the model server says; an answer without it did not come from there.
const EXPECT: &str = "pong";

/// How to drive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driver<'a> {
    pub(super) bench: &'a Path,
    pub(super) connections: u32,
    pub(super) seconds: u64,
    pub(super) rate: Option<u32>,
}

/// What one drive showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) rps: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) cpu_us: f64,
    pub(super) peak_kib: u64,
}

impl Driver<'_> {
    /// Drives the server; a single failed request makes the figures worthless, so it is an error.
    pub(super) fn drive(&self, server: &Server) -> Result<Sample> {
        let drive = Drive::watch(self.command(server.port()), server)?;
        Ok(Sample {
            rps: drive.number("rps")?,
            p50_ms: drive.number("p50_ms")?,
            p99_ms: drive.number("p99_ms")?,
            cpu_us: drive.cpu_us_for_each("requests")?,
            peak_kib: drive.peak_kib,
        })
    }

    fn command(&self, port: u16) -> Command {
        let mut command = asking(self.bench, "load", port, "agent-000/invoke", BODY);
        command.args(["--json", "--expect", EXPECT]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--seconds", &self.seconds.to_string()]);
        if let Some(rate) = self.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command
    }
}

impl Sample {
    pub(super) fn json(&self) -> Value {
        json!({
            "rps": self.rps,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "cpu_us_per_request": self.cpu_us,
            "peak_rss_kib": self.peak_kib,
        })
    }
}

/// A load generator that asks `path`, which begins with an agent.
pub(super) fn asking(bench: &Path, how: &str, port: u16, path: &str, body: &str) -> Command {
    let mut command = Command::new(bench);
    command.args([how, "--url", &format!("http://127.0.0.1:{port}/v1/agents/{path}")]);
    command.args(["--body", body, "--header", &format!("authorization: Bearer {KEY}")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// What a load generator told, and what its server spent meanwhile.
#[derive(Debug)]
pub(super) struct Drive {
    told: Value,
    cpu_ticks: u64,
    pub(super) peak_kib: u64,
}

impl Drive {
    /// Runs the load generator to its end. It is an error when any of its requests failed.
    pub(super) fn watch(mut command: Command, server: &Server) -> Result<Self> {
        let before = server.cpu_ticks()?;
        let mut child = command.spawn().context("starting the load generator")?;
        let mut peak_kib = server.rss_kib()?;
        while child.try_wait()?.is_none() {
            peak_kib = peak_kib.max(server.rss_kib()?);
            sleep(Duration::from_millis(50));
        }
        let cpu_ticks = server.cpu_ticks()? - before;
        let drive = Self { told: report(child)?, cpu_ticks, peak_kib };
        let errors = drive.number("errors")?;
        if errors > 0.0 {
            let first = &drive.told["first_error"];
            bail!("{errors} requests failed, the first with: {first}\n{}", server.last_words());
        }
        Ok(drive)
    }

    pub(super) fn number(&self, key: &str) -> Result<f64> {
        self.told[key].as_f64().with_context(|| format!("no `{key}` in {}", self.told))
    }

    /// Processor time of the server for each of what was counted, in microseconds.
    pub(super) fn cpu_us_for_each(&self, what: &str) -> Result<f64> {
        let count = self.number(what)?;
        if count < 1.0 {
            bail!("not one of the {what} was answered");
        }
        Ok(cpu_us(self.cpu_ticks) / count)
    }
}

/// Processor time in microseconds.
pub(super) fn cpu_us(ticks: u64) -> f64 {
    float(ticks) / ticks_per_second() * 1e6
}

/// What a load generator prints when it has come to its end.
pub(super) fn report(child: Child) -> Result<Value> {
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("the load generator ended with {}", output.status);
    }
    serde_json::from_slice(&output.stdout).context("the load generator's report")
}

/// The unit of `/proc/PID/stat`; 100 on every usual kernel.
fn ticks_per_second() -> f64 {
    let output = Command::new("getconf").arg("CLK_TCK").output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(100.0)
}
