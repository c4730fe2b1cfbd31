//! Detached runs: asks for them as the load generator does, waits until none waits or runs any more, and reads from the
//! API what the store knows of each. The times are the store's own, so nothing has to be watched while it happens.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::load;
use crate::request::Target;
use crate::timing::Tally;

/// Seldom enough to cost the server nothing that shows.
const LOOK: Duration = Duration::from_millis(100);
const PAGE: usize = 500;

#[derive(Debug, clap::Args)]
// The arguments within are called the same.
#[group(id = "detached")]
pub(crate) struct Args {
    #[command(flatten)]
    load: load::Args,
    /// What the result of a good run contains.
    #[arg(long)]
    result: String,
    /// Seconds that the runs may take once all are asked for.
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

/// One run, as the API tells of it.
#[derive(Debug, Deserialize)]
struct Run {
    status: String,
    result: Option<serde_json::Value>,
    error: Option<String>,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    completed_at: Option<Timestamp>,
}

/// The runs of one agent on a server. All of them count, so each measurement needs an agent of its own, or a new store.
struct Runs {
    client: Client,
    list: Url,
    agent: String,
}

/// Answers the report as JSON; `ended` is called when the last run has ended, before they are read.
pub(crate) async fn run(args: &Args, ended: impl FnOnce()) -> Result<String> {
    let runs = Runs::of(&args.load.target)?;
    let asked = load::run(&args.load).await?;
    if let Some(error) = asked.first_error {
        bail!("{} of {} runs were not accepted, the first with: {error}", asked.errors, asked.requests);
    }
    runs.wait(Duration::from_secs(args.patience)).await?;
    ended();
    let runs = runs.read().await?;
    let count = runs.len();
    ensure!(count as u64 == asked.requests, "{} runs were accepted, {count} are stored", asked.requests);
    report(&runs, &args.result)
}

impl Runs {
    /// Of the agent that the target asks: `…/v1/agents/{agent}/invoke`.
    fn of(target: &Target) -> Result<Self> {
        // As in the bare handler.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let mut headers = HeaderMap::new();
        for header in &target.headers {
            let (name, value) = header.split_once(':').context("not `name: value`")?;
            let name: HeaderName = name.trim().parse()?;
            headers.insert(name, HeaderValue::from_str(value.trim())?);
        }
        let mut segments = target.url.path_segments().context("the URL has no path")?;
        let agent = segments.nth(2).context("the URL names no agent")?.to_owned();
        let client = Client::builder().no_proxy().tcp_nodelay(true).default_headers(headers).build()?;
        Ok(Self { client, list: target.url.join("/v1/executions")?, agent })
    }

    async fn wait(&self, patience: Duration) -> Result<()> {
        let limit = Instant::now() + patience;
        loop {
            let mut under_way = None;
            for status in ["queued", "running"] {
                if !self.page(&[("status", status), ("limit", "1")]).await?.0.is_empty() {
                    under_way = Some(status);
                    break;
                }
            }
            let Some(status) = under_way else { return Ok(()) };
            ensure!(Instant::now() < limit, "after {} s runs are still {status}", patience.as_secs());
            sleep(LOOK).await;
        }
    }

    async fn read(&self) -> Result<Vec<Run>> {
        let limit = PAGE.to_string();
        let (mut runs, mut next) = self.page(&[("limit", &limit)]).await?;
        while let Some(cursor) = next {
            let (page, after) = self.page(&[("limit", &limit), ("cursor", &cursor)]).await?;
            runs.extend(page);
            next = after;
        }
        Ok(runs)
    }

    /// The runs of a page, and where the next one begins.
    async fn page(&self, query: &[(&str, &str)]) -> Result<(Vec<Run>, Option<String>)> {
        let mut url = self.list.clone();
        url.query_pairs_mut().append_pair("agent_id", &self.agent).extend_pairs(query);
        let response = self.client.get(url).send().await?.error_for_status()?;
        let cursor = response.headers().get("x-next-cursor");
        let cursor = cursor.and_then(|cursor| cursor.to_str().ok()).map(str::to_owned);
        Ok((response.json().await.context("a page of runs")?, cursor))
    }
}

/// One run that did not complete as it should makes the figures worthless, so it is an error.
fn report(runs: &[Run], result: &str) -> Result<String> {
    let mut pick_up = Tally::default();
    let (mut first, mut last) = (Timestamp::MAX, Timestamp::MIN);
    for run in runs {
        let is_good = run.result.as_ref().is_some_and(|value| value.to_string().contains(result));
        let Run { status, error, .. } = run;
        ensure!(status == "completed" && is_good, "a run is {status} ({error:?}): {:?}", run.result);
        let (Some(started), Some(completed)) = (run.started_at, run.completed_at) else {
            bail!("a completed run has no times");
        };
        // Two processes of one machine read the same clock, so less than nothing is rounding.
        pick_up.good(Duration::try_from(started.duration_since(run.created_at)).unwrap_or_default());
        first = first.min(run.created_at);
        last = last.max(completed);
    }
    ensure!(!runs.is_empty(), "no run is stored");
    let took = Duration::try_from(last.duration_since(first)).context("the runs ended before they began")?;
    let report = pick_up.report(took);
    Ok(json!({
        "runs": report.requests,
        "runs_per_s": report.rps,
        "pick_up_p50_ms": report.p50_ms,
        "pick_up_p99_ms": report.p99_ms,
        "pick_up_max_ms": report.max_ms,
    })
    .to_string())
}

#[cfg(test)]
mod tests;
