//! What a broker does bare: jobs that are put, taken and acknowledged, with the guarantees that the gateway asks for and
//! nothing else around them. It is the floor that queued runs are measured against.

mod rabbitmq;
mod redis;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::time::Instant;
use url::Url;

/// About what the gateway puts into a job.
const JOB: &[u8] = &[b'x'; 200];

/// Where a bench has its jobs.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// `redis://…` or `amqp://…`.
    #[arg(long)]
    url: Url,
    /// What everything of this bench is called, or begins with.
    #[arg(long)]
    name: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Jobs that are put at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// Jobs per second that were put, taken and acknowledged.
pub(crate) async fn run(args: &Args) -> Result<f64> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(args.seconds);
    let jobs = match args.place.url.scheme() {
        "redis" | "rediss" => redis::run(&args.place, args.connections, end).await?,
        "amqp" | "amqps" => rabbitmq::run(&args.place, args.connections, end).await?,
        other => bail!("no broker is known by {other}://"),
    };
    ensure!(jobs > 0, "not one job went through");
    Ok(f64::from(jobs) / begun.elapsed().as_secs_f64())
}

/// Removes everything of the bench.
pub(crate) async fn sweep(place: &Place) -> Result<()> {
    ensure!(!place.name.is_empty(), "a sweep needs a name");
    match place.url.scheme() {
        "redis" | "rediss" => redis::sweep(place).await,
        "amqp" | "amqps" => rabbitmq::sweep(place).await,
        other => bail!("no broker is known by {other}://"),
    }
}
