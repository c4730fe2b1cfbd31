//! `cargo xtask test`: the whole suite, and no skip that nobody sees.
//!
//! A test that needs something the machine may lack (a database server, `python3`) does not pass in
//! silence: it appends one line to the file that the variable `AGW_SKIP_LOG` names, and returns.
//!
//! ```text
//! skip:<service>:<test>:<reason>
//! skip:python3:tools::handler_py_answers:python3 is not on the PATH
//! ```
//!
//! `<service>` is one word, `<test>` may hold `::`. The lines are listed when the suite is done. A service
//! named by `AGW_REQUIRE` (a comma-separated list) must not appear: then the run fails.
//!
//! Servers are found, never started: the tests are told of those that run and of those that `cargo xtask services up`
//! has started.

use std::path::Path;

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::project::Project;
use crate::services::{self, Found};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Passed on to `cargo test`, for example `-p agent-gateway-core` or `-- --nocapture`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// One test that did not run, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) service: String,
    pub(crate) test: String,
    pub(crate) reason: String,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let mut all = args.args.clone();
    if !names_packages(&all) {
        all.insert(0, "--workspace".to_owned());
    }
    let skips = cargo_test(project, &all, &servers(project)?)?;
    report(&skips, &required(&project.sh))
}

/// `--workspace` would override the packages that were asked for.
fn names_packages(args: &[String]) -> bool {
    let mut ours = args.iter().take_while(|arg| *arg != "--");
    ours.any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

/// The suite as CI runs it: no further arguments.
pub(crate) fn run_all(project: &Project) -> Result<()> {
    run(project, &Args { args: Vec::new() })
}

/// The servers for the tests; what is missing is said before minutes are spent, and how to have it.
pub(crate) fn servers(project: &Project) -> Result<Vec<Found>> {
    let all = services::look(project.target().as_std_path())?;
    for found in &all {
        if let Some(why) = found.missing() {
            eprintln!("no {}: {why}; see cargo xtask services up", found.service.word());
        }
    }
    Ok(all)
}

/// Runs `cargo test` and returns what was skipped; the skips of a failed run are listed before it fails.
pub(crate) fn cargo_test(project: &Project, args: &[String], servers: &[Found]) -> Result<Vec<Skip>> {
    let folder = project.sh.create_temp_dir()?;
    let log = folder.path().join("skipped");
    let told = servers.iter().filter_map(Found::variable);
    let outcome = cmd!(project.sh, "cargo test {args...}").envs(told).env("AGW_SKIP_LOG", &log).run();
    let skips = read(&log)?;
    if let Err(error) = outcome {
        list(&skips);
        return Err(error.into());
    }
    Ok(skips)
}

/// Lists the skips and fails when one of them was required.
pub(crate) fn report(skips: &[Skip], required: &[String]) -> Result<()> {
    list(skips);
    let missing = broken(skips, required);
    if missing.is_empty() {
        return Ok(());
    }
    bail!("AGW_REQUIRE asks for {}, but tests skipped for want of it", missing.join(", "))
}

/// The services that must be there, from `AGW_REQUIRE`.
pub(crate) fn required(sh: &Shell) -> Vec<String> {
    let list = sh.var_os("AGW_REQUIRE").unwrap_or_default();
    list.to_string_lossy()
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn list(skips: &[Skip]) {
    if skips.is_empty() {
        return;
    }
    println!("\nskipped: {}", skips.len());
    for Skip { service, test, reason } in skips {
        println!("  {test} ({service}): {reason}");
    }
}

fn broken<'a>(skips: &[Skip], required: &'a [String]) -> Vec<&'a str> {
    let is_skipped = |name: &String| skips.iter().any(|skip| skip.service == *name);
    required.iter().filter(|name| is_skipped(name)).map(String::as_str).collect()
}

fn read(log: &Path) -> Result<Vec<Skip>> {
    if !log.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(log).context("reading the skip log")?;
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

/// A line that cannot be read is an error: it may be the one that hides a required service.
fn parse(line: &str) -> Result<Skip> {
    let parsed = line.trim().strip_prefix("skip:").and_then(|rest| {
        let (service, rest) = rest.split_once(':')?;
        let (test, reason) = split_single_colon(rest)?;
        Some(Skip { service: service.to_owned(), test: test.to_owned(), reason: reason.to_owned() })
    });
    parsed.with_context(|| format!("not of the form skip:<service>:<test>:<reason>: {line}"))
}

/// Splits at the first colon that is not part of a `::`.
fn split_single_colon(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    while let Some(found) = text.get(from..)?.find(':') {
        let at = from + found;
        if text.get(at..)?.starts_with("::") {
            from = at + 2;
        } else {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_line_keeps_paths_and_colons_in_the_reason() {
        let skip = parse("skip:postgres:queue::lease::expires:no server at db:5432").unwrap();
        assert_eq!(skip.service, "postgres");
        assert_eq!(skip.test, "queue::lease::expires");
        assert_eq!(skip.reason, "no server at db:5432");
    }

    #[test]
    fn packages_are_named_to_cargo_and_not_to_the_tests() {
        let names = |line: &str| names_packages(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(names("-p xtask") && names("-q --package=xtask"));
        assert!(!names("-q") && !names("-- -p"));
    }

    #[test]
    fn an_unreadable_line_is_an_error() {
        for line in ["skipped postgres", "skip:postgres", "skip:postgres:a::b", "skip"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_required_service_that_was_skipped_fails_the_run() {
        let skips = [parse("skip:redis:queue::orders:AGW_REDIS_URL is not set").unwrap()];
        assert!(report(&skips, &["postgres".to_owned()]).is_ok());
        let error = report(&skips, &["postgres".to_owned(), "redis".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("asks for redis,"), "{error}");
    }
}
