//! Group commit: what many callers ask for at the same time is one statement, and each is answered after its commit.
use agent_gateway_core::{Error, Result};
use agent_gateway_sql::closed;
use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait; more callers wait for a place.
const WAITING: usize = 1024;
/// Requests that share one statement.
const BATCH: usize = 256;

/// Does what many callers ask for at once.
#[async_trait]
pub(super) trait Batch: Send + Sync + 'static {
    /// What one caller asks for.
    type Item: Send + Sync + 'static;

    /// What becomes of each item, in their order; the error of all when nothing was done.
    async fn run(&self, items: &[Self::Item]) -> Result<Vec<Result<()>>>;
}

/// The way to a batch.
#[derive(Debug)]
pub(super) struct Lane<T>(mpsc::Sender<Call<T>>);

#[derive(Debug)]
struct Call<T> {
    item: T,
    reply: oneshot::Sender<Result<()>>,
}

impl<T: Send + Sync + 'static> Lane<T> {
    /// The lane, and the task that serves it until the queue closes or the lane is dropped; what was accepted is still done.
    pub(super) fn new<B: Batch<Item = T>>(
        batch: B,
        closing: watch::Receiver<bool>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), serve(batch, receiver, closing))
    }

    /// Returns when it is done.
    pub(super) async fn ask(&self, operation: &'static str, item: T) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let gone = || closed().during(operation);
        self.0.send(Call { item, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn serve<B: Batch>(
    batch: B,
    mut calls: mpsc::Receiver<Call<B::Item>>,
    mut closing: watch::Receiver<bool>,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    loop {
        let came = tokio::select! {
            came = calls.recv_many(&mut waiting, BATCH) => came,
            // What was accepted before this moment is still received, nothing more is accepted.
            _ = closing.wait_for(|closing| *closing), if !calls.is_closed() => {
                calls.close();
                continue;
            }
        };
        if came == 0 {
            return;
        }
        let (items, replies): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|Call { item, reply }| (item, reply)).unzip();
        match batch.run(&items).await {
            Ok(done) => answer(replies, done),
            Err(error) => {
                // Those who waited meanwhile have waited long enough for a server that is away.
                let late = std::iter::from_fn(|| calls.try_recv().ok()).take(WAITING).map(|call| call.reply);
                fail(replies.into_iter().chain(late), &error);
            }
        }
    }
}

fn answer(replies: Vec<oneshot::Sender<Result<()>>>, done: Vec<Result<()>>) {
    for (reply, done) in replies.into_iter().zip(done) {
        // A caller that went away does not want to know.
        let _ = reply.send(done);
    }
}

fn fail(replies: impl Iterator<Item = oneshot::Sender<Result<()>>>, error: &Error) {
    for reply in replies {
        let _ = reply.send(Err(error.copy()));
    }
}
