//! The real thing, with the server that starts fastest.

use std::fs::OpenOptions;
use std::io::Write;

use super::*;
use crate::services::find::{Place, Source};
use crate::services::{Scope, find, raise};

/// The protocol of `suite.rs`; the testkit's own function is out of reach, because tools import nothing of ours.
fn skip(service: &str, test: &str, reason: &str) {
    let line = format!("skip:{service}:{test}:{reason}");
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("AGW_SKIP_LOG") {
        writeln!(OpenOptions::new().create(true).append(true).open(log).unwrap(), "{line}").unwrap();
    }
}

fn url(state: &State) -> String {
    match find(Service::Redis, state, Scope::Private).place {
        Place::At { url, source: Source::Private, .. } => url,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_private_redis_is_started_once_started_again_when_it_has_died_and_ended() {
    if !is_installed(Service::Redis) {
        skip("redis-server", "xtask::a_private_redis_is_started", "redis-server is not installed");
        return;
    }
    let target = tempfile::tempdir().unwrap();
    let mut state = State::lock(target.path()).unwrap();
    let up = |state: &mut State| {
        let failures = raise(&[Service::Redis], Scope::Private, state);
        assert!(failures.is_empty(), "{failures:?}");
        url(state)
    };

    let first = up(&mut state);
    assert_eq!(up(&mut state), first, "a second start changes nothing");
    let stranger = first.replace("redis://:", "redis://:not");
    assert!(matches!(probe(Service::Redis, &stranger), Answer::Wrong(_)), "it is closed to others");

    let server = state.get(Service::Redis).unwrap().clone();
    server.processes[0].stop(rustix::process::Signal::KILL).unwrap();
    let second = up(&mut state);
    assert_ne!(second, first);
    assert!(!server.folder.exists(), "what the dead one kept is gone");

    crate::services::down(&mut state).unwrap();
    assert!(matches!(probe(Service::Redis, &second), Answer::Nobody(_)));
    assert!(State::read(target.path()).unwrap().servers.is_empty());
}
