//! One drive of streamed chats, and the holding of many.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::bench::load::{Drive, asking};
use crate::bench::model::{Model, Play};
use crate::bench::server::Server;

const BODY: &str = r#"{"message":"count to twenty","options":{"stream":true}}"#;
/// Opened streams reach the model within it.
const REACH: Duration = Duration::from_secs(15);
/// Until memory is at rest while the streams are open.
const REST: Duration = Duration::from_secs(2);

/// How to drive.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamDriver<'a> {
    pub(super) bench: &'a Path,
    pub(super) connections: u32,
    pub(super) seconds: u64,
}

/// What one drive showed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) per_s: f64,
    pub(super) whole_p50_ms: f64,
    pub(super) whole_p99_ms: f64,
    pub(super) first_p50_ms: f64,
    pub(super) first_p99_ms: f64,
    pub(super) cpu_us: f64,
    pub(super) peak_kib: u64,
}

impl StreamDriver<'_> {
    /// Drives the server; a single stream that is not whole makes the figures worthless, so it is an error.
    pub(super) fn drive(&self, server: &Server) -> Result<Sample> {
        let mut command = asking(self.bench, "streams", server.port(), "agent-000/chat", BODY);
        command.arg("--json");
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--seconds", &self.seconds.to_string()]);
        let drive = Drive::watch(command, server)?;
        Ok(Sample {
            per_s: drive.number("streams_per_s")?,
            whole_p50_ms: drive.number("whole_p50_ms")?,
            whole_p99_ms: drive.number("whole_p99_ms")?,
            first_p50_ms: drive.number("first_token_p50_ms")?,
            first_p99_ms: drive.number("first_token_p99_ms")?,
            cpu_us: drive.cpu_us_for_each("streams")?,
            peak_kib: drive.peak_kib,
        })
    }
}

impl Sample {
    pub(super) fn text(&self, connections: u32) -> String {
        format!(
            "{connections} connections: {:.0} streams/s, first token p50 {:.2} ms, p99 {:.2} ms",
            self.per_s, self.first_p50_ms, self.first_p99_ms
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "streams_per_s": self.per_s,
            "whole_p50_ms": self.whole_p50_ms,
            "whole_p99_ms": self.whole_p99_ms,
            "first_token_p50_ms": self.first_p50_ms,
            "first_token_p99_ms": self.first_p99_ms,
            "cpu_us_per_stream": self.cpu_us,
            "peak_rss_kib": self.peak_kib,
        })
    }
}

/// When a stream counts as open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Opened {
    Head,
    Session,
}

/// Memory before the streams and with all of them open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) idle_kib: u64,
    pub(super) open_kib: u64,
}

/// Opens the streams on a server whose model is silent, reads its memory, lets the model speak, and returns when
/// every stream has come to its end with all its tokens.
pub(super) fn hold(bench: &Bench<'_>, model: &Model, server: &Server, opened: Opened) -> Result<Held> {
    let streams = bench.args.streams;
    let idle_kib = server.rss_kib()?;
    model.play(Play::Silence)?;
    let mut command = asking(&bench.binaries.bench, "hold", server.port(), "agent-000/chat", BODY);
    command.args(["--streams", &streams.to_string()]);
    command.args(["--opened", if matches!(opened, Opened::Head) { "head" } else { "session" }]);
    let mut holder = Holder(command.spawn().context("starting what holds the streams")?);
    let mut lines = BufReader::new(holder.0.stdout.take().context("its output")?).lines();
    let mut line =
        || lines.next().context("what holds the streams ended; it says why above")?.context("its output");
    ensure!(line()? == "open", "what holds the streams did not open them");
    // The client knows that it was answered; the model, that it was asked.
    model.holds(u64::from(streams), REACH)?;
    sleep(REST);
    let open_kib = server.rss_kib()?;
    model.play(Play::AtOnce)?;
    let told: Value = serde_json::from_str(&line()?).context("the report on the streams")?;
    ensure!(told["streams"] == streams, "not {streams} streams came to their ends: {told}");
    ensure!(holder.0.wait()?.success(), "what holds the streams failed");
    Ok(Held { idle_kib, open_kib })
}

/// Ends with this value, also when the bench fails.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        // Nothing can be done about a child that is already gone.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
