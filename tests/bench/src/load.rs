//! The load generator: each connection asks, waits for the answer, and asks again, for a time or so many times in all.
//!
//! With a rate, requests are due at fixed times. A connection that is still waiting when its next request is
//! due counts the delay as latency: a slow server cannot hide behind the questions it kept from being asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::request::{Prepared, Target};
use crate::response::{find, parse};
use crate::timing::{Report, Tally};

/// An answer that takes longer is an error, so that a server that hangs ends the run.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server that is behind the rate may catch up.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) target: Target,
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// So many requests in all, however long they take.
    #[arg(long, conflicts_with_all = ["seconds", "rate"], value_parser = clap::value_parser!(u32).range(1..))]
    requests: Option<u32>,
    /// The status of a good answer.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// What a good answer contains.
    #[arg(long)]
    expect: Option<String>,
    /// Requests per second in all; without it, as many as the server takes.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What every connection does.
#[derive(Debug, Clone)]
struct Plan {
    prepared: Prepared,
    status: u16,
    expect: Option<Vec<u8>>,
    extent: Extent,
}

/// When there is nothing more to ask.
#[derive(Debug, Clone)]
enum Extent {
    At(Instant),
    /// Requests that nobody has begun.
    Left(Arc<AtomicU32>),
}

impl Extent {
    /// Asked before each request without a rate; the answer takes one of those that are left.
    fn is_over(&self) -> bool {
        match self {
            Self::At(end) => Instant::now() >= *end,
            Self::Left(left) => {
                let taken =
                    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
                taken.is_err()
            }
        }
    }

    /// With a rate the schedule says how many there are.
    fn is_over_for(&self, pace: Pace) -> bool {
        match self {
            Self::At(end) => pace.next >= *end || Instant::now() >= *end + GRACE,
            Self::Left(_) => self.is_over(),
        }
    }
}

pub(crate) async fn run(args: &Args) -> Result<Report> {
    let prepared = args.target.prepare()?;
    let begun = Instant::now();
    let extent = match args.requests {
        Some(requests) => Extent::Left(Arc::new(AtomicU32::new(requests))),
        None => Extent::At(begun + Duration::from_secs(args.seconds)),
    };
    let expect = args.expect.clone().map(String::into_bytes);
    let plan = Plan { prepared, status: args.status, expect, extent };
    let mut connections = JoinSet::new();
    for index in 0..args.connections {
        let pace = args.rate.map(|rate| {
            let gap = Duration::from_secs(1) / rate;
            Pace { next: begun + gap * index, step: gap * args.connections }
        });
        connections.spawn(connection(plan.clone(), pace));
    }
    let mut tally = Tally::default();
    while let Some(seen) = connections.join_next().await {
        tally.merge(seen.context("a connection's task")?);
    }
    Ok(tally.report(begun.elapsed()))
}

/// When the requests of one connection are due.
#[derive(Debug, Clone, Copy)]
struct Pace {
    next: Instant,
    step: Duration,
}

impl Pace {
    /// Waits for the next due time and returns the moment that latency counts from: now when the connection
    /// was waiting for the clock, the due time when the clock was waiting for the connection.
    async fn wait(&mut self) -> Instant {
        let due = self.next;
        self.next += self.step;
        if due <= Instant::now() {
            return due;
        }
        sleep_until(due).await;
        Instant::now()
    }
}

async fn connection(plan: Plan, mut pace: Option<Pace>) -> Tally {
    let mut tally = Tally::default();
    let mut open: Option<Connection> = None;
    loop {
        let over = pace.map_or_else(|| plan.extent.is_over(), |pace| plan.extent.is_over_for(pace));
        if over {
            return tally;
        }
        let from = match &mut pace {
            Some(pace) => pace.wait().await,
            None => Instant::now(),
        };
        match timeout(PATIENCE, ask(&mut open, &plan)).await {
            Ok(Ok(())) => tally.good(from.elapsed()),
            outcome => {
                open = None;
                tally.bad(match outcome {
                    Ok(Err(error)) => format!("{error:#}"),
                    _ => format!("no answer within {} s", PATIENCE.as_secs()),
                });
                // A server that refuses must not be flooded with attempts.
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One request and its answer, over the open connection or a new one.
async fn ask(open: &mut Option<Connection>, plan: &Plan) -> Result<()> {
    let mut connection = match open.take() {
        Some(connection) => connection,
        None => Connection { stream: plan.prepared.connect().await?, buffer: Vec::with_capacity(8 * 1024) },
    };
    connection.stream.write_all(&plan.prepared.request).await.context("sending")?;
    connection.buffer.clear();
    let answer = loop {
        let read = connection.stream.read_buf(&mut connection.buffer).await.context("receiving")?;
        if let Some(answer) = parse(&connection.buffer)? {
            break answer;
        }
        if read == 0 {
            bail!("the connection closed in the middle of an answer");
        }
    };
    let body = connection.buffer.get(answer.body..answer.end).unwrap_or_default();
    let expected = plan.expect.as_ref().is_none_or(|expect| find(body, expect).is_some());
    let verdict = if answer.status == plan.status && expected {
        Ok(())
    } else {
        let start = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default());
        Err(anyhow::anyhow!("status {}: {start}", answer.status))
    };
    if !answer.closes {
        *open = Some(connection);
    }
    verdict
}

#[cfg(test)]
mod tests;
