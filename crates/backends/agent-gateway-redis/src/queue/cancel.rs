//! Requests to stop, from the server's channel to every listener of this process.
use std::time::Duration;

use agent_gateway_core::id::ExecutionId;
use deadpool_redis::redis::{RedisResult, aio::PubSub};
use futures::{FutureExt, StreamExt, stream, stream::BoxStream};
use tokio::{
    sync::{broadcast, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use super::entry::read_cancel_message;
use crate::{Redis, connect::within};

/// How many requests a slow listener may lie behind before it misses some.
pub(super) const BUFFER: usize = 1024;
/// How often a silent connection is tried, and how long it may take to answer.
const PING: Duration = Duration::from_secs(15);
const PONG: Duration = Duration::from_secs(5);
/// The pauses between attempts to connect again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A request to stop. Those of this handle have a number, so that a listener can leave out the ones before it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    number: Option<u64>,
    id: ExecutionId,
}

/// Subscribes; from the answer on no message is missed.
pub(super) async fn subscribe(redis: &Redis, channel: &str) -> RedisResult<PubSub> {
    let mut messages = redis.inner.connections.messages().await?;
    within(PONG, messages.subscribe(channel)).await?;
    Ok(messages)
}

/// Listens until the queue closes, on one connection after the other.
pub(super) async fn listen(
    redis: Redis,
    channel: String,
    speaker: String,
    mut messages: PubSub,
    listeners: broadcast::Sender<Request>,
    mut closed: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            _ = closed.wait_for(|closed| *closed) => return,
            () = pass_on(messages, &speaker, &listeners) => {}
        }
        let mut pause = FIRST_PAUSE;
        messages = loop {
            match subscribe(&redis, &channel).await {
                Ok(messages) => break messages,
                Err(error) => {
                    tracing::debug!(%error, "requests to stop cannot be heard: Redis is away");
                }
            }
            tokio::select! {
                _ = closed.wait_for(|closed| *closed) => return,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        };
    }
}

/// Passes messages on until the connection is gone.
async fn pass_on(messages: PubSub, speaker: &str, listeners: &broadcast::Sender<Request>) {
    let (mut asking, mut messages) = messages.split();
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { return };
                let text = String::from_utf8_lossy(message.get_payload_bytes());
                match read_cancel_message(&text, speaker) {
                    // An error only says that nobody listens.
                    Some((number, id)) => drop(listeners.send(Request { number, id })),
                    None => tracing::debug!("a message that is no request to stop was left out"),
                }
            }
            _ = pings.tick() => {
                if within(PONG, asking.ping::<()>()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The requests of `receiver` but for those of this handle up to number `before`.
pub(super) fn stream(receiver: broadcast::Receiver<Request>, before: u64) -> BoxStream<'static, ExecutionId> {
    stream::unfold(receiver, move |mut receiver| {
        async move {
            loop {
                match receiver.recv().await {
                    Ok(Request { number: Some(number), .. }) if number <= before => {}
                    Ok(Request { id, .. }) => return Some((id, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        }
        .boxed()
    })
    .boxed()
}
