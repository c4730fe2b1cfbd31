//! `cargo xtask services`: the servers that tests of backends need.
//!
//! A server that runs is taken: the one that its variable names, or one at the usual port that lets us in. Otherwise
//! `up` starts a private one from installed programs, and `down` ends what `up` has started. Without containers.

pub(crate) mod find;
mod kind;
mod private;
mod probe;
mod process;
mod progress;
mod report;
mod state;

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use crate::project::Project;
use crate::suite;

pub(crate) use find::{Found, Place, look};
use find::{NONE, Scope, find};
use kind::ALL;
pub(crate) use kind::Service;
use state::State;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Take the servers that run, start private ones of the others, and print where they are.
    Up(Up),
    /// End what `up` has started, and nothing else.
    Down,
    /// Say where each server is.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the variables for a shell: eval "$(cargo xtask services env)".
    Env,
}

#[derive(Debug, clap::Args)]
struct Up {
    /// These alone; without any, all.
    services: Vec<Service>,
    /// Start private ones whatever runs already.
    #[arg(long)]
    private: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let target = project.target().as_std_path();
    match &args.action {
        Action::Up(args) => up(project, args),
        Action::Down => down(&mut State::lock(target)?),
        Action::Status { json } => {
            let all = look(target)?;
            if *json {
                println!("{:#}", report::json(&all));
            } else {
                print!("{}", report::table(&all));
            }
            Ok(())
        }
        Action::Env => {
            print!("{}", report::exports(&look(target)?));
            Ok(())
        }
    }
}

fn up(project: &Project, args: &Up) -> Result<()> {
    let wanted = if args.services.is_empty() { ALL } else { &args.services };
    let scope = if args.private { Scope::Private } else { Scope::Any };
    let mut state = State::lock(project.target().as_std_path())?;
    let failures = raise(wanted, scope, &mut state);
    let all: Vec<Found> =
        wanted.iter().map(|service| explained(find(*service, &state, scope), &failures)).collect();
    if args.json {
        println!("{:#}", report::json(&all));
    } else {
        print!("{}\n{}", report::table(&all), report::exports(&all));
    }
    for (_, error) in &failures {
        eprintln!("error: {error:#}");
    }
    verdict(&all, &failures, &suite::required(&project.sh))
}

type Failure = (Service, anyhow::Error);

/// Starts what is missing: all first, then the waiting, because one of them takes long.
fn raise(wanted: &[Service], scope: Scope, state: &mut State) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut started = Vec::new();
    for service in wanted {
        match raise_one(*service, scope, state) {
            Ok(Raised::Started) => started.push(*service),
            Ok(Raised::Nothing) => {}
            Err(error) => failures.push((*service, error)),
        }
    }
    for service in started {
        if let Err(error) = private::wait(service, state) {
            failures.push((service, error));
        }
    }
    failures
}

enum Raised {
    Started,
    Nothing,
}

fn raise_one(service: Service, scope: Scope, state: &mut State) -> Result<Raised> {
    sweep(service, state)?;
    let is_absent = matches!(find(service, state, scope).place, Place::Absent { .. });
    let is_unwanted =
        scope == Scope::Any && std::env::var(service.variable()).is_ok_and(|value| value == NONE);
    if !is_absent || is_unwanted || !private::is_installed(service) {
        return Ok(Raised::Nothing);
    }
    private::start(service, state)?;
    Ok(Raised::Started)
}

/// One that was started and does not serve any more is in the way.
fn sweep(service: Service, state: &mut State) -> Result<()> {
    let Some(server) = state.get(service) else { return Ok(()) };
    if server.runs() && probe::probe(service, &server.url) == probe::Answer::Ready {
        return Ok(());
    }
    eprintln!("services: the private {} has died; its rest is removed", service.word());
    server.stop().with_context(|| format!("removing the private {}", service.word()))?;
    state.forget(service)
}

/// Says what would help, where nothing was found.
fn explained(mut found: Found, failures: &[Failure]) -> Found {
    let service = found.service;
    if let Place::Absent { why, .. } = &mut found.place {
        if failures.iter().any(|(failed, _)| *failed == service) {
            why.push_str("; a private one does not start");
        } else if !private::is_installed(service) {
            why.push_str(&format!("; not installed (Debian: apt-get install {})", service.package()));
        }
    }
    found
}

/// An absent server is no error until somebody requires it; one that should be there and is not, always.
fn verdict(all: &[Found], failures: &[Failure], required: &[String]) -> Result<()> {
    let mut wrong: Vec<&str> = failures.iter().map(|(service, _)| service.word()).collect();
    let broken = all.iter().filter(|found| matches!(found.place, Place::Broken { .. }));
    wrong.extend(broken.map(|found| found.service.word()));
    if !wrong.is_empty() {
        bail!("not usable: {}", wrong.join(", "));
    }
    let absent = all.iter().filter(|found| found.missing().is_some()).map(|found| found.service.word());
    let missing: Vec<&str> = absent.filter(|word| required.iter().any(|name| name == word)).collect();
    if !missing.is_empty() {
        bail!("AGW_REQUIRE asks for {}, but there is none", missing.join(", "));
    }
    Ok(())
}

fn down(state: &mut State) -> Result<()> {
    let servers = state.servers.clone();
    if servers.is_empty() {
        println!("services: nothing to end");
    }
    let mut failed = Vec::new();
    for server in servers {
        let word = server.service.word();
        match server.stop().and_then(|()| state.forget(server.service)) {
            Ok(()) => println!("services: ended {word}"),
            Err(error) => {
                eprintln!("error: {word}: {error:#}");
                failed.push(word);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("not ended: {}", failed.join(", "))
}

#[cfg(test)]
mod tests;
