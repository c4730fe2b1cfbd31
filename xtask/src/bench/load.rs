//! One drive: the load generator runs as a process of its own while the server is watched.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::server::Server;

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
    pub(super) credential: &'a str,
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
        let before = server.cpu_ticks()?;
        let mut child = self.command(server.port()).spawn().context("starting the load generator")?;
        let mut peak_kib = server.rss_kib()?;
        while child.try_wait()?.is_none() {
            peak_kib = peak_kib.max(server.rss_kib()?);
            sleep(Duration::from_millis(50));
        }
        let output = child.wait_with_output()?;
        let ticks = server.cpu_ticks()? - before;
        if !output.status.success() {
            bail!("the load generator ended with {}", output.status);
        }
        let told: Value = serde_json::from_slice(&output.stdout).context("the load generator's report")?;
        let number = |key: &str| told[key].as_f64().with_context(|| format!("no `{key}` in {told}"));
        let (requests, errors) = (number("requests")?, number("errors")?);
        if errors > 0.0 || requests < 1.0 {
            bail!("{errors} of {requests} requests failed: {}", told["first_error"]);
        }
        Ok(Sample {
            rps: number("rps")?,
            p50_ms: number("p50_ms")?,
            p99_ms: number("p99_ms")?,
            cpu_us: as_f64(ticks) / ticks_per_second() * 1e6 / requests,
            peak_kib,
        })
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new(self.bench);
        command.args([
            "load",
            "--json",
            "--url",
            &format!("http://127.0.0.1:{port}/v1/agents/agent-000/invoke"),
        ]);
        command.args([
            "--connections",
            &self.connections.to_string(),
            "--seconds",
            &self.seconds.to_string(),
        ]);
        command.args(["--body", BODY, "--expect", EXPECT]);
        command.args(["--header", &format!("authorization: Bearer {}", self.credential)]);
        if let Some(rate) = self.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
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

fn as_f64(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The unit of `/proc/PID/stat`; 100 on every usual kernel.
fn ticks_per_second() -> f64 {
    let output = Command::new("getconf").arg("CLK_TCK").output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(100.0)
}
