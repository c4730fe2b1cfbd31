//! Acknowledgements, many at a time.
//!
//! An acknowledgement has no answer. So that `complete` means that the job is gone, a question follows each batch on the
//! same channel: the broker takes them in order, so its answer says that it has taken the acknowledgements too.
use std::sync::Arc;

use agent_gateway_core::Result;
use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use lapin::{
    Acker, Channel,
    options::{BasicAckOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions},
};
use tokio::sync::{RwLock, mpsc, oneshot};

/// How many acknowledgements wait at most.
pub(crate) const WAITING: usize = 1024;
/// How many share a question.
const BATCH: usize = 256;
/// How many questions may be open.
const OVERLAP: usize = 8;

/// What the broker is to do with a job that it handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Forget it.
    Done,
    /// Take it back to its old place, and count the delivery.
    Again,
    /// Take it back to its old place; nobody had it. Before 4.3 the broker counts that too.
    Unused,
    /// Move it to the dead ones.
    Refuse,
}

/// What is to be written to the connection.
#[derive(Debug)]
pub(crate) enum Deed {
    /// What becomes of a job.
    Settle(Acker, How),
    /// Nothing: the answer alone says that the connection, and with it every lease, is alive.
    Ask,
}

/// A deed, and who is told that the broker has heard of it.
#[derive(Debug)]
pub(crate) struct Settle {
    pub(crate) deed: Deed,
    pub(crate) then: Told,
}

/// Who is told when it is done.
#[derive(Debug)]
pub(crate) enum Told {
    /// Nobody.
    Nobody,
    /// Somebody, and what.
    This(oneshot::Sender<Result<()>>, Result<()>),
}

impl Settle {
    pub(crate) fn silently(acker: Acker, how: How) -> Self {
        Self { deed: Deed::Settle(acker, how), then: Told::Nobody }
    }

    /// Writes it to the connection.
    async fn send(&self) -> lapin::Result<()> {
        let (acker, how) = match &self.deed {
            Deed::Settle(acker, how) => (acker, how),
            Deed::Ask => return Ok(()),
        };
        let sent = match how {
            How::Done => acker.ack(BasicAckOptions::default()).await,
            How::Again => acker.reject(BasicRejectOptions { requeue: true }).await,
            How::Unused => acker.nack(BasicNackOptions { multiple: false, requeue: true }).await,
            How::Refuse => acker.reject(BasicRejectOptions { requeue: false }).await,
        };
        match sent {
            Ok(true) => Ok(()),
            Ok(false) => Err(gone()),
            Err(error) => Err(error),
        }
    }
}

/// The channel that jobs come through, and who may set its prefetch: whoever begins a consumer needs it alone.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) channel: Channel,
    pub(crate) prefetch: Arc<RwLock<()>>,
}

/// Settles jobs until the session ends.
pub(crate) async fn run(shared: Shared, mut jobs: mpsc::Receiver<Settle>) -> lapin::Result<()> {
    let mut asked = FuturesUnordered::new();
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            count = jobs.recv_many(&mut batch, BATCH), if asked.len() < OVERLAP => {
                if count == 0 {
                    return Ok(());
                }
                asked.push(settle(&shared, batch));
            }
            Some(done) = asked.next(), if !asked.is_empty() => done?,
        }
    }
}

async fn settle(shared: &Shared, batch: Vec<Settle>) -> lapin::Result<()> {
    for sent in join_all(batch.iter().map(Settle::send)).await {
        sent?;
    }
    {
        // The prefetch of the channel matters only to the next consumer, which sets its own.
        let _ours = shared.prefetch.read().await;
        shared.channel.basic_qos(1, BasicQosOptions::default()).await?;
    }
    for settled in batch {
        if let Told::This(somebody, what) = settled.then {
            // An error only says that nobody waits for the answer any more.
            let _ = somebody.send(what);
        }
    }
    Ok(())
}

/// A delivery whose channel is no more.
fn gone() -> lapin::Error {
    std::io::Error::from(std::io::ErrorKind::NotConnected).into()
}
