//! `cargo xtask ci`: the steps of CI as data, so that there is one list of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::project::Project;
use crate::{features, layers, suite, tidy};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the steps and run none.
    #[arg(long)]
    list: bool,
    /// Leave this step out; may be repeated. For a CI that has run it already.
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
}

struct Step {
    name: &'static str,
    does: &'static str,
    run: fn(&Project) -> Result<()>,
}

/// Cheap steps first: a wrong import is told before anything is compiled.
const STEPS: &[Step] = &[
    Step { name: "fmt", does: "cargo fmt --all --check", run: fmt },
    Step { name: "check-layers", does: "cargo xtask check-layers", run: layers::run },
    Step { name: "tidy", does: "cargo xtask tidy", run: tidy::run },
    Step { name: "clippy", does: "cargo clippy --workspace --all-targets -- -D warnings", run: clippy },
    Step { name: "check-features", does: "cargo xtask check-features", run: features::run },
    Step { name: "test", does: "cargo xtask test", run: suite::run_all },
    Step {
        name: "rustdoc",
        does: "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps",
        run: rustdoc,
    },
];

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    if args.list {
        for step in STEPS {
            println!("{:<15} {}", step.name, step.does);
        }
        return Ok(());
    }
    if let Some(unknown) = args.skip.iter().find(|name| !STEPS.iter().any(|step| step.name == **name)) {
        bail!("there is no step '{unknown}'; see cargo xtask ci --list");
    }
    let steps: Vec<&Step> =
        STEPS.iter().filter(|step| !args.skip.iter().any(|name| name == step.name)).collect();
    let mut times: Vec<(&str, Duration)> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        eprintln!("\n==> {}/{} {}", index + 1, steps.len(), step.name);
        let start = Instant::now();
        let outcome = (step.run)(project);
        times.push((step.name, start.elapsed()));
        if let Err(error) = outcome {
            summary(&steps, &times, Some(step.name));
            return Err(error).with_context(|| format!("ci stopped at {}", step.name));
        }
        eprintln!("<== {} ok in {:.1} s", step.name, start.elapsed().as_secs_f64());
    }
    summary(&steps, &times, None);
    Ok(())
}

fn summary(steps: &[&Step], times: &[(&str, Duration)], failed: Option<&str>) {
    println!();
    for (name, time) in times {
        let verdict = if failed == Some(name) { "FAILED" } else { "ok" };
        println!("{name:<15} {:>7.1} s  {verdict}", time.as_secs_f64());
    }
    for step in steps.iter().skip(times.len()) {
        println!("{:<15} {:>7}    not run", step.name, "-");
    }
}

fn fmt(project: &Project) -> Result<()> {
    Ok(cmd!(project.sh, "cargo fmt --all --check").run()?)
}

fn clippy(project: &Project) -> Result<()> {
    Ok(cmd!(project.sh, "cargo clippy --workspace --all-targets -- -D warnings").run()?)
}

fn rustdoc(project: &Project) -> Result<()> {
    Ok(cmd!(project.sh, "cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings").run()?)
}
