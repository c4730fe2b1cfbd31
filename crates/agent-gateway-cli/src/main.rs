//! The `agent-gateway` command: serves a folder of markdown agents, and helps to write it.
//!
//! Exit codes: 0 done; 1 the workspace, the configuration or a backend is not usable, or there is no such agent; 2 wrong usage;
//! 3 the execution failed; 4 it was cancelled or ran out of time.
mod args;
mod command;
mod output;

use std::process::ExitCode;

use clap::Parser;

/// Small allocations from many threads are this program's daily work; see the decision on the allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = args::Args::parse();
    // Another provider can only have been installed by this process, so the first one stands.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output::fail(
                &anyhow::Error::new(error).context("the async runtime could not be started"),
            );
        }
    };
    match runtime.block_on(command::run(args)) {
        Ok(code) => code,
        Err(error) => output::fail(&error),
    }
}
