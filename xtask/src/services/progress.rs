//! A sign of life while something takes long: one line that counts on a terminal, now and then a line elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Progress {
    what: String,
    begun: Instant,
    said: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(super) fn new(what: String) -> Self {
        Self { what, begun: Instant::now(), said: None, terminal: stderr().is_terminal() }
    }

    pub(super) fn tick(&mut self) {
        let pause = if self.terminal { QUIET } else { EVERY };
        let last = self.said.unwrap_or(self.begun);
        let wait = if self.said.is_some() { pause } else { QUIET };
        if last.elapsed() < wait {
            return;
        }
        self.said = Some(Instant::now());
        let line = format!("services: {} … {} s", self.what, self.begun.elapsed().as_secs());
        if self.terminal {
            eprint!("\r{line}");
        } else {
            eprintln!("{line}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.said.is_some() {
            eprintln!();
        }
    }
}
