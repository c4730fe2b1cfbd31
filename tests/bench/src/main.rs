//! What `cargo xtask bench` runs beside the gateway: a model server without delay, a bare handler that makes
//! the same one model call and relays a streamed one, load generators for both and for detached runs, and loops that
//! show what brokers do bare.
//!
//! It is not a benchmark of its own: the figures are ratios of one run, which xtask puts together.
#![expect(clippy::print_stdout, reason = "the report is for the process that started this one")]

mod bare;
mod broker;
mod detached;
mod load;
mod model;
mod request;
mod response;
mod sse;
mod streams;
mod timing;

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// The gateway's allocator, so that the ratio speaks of the gateway's work and not of the allocator's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "agent-gateway-bench", about = "The parts of `cargo xtask bench`")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve an OpenAI-compatible model that says "pong" at once, or what `PUT /script` tells it.
    Model {
        #[arg(long)]
        port: u16,
    },
    /// Serve the bare handler and the bare relay: one request in, one model call out.
    Bare {
        #[arg(long)]
        port: u16,
        /// The model server's base URL, such as `http://127.0.0.1:9000/v1`.
        #[arg(long)]
        upstream: String,
    },
    /// Keep a server busy and report what it did.
    Load(load::Args),
    /// Keep a server busy with streamed chats and report what it did.
    Streams(streams::Args),
    /// Open many streamed chats, print `open` once all are, and read them to their ends.
    Hold(streams::HoldArgs),
    /// Ask for detached runs, print `ended` once none waits or runs, and report what the store tells of them.
    Detached(detached::Args),
    /// Keep a broker busy with jobs that are put, taken and acknowledged, and report how many it did.
    Broker(broker::Args),
    /// Remove what a bench left on a broker.
    Sweep(broker::Place),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        // One thread each: what these two use is taken from the server under test.
        Command::Model { port } => Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(async { model::serve(listen(port).await?).await }),
        Command::Load(args) => {
            let report = Builder::new_current_thread().enable_all().build()?.block_on(load::run(&args))?;
            println!("{}", if args.json { report.json() } else { report.text() });
            Ok(())
        }
        Command::Streams(args) => {
            let report = Builder::new_current_thread().enable_all().build()?.block_on(streams::run(&args))?;
            println!("{}", if args.json { report.json() } else { report.text() });
            Ok(())
        }
        Command::Hold(args) => {
            let holding = streams::hold(&args, || println!("open"));
            println!("{}", Builder::new_current_thread().enable_all().build()?.block_on(holding)?);
            Ok(())
        }
        Command::Detached(args) => {
            let running = detached::run(&args, || println!("ended"));
            println!("{}", Builder::new_current_thread().enable_all().build()?.block_on(running)?);
            Ok(())
        }
        Command::Broker(args) => {
            let jobs = Builder::new_multi_thread().enable_all().build()?.block_on(broker::run(&args))?;
            println!("{}", serde_json::json!({ "jobs_per_s": jobs }));
            Ok(())
        }
        Command::Sweep(place) => {
            Builder::new_current_thread().enable_all().build()?.block_on(broker::sweep(&place))
        }
        Command::Bare { port, upstream } => Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(async { bare::serve(listen(port).await?, &upstream).await }),
    }
}

async fn listen(port: u16) -> Result<TcpListener> {
    Ok(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_sound() {
        Cli::command().debug_assert();
    }
}
