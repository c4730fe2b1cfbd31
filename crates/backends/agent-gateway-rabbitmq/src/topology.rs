//! Queues and exchanges on the broker.
use agent_gateway_core::{Error, Result};
use futures::future::{join_all, try_join_all};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{
    error::convert,
    names::{Names, delays},
};

/// How many dead jobs are kept; the oldest ones go first.
const MAX_DEAD: i64 = 10_000;
/// How often a job may come back to its queue.
const LIMIT: &str = "x-delivery-limit";

const DURABLE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};
const PASSIVE: QueueDeclareOptions = QueueDeclareOptions { passive: true, ..DURABLE };

/// How often the broker lets a job come back before it gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As often as it does by itself: the queue is yet to be declared.
    Default,
    /// Without end: the queue is declared so.
    Lifted,
}

/// Creates the queue without a limit of deliveries, for servers that have one. A queue that was made before its server had
/// one cannot change: it is left as it is. On a channel of its own: a refusal closes the channel.
pub(crate) async fn declare_endless(channel: &Channel, names: &Names) -> Result<Limit> {
    let mut arguments = ready(names);
    arguments.insert(LIMIT.into(), AMQPValue::LongLongInt(-1));
    let declared = channel.queue_declare(names.queue(), DURABLE, arguments).await;
    match declared {
        Ok(_) => Ok(Limit::Lifted),
        Err(error) if refusal(&error).is_some_and(|text| text.contains(LIMIT)) => {
            tracing::warn!(
                queue = %names.queue(),
                "the queue is older than its RabbitMQ 4 server, which gives a job up that comes back 20 times: delete the \
                 queue once it is empty, or set a policy with a high delivery-limit"
            );
            Ok(Limit::Default)
        }
        Err(error) => Err(differs(error, &names.queue())),
    }
}

/// Creates what is not there, on a channel of its own: a refusal closes the channel.
pub(crate) async fn declare(channel: &Channel, names: &Names, limit: Limit) -> Result<()> {
    declare_exchange(channel, names.dead_exchange(), ExchangeKind::Direct).await?;
    declare_exchange(channel, names.cancel_exchange(), ExchangeKind::Fanout).await?;
    let dead = [
        ("x-queue-type", text("quorum")),
        ("x-max-length", AMQPValue::LongLongInt(MAX_DEAD)),
        ("x-overflow", text("drop-head")),
    ];
    declare_queue(channel, names.dead_queue(), table(dead)).await?;
    let bound = channel.queue_bind(
        names.dead_queue(),
        names.dead_exchange(),
        names.queue(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.map_err(|error| convert("rabbitmq.prepare", error))?;
    if limit == Limit::Default {
        declare_queue(channel, names.queue(), ready(names)).await?;
    }
    let delayed = delays().map(|seconds| {
        let arguments = [
            ("x-queue-type", text("quorum")),
            // A job leaves only when the next queue has it, which the broker offers only for a queue that refuses when full.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-message-ttl", AMQPValue::LongLongInt(i64::try_from(seconds * 1000).unwrap_or(i64::MAX))),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(names.queue().as_str())),
        ];
        declare_queue(channel, names.delay_queue(seconds), table(arguments))
    });
    // Answers come in the order of the questions, so the first error is the cause of the others.
    join_all(delayed).await.into_iter().collect::<Result<Vec<()>>>().map(drop)
}

/// What the broker counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) ready: u64,
    pub(crate) delayed: u64,
    pub(crate) dead: u64,
}

/// Counts the messages that nobody holds.
pub(crate) async fn count(channel: &Channel, names: &Names) -> lapin::Result<Counts> {
    let delays = delays().map(|seconds| names.delay_queue(seconds));
    let queues = [names.queue(), names.dead_queue()].into_iter().chain(delays);
    let asked = queues.map(|queue| channel.queue_declare(queue, PASSIVE, FieldTable::default()));
    let counts = try_join_all(asked).await?;
    let mut counts = counts.iter().map(|queue| u64::from(queue.message_count()));
    let (ready, dead) = (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
    Ok(Counts { ready, dead, delayed: counts.sum() })
}

/// What the queue of the jobs that can be taken is made with.
fn ready(names: &Names) -> FieldTable {
    table([
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", text(names.dead_exchange().as_str())),
        ("x-dead-letter-routing-key", text(names.queue().as_str())),
    ])
}

async fn declare_queue(channel: &Channel, name: ShortString, arguments: FieldTable) -> Result<()> {
    let declared = channel.queue_declare(name.clone(), DURABLE, arguments).await;
    declared.map(drop).map_err(|error| differs(error, &name))
}

async fn declare_exchange(channel: &Channel, name: ShortString, kind: ExchangeKind) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(name.clone(), kind, options, FieldTable::default()).await;
    declared.map_err(|error| differs(error, &name))
}

/// Why something cannot be made that exists, or not so.
fn refusal(error: &lapin::Error) -> Option<&str> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(protocol) => {
            let failed = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
            (*protocol.kind() == failed).then(|| protocol.get_message().as_str())
        }
        _ => None,
    }
}

/// Says what to do about a name that is taken by something else, such as the classic queue of another gateway.
fn differs(error: lapin::Error, name: &ShortString) -> Error {
    if refusal(&error).is_none() {
        return convert("rabbitmq.prepare", error).with("name", name);
    }
    Error::misconfigured(
        "a queue or an exchange of this name exists with other properties: delete it once it is empty, or choose another \
         queue_name",
    )
    .during("rabbitmq.prepare")
    .with("name", name)
    .caused_by(error)
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn table<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert(name.into(), value);
    }
    table
}
