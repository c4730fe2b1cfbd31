//! The load generators for streamed chats: `streams` keeps connections busy, each with one stream after the other;
//! `open` opens many streams at once and keeps them until they end.

mod hold;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::request::{Prepared, Target};
use crate::sse::StreamedAnswer;
use crate::timing::{Report, Tally};

pub(crate) use hold::{HoldArgs, hold};

/// A stream that takes longer is an error, so that a server that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the connections saw, until each stream's end and until its first token.
#[derive(Debug, Default)]
struct Streams {
    whole: Tally,
    first: Tally,
}

/// The figures of one run.
#[derive(Debug)]
pub(crate) struct StreamsReport {
    pub(crate) whole: Report,
    pub(crate) first: Report,
}

pub(crate) async fn run(args: &Args) -> Result<StreamsReport> {
    let prepared = args.target.prepare()?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs(args.seconds);
    let mut connections = JoinSet::new();
    for _ in 0..args.connections {
        connections.spawn(keep_busy(prepared.clone(), end));
    }
    let mut streams = Streams::default();
    while let Some(seen) = connections.join_next().await {
        let seen = seen.context("a connection's task")?;
        streams.whole.merge(seen.whole);
        streams.first.merge(seen.first);
    }
    let took = begun.elapsed();
    Ok(StreamsReport { whole: streams.whole.report(took), first: streams.first.report(took) })
}

async fn keep_busy(prepared: Prepared, end: Instant) -> Streams {
    let mut streams = Streams::default();
    let mut open: Option<TcpStream> = None;
    while Instant::now() < end {
        let from = Instant::now();
        match timeout(PATIENCE, one(&mut open, &prepared, from)).await {
            Ok(Ok(first)) => {
                streams.first.good(first);
                streams.whole.good(from.elapsed());
            }
            outcome => {
                open = None;
                streams.whole.bad(match outcome {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => format!("the stream did not end within {} s", PATIENCE.as_secs()),
                });
                // A server that refuses must not be flooded with attempts.
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
    streams
}

/// One stream to its end, over the open connection or a new one; answers when its first token came.
async fn one(open: &mut Option<TcpStream>, prepared: &Prepared, from: Instant) -> Result<Duration> {
    let connection = match open.take() {
        Some(connection) => connection,
        None => prepared.connect().await?,
    };
    let mut asked = Asked::send(connection, prepared).await?;
    asked.until(|answer| answer.seen().tokens > 0).await?;
    let first = from.elapsed();
    asked.until(StreamedAnswer::has_ended).await?;
    *open = asked.into_connection();
    Ok(first)
}

/// A stream that was asked for.
struct Asked {
    connection: TcpStream,
    answer: StreamedAnswer,
    buffer: Vec<u8>,
}

impl Asked {
    async fn send(mut connection: TcpStream, prepared: &Prepared) -> Result<Self> {
        connection.write_all(&prepared.request).await.context("sending")?;
        Ok(Self { connection, answer: StreamedAnswer::default(), buffer: Vec::new() })
    }

    /// Reads on until the answer is as far as `there` says.
    async fn until(&mut self, there: impl Fn(&StreamedAnswer) -> bool) -> Result<()> {
        while !there(&self.answer) {
            self.buffer.clear();
            self.buffer.reserve(8 * 1024);
            if self.connection.read_buf(&mut self.buffer).await.context("receiving")? == 0 {
                let tokens = self.answer.seen().tokens;
                bail!("the connection closed in the middle of a stream, after {tokens} tokens");
            }
            self.answer.feed(&self.buffer)?;
        }
        Ok(())
    }

    /// The connection, when it serves a further request.
    fn into_connection(self) -> Option<TcpStream> {
        (self.answer.has_ended() && !self.answer.closes()).then_some(self.connection)
    }
}

impl StreamsReport {
    pub(crate) fn json(&self) -> String {
        json!({
            "streams": self.whole.requests,
            "errors": self.whole.errors,
            "first_error": self.whole.first_error,
            "streams_per_s": self.whole.rps,
            "whole_p50_ms": self.whole.p50_ms,
            "whole_p99_ms": self.whole.p99_ms,
            "first_token_p50_ms": self.first.p50_ms,
            "first_token_p99_ms": self.first.p99_ms,
            "first_token_max_ms": self.first.max_ms,
        })
        .to_string()
    }

    pub(crate) fn text(&self) -> String {
        format!(
            "{}\nfirst token: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.whole.text(),
            self.first.p50_ms,
            self.first.p99_ms,
            self.first.max_ms
        )
    }
}

#[cfg(test)]
mod tests;
