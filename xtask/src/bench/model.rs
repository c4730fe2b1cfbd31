//! The model server in the hands of the bench: what it plays, and who waits for it.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::server::{Server, exchange, free_port};

/// What the model plays. Deltas are for streamed calls alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Play {
    /// All 20 deltas at once.
    AtOnce,
    /// The first delta at once and the others 2 ms later, so that the first is on its way alone.
    FirstAlone,
    /// Nothing, until something else is played.
    Silence,
    /// A call of the tool `look`, then "pong"; streamed or not.
    CallFirst,
}

impl Play {
    fn script(self) -> &'static str {
        match self {
            Self::AtOnce => r#"{"says":"deltas"}"#,
            Self::FirstAlone => r#"{"says":"deltas","pauses_ms":[0,2,0]}"#,
            Self::CallFirst => r#"{"says":"call_first"}"#,
            Self::Silence => r#"{"says":"deltas","gate":"closed"}"#,
        }
    }
}

#[derive(Debug)]
pub(super) struct Model(Server);

impl Model {
    pub(super) fn start(mut command: Command, logs: &std::path::Path) -> Result<Self> {
        Ok(Self(Server::start("model", &mut command, free_port()?, logs)?))
    }

    pub(super) fn server(&self) -> &Server {
        &self.0
    }

    pub(super) fn play(&self, play: Play) -> Result<()> {
        let (status, text) = exchange(self.0.port(), "PUT", "/script", play.script())?;
        ensure!(status == 204, "the model server answered {status} to a script: {text}");
        Ok(())
    }

    /// Waits until `count` answers are held, no more and no less.
    pub(super) fn holds(&self, count: u64, within: Duration) -> Result<()> {
        let limit = Instant::now() + within;
        loop {
            let (_, text) = exchange(self.0.port(), "GET", "/waiting", "")?;
            let held: u64 = text.trim().parse().with_context(|| format!("how many wait: {text}"))?;
            if held == count {
                return Ok(());
            }
            ensure!(Instant::now() < limit, "{held} of {count} streams wait for the model");
            sleep(Duration::from_millis(20));
        }
    }
}
