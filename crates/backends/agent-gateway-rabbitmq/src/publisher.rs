//! Publishing with confirms, many at a time.
//!
//! The broker confirms many messages of a channel with one answer, and the driver then cannot tell which of them came back
//! as unroutable. So each channel has one batch on its way, nobody is answered before the whole batch is confirmed, and the
//! returned ones are known by their ids. Several channels keep those who come later from waiting for a batch that they
//! missed.
use std::{
    collections::HashSet,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::{Error, Result};
use futures::{future::maybe_done, poll};
use lapin::{Acker, Channel, Confirmation, PublisherConfirm, options::BasicPublishOptions};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::{
    message::{Message, Routing},
    settler::{Deed, How, Settle, Told},
};

/// How many messages wait at most.
pub(crate) const WAITING: usize = 1024;
/// How many are on their way at once through one channel.
const BATCH: usize = 256;
/// How many channels there are.
pub(crate) const CHANNELS: usize = 4;
/// How long the broker may take to confirm a batch when it has not asked for patience.
const CONFIRM: Duration = Duration::from_secs(30);

/// A message to be published.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) message: Message,
    pub(crate) then: Then,
}

/// What follows once the broker has the message.
#[derive(Debug)]
pub(crate) enum Then {
    /// Telling somebody.
    Tell(oneshot::Sender<Result<()>>),
    /// Settling the job that the message is a copy of, then telling.
    Settle(Acker, oneshot::Sender<Result<()>>),
}

/// Whether the broker has asked publishers to wait.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocked(Arc<AtomicBool>);

impl Blocked {
    pub(crate) fn set(&self, blocked: bool) {
        self.0.store(blocked, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Publishes through one channel until the session ends.
pub(crate) async fn run(
    channel: Channel,
    blocked: Blocked,
    settler: mpsc::Sender<Settle>,
    messages: Arc<Mutex<mpsc::Receiver<Publish>>>,
) -> lapin::Result<()> {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let count = messages.lock().await.recv_many(&mut batch, BATCH).await;
        if count == 0 {
            return Ok(());
        }
        if blocked.get() {
            for publish in batch.drain(..) {
                answer(publish.then, Err(full()), &settler).await;
            }
            continue;
        }
        let confirmed = {
            let mut confirmed = Box::pin(publish_all(&channel, &batch));
            loop {
                match tokio::time::timeout(CONFIRM, &mut confirmed).await {
                    Ok(confirmed) => break confirmed?,
                    Err(_) if blocked.get() => {}
                    Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
                }
            }
        };
        let returned: HashSet<&str> = confirmed.iter().filter_map(returned_id).collect();
        let results: Vec<Result<()>> =
            batch.iter().zip(&confirmed).map(|(publish, how)| judge(publish, how, &returned)).collect();
        let missing = !returned.is_empty();
        for (publish, result) in batch.drain(..).zip(results) {
            answer(publish.then, result, &settler).await;
        }
        if missing {
            // The next session declares what is missing.
            return Err(std::io::Error::other("a queue is missing on the RabbitMQ server").into());
        }
    }
}

/// Sends all messages in their order, and waits for all confirms.
async fn publish_all(channel: &Channel, batch: &[Publish]) -> lapin::Result<Vec<Confirmation>> {
    let mut sending = Vec::with_capacity(batch.len());
    for publish in batch {
        let message = &publish.message;
        let options = BasicPublishOptions {
            mandatory: message.routing == Routing::Mandatory,
            ..BasicPublishOptions::default()
        };
        let sent = channel.basic_publish(
            message.exchange.clone(),
            message.routing_key.clone(),
            options,
            &message.payload,
            message.properties.clone(),
        );
        let mut sent = Box::pin(maybe_done(sent));
        // The first look puts the message on its way, so the next one comes after it.
        let _ = poll!(sent.as_mut());
        sending.push(sent);
    }
    let mut confirms: Vec<PublisherConfirm> = Vec::with_capacity(sending.len());
    for mut sent in sending {
        sent.as_mut().await;
        if let Some(confirm) = Pin::as_mut(&mut sent).take_output() {
            confirms.push(confirm?);
        }
    }
    let mut confirmed = Vec::with_capacity(confirms.len());
    for confirm in confirms {
        confirmed.push(confirm.await?);
    }
    Ok(confirmed)
}

fn returned_id(confirmation: &Confirmation) -> Option<&str> {
    let (Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message))) = confirmation else {
        return None;
    };
    Some(message.delivery.properties.message_id().as_ref()?.as_str())
}

fn judge(publish: &Publish, how: &Confirmation, returned: &HashSet<&str>) -> Result<()> {
    let id = publish.message.properties.message_id().as_ref();
    if id.is_some_and(|id| returned.contains(id.as_str())) {
        return Err(Error::unavailable("the queue is missing on the RabbitMQ server; it is created again")
            .during("rabbitmq.publish")
            .with("queue", &publish.message.routing_key));
    }
    match how {
        Confirmation::Ack(_) => Ok(()),
        Confirmation::Nack(_) => {
            Err(Error::rate_limited("the RabbitMQ server refused the job: the queue is full")
                .during("rabbitmq.publish")
                .with("queue", &publish.message.routing_key))
        }
        Confirmation::NotRequested => {
            Err(Error::unexpected("the RabbitMQ server was not asked to confirm").during("rabbitmq.publish"))
        }
    }
}

/// What publishers are told while the broker has no room.
fn full() -> Error {
    Error::unavailable("the RabbitMQ server takes no messages: it is short of memory or disk")
        .during("rabbitmq.publish")
}

async fn answer(then: Then, result: Result<()>, settler: &mpsc::Sender<Settle>) {
    // A copy that the broker did not take must not cost the original.
    let how = if result.is_ok() { How::Done } else { How::Again };
    let settle = match then {
        Then::Tell(somebody) => {
            // An error only says that nobody waits for the answer any more.
            let _ = somebody.send(result);
            return;
        }
        Then::Settle(acker, somebody) => {
            Settle { deed: Deed::Settle(acker, how), then: Told::This(somebody, result) }
        }
    };
    // An error only says that the session has ended: the broker has the job back.
    let _ = settler.send(settle).await;
}
