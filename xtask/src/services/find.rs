//! Where each server is, if it is anywhere: the variable says, or `up` has started one, or the usual port answers.

use std::path::Path;

use anyhow::Result;

use super::kind::{ALL, Service};
use super::probe::{Answer, probe};
use super::state::State;

/// The value of a variable that says: there is none.
pub(super) const NONE: &str = "none";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The variable names it.
    Variable,
    /// `up` has started it.
    Private,
    /// It answers where such a server usually is.
    Usual,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    At {
        url: String,
        source: Source,
        /// What a probe could not find out.
        note: Option<&'static str>,
    },
    /// The variable names one that is not there. Whoever set it meant it, so nothing takes its place.
    Broken { url: String, why: String },
    Absent {
        why: String,
        /// A test that looks for itself would take a stranger for it.
        stranger: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) service: Service,
    pub(crate) place: Place,
}

/// Which servers may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Any,
    /// Those of `up` alone.
    Private,
}

/// Looks for all of them.
pub(crate) fn look(target: &Path) -> Result<Vec<Found>> {
    let state = State::read(target)?;
    Ok(ALL.iter().map(|service| find(*service, &state, Scope::Any)).collect())
}

pub(super) fn find(service: Service, state: &State, scope: Scope) -> Found {
    let variable = std::env::var(service.variable()).ok();
    let private = state.get(service).map(|server| server.url.as_str());
    let place = match scope {
        Scope::Any => place(service, variable.as_deref(), private, |url| probe(service, url)),
        Scope::Private => of_up(private, |url| probe(service, url))
            .unwrap_or_else(|| Place::Absent { why: "none was started".into(), stranger: false }),
    };
    Found { service, place }
}

fn place(
    service: Service,
    variable: Option<&str>,
    private: Option<&str>,
    ask: impl Fn(&str) -> Answer,
) -> Place {
    let at = |url: &str, source, note| Place::At { url: url.to_owned(), source, note };
    match variable.filter(|value| !value.is_empty()) {
        Some(NONE) => {
            let why = format!("{} is {NONE}", service.variable());
            return Place::Absent { why, stranger: false };
        }
        Some(url) => {
            return match ask(url) {
                Answer::Ready => at(url, Source::Variable, None),
                Answer::Unchecked(note) => at(url, Source::Variable, Some(note)),
                Answer::Wrong(why) | Answer::Nobody(why) => Place::Broken { url: url.to_owned(), why },
            };
        }
        None => {}
    }
    if let Some(place) = of_up(private, &ask) {
        return place;
    }
    match ask(service.default_url()) {
        Answer::Ready => at(service.default_url(), Source::Usual, None),
        Answer::Nobody(why) => Place::Absent { why, stranger: false },
        Answer::Unchecked(why) => usual_is_wrong(service, why),
        Answer::Wrong(why) => usual_is_wrong(service, &why),
    }
}

fn of_up(private: Option<&str>, ask: impl Fn(&str) -> Answer) -> Option<Place> {
    let url = private.filter(|url| ask(url) == Answer::Ready)?;
    Some(Place::At { url: url.to_owned(), source: Source::Private, note: None })
}

fn usual_is_wrong(service: Service, why: &str) -> Place {
    let port = service.default_port();
    Place::Absent { why: format!("what listens at 127.0.0.1:{port} is of no use: {why}"), stranger: true }
}

impl Found {
    /// What a test must be told: nothing where it finds the same by itself.
    pub(crate) fn variable(&self) -> Option<(&'static str, &str)> {
        let value = match &self.place {
            Place::At { url, source: Source::Private | Source::Usual, .. } => url,
            Place::Absent { stranger: true, .. } => NONE,
            _ => return None,
        };
        Some((self.service.variable(), value))
    }

    /// Why nothing can be tested with it here. One that its variable names in vain is no skip, but a failure.
    pub(crate) fn missing(&self) -> Option<&str> {
        match &self.place {
            Place::Absent { why, .. } => Some(why),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
