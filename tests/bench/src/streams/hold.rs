//! Many streams at once that wait for a slow model: open them all, say so, and read each to its end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Asked;
use crate::request::{Prepared, Target};
use crate::sse::StreamedAnswer;

/// Streams that are being opened at once: more would only overflow the server's backlog.
const OPENING: usize = 64;
/// A stream that is not open by then will not be.
const OPEN_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct HoldArgs {
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    streams: u32,
    /// When a stream counts as open.
    #[arg(long, value_enum, default_value_t = Opened::Session)]
    opened: Opened,
    /// How long the streams may wait for their ends.
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Opened {
    /// With the head of the answer.
    Head,
    /// With the event `session`.
    Session,
}

/// Opens the streams, calls `all_open` once they are, and reads each to its end. One that fails fails the run.
/// Answers the report as JSON.
pub(crate) async fn hold(args: &HoldArgs, all_open: impl FnOnce()) -> Result<String> {
    let prepared = Arc::new(args.target.prepare()?);
    let opening = Arc::new(Semaphore::new(OPENING));
    let mut tasks = JoinSet::new();
    for _ in 0..args.streams {
        let (prepared, opening, opened) = (prepared.clone(), opening.clone(), args.opened);
        tasks.spawn(async move {
            let _turn = opening.acquire_owned().await.context("a turn to open")?;
            timeout(OPEN_WITHIN, open(&prepared, opened)).await.context("a stream did not open in time")?
        });
    }
    let mut asked = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let opened = asked.len();
        let stream = task.context("a stream's task")?;
        asked.push(stream.with_context(|| format!("opening a stream, after {opened} others"))?);
    }
    // Nothing may come before the model goes on.
    ensure!(
        asked.iter().all(|asked| asked.answer.seen().tokens == 0),
        "a token came while the model was silent"
    );
    all_open();
    let mut tasks = JoinSet::new();
    for mut stream in asked {
        tasks.spawn(async move { stream.until(StreamedAnswer::has_ended).await });
    }
    let ends = async {
        let mut ended = 0_u32;
        while let Some(task) = tasks.join_next().await {
            task.context("a stream's task")?
                .with_context(|| format!("reading a stream to its end, after {ended} others"))?;
            ended += 1;
        }
        Ok(ended)
    };
    let ended = timeout(Duration::from_secs(args.patience), ends)
        .await
        .with_context(|| format!("the streams did not end within {} s", args.patience))
        .flatten()?;
    Ok(json!({ "streams": ended }).to_string())
}

async fn open(prepared: &Prepared, opened: Opened) -> Result<Asked> {
    let mut asked = Asked::send(prepared.connect().await?, prepared).await?;
    match opened {
        Opened::Head => asked.until(StreamedAnswer::has_begun).await?,
        Opened::Session => asked.until(|answer| answer.seen().session || answer.seen().tokens > 0).await?,
    }
    // What 2,000 streams would keep here while they wait.
    asked.buffer = Vec::new();
    Ok(asked)
}
