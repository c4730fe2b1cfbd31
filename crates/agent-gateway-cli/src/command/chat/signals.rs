//! What the process is asked to do while it talks.
use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A word from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Ctrl-C.
    Interrupt,
    /// End: the terminal is gone, or somebody stops the process.
    Leave,
}

/// Hears the signals of the process. From here on they no longer end it by themselves.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let open = |kind| signal(kind).context("the signals of the process cannot be heard");
        Ok(Self {
            interrupt: open(SignalKind::interrupt())?,
            terminate: open(SignalKind::terminate())?,
            hang_up: open(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::Leave,
            _ = self.hang_up.recv() => Word::Leave,
            _ = self.interrupt.recv() => Word::Interrupt,
        }
    }

    /// Drops a Ctrl-C that came too late for the turn that it was meant for.
    pub(super) async fn forget_interrupt(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            () = std::future::ready(()) => {}
        }
    }
}
