//! Build tasks of the workspace: `cargo xtask <command>`.
//!
//! It never depends on the crates it checks, so that it builds when they do not.
#![expect(clippy::print_stdout, reason = "the answers of a build task are for the terminal")]
#![expect(clippy::disallowed_methods, reason = "a build task has neither Clock nor Vars")]

mod bench;
mod ci;
mod faults;
mod features;
mod layers;
mod matrix;
mod new_backend;
mod project;
mod services;
mod suite;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::project::Project;

#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Build tasks of the workspace")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run exactly what CI runs, in order, and stop at the first failure.
    Ci(ci::Args),
    /// Run the whole test suite, then list the tests that skipped themselves.
    Test(suite::Args),
    /// Run the tests row by row: packages, features and services as data.
    TestMatrix(matrix::Args),
    /// Find or start the servers that tests of backends need, and end what was started.
    Services(services::Args),
    /// Kill, freeze and restart the parts of a cluster, and print what became of its runs.
    Faults(faults::Args),
    /// Check who imports whom, and what every manifest must say.
    CheckLayers,
    /// Compile every package with each feature alone, with none and with all.
    CheckFeatures,
    /// Check sizes, names, machine paths, test rows and the facade's features.
    Tidy,
    /// Make a crate for a backend, with its suites wired and failing.
    NewBackend(new_backend::Args),
    /// Measure the gateway beside a bare handler that makes the same model call.
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let project = Project::load()?;
    match command {
        Command::Ci(args) => ci::run(&project, args),
        Command::Test(args) => suite::run(&project, args),
        Command::TestMatrix(args) => matrix::run(&project, args),
        Command::Services(args) => services::run(&project, args),
        Command::Faults(args) => faults::run(&project, args),
        Command::CheckLayers => layers::run(&project),
        Command::CheckFeatures => features::run(&project),
        Command::Tidy => tidy::run(&project),
        Command::NewBackend(args) => new_backend::run(&project, args),
        Command::Bench(args) => bench::run(&project, args),
    }
}
