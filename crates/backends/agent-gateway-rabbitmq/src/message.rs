//! Jobs and requests to stop as messages.
use std::time::Duration;

use agent_gateway_core::{Error, Result, id::ExecutionId, ports::queue::Job};
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::names::{Names, delay_for};

/// The largest job in bytes of JSON.
pub(crate) const MAX_PAYLOAD: usize = 256 * 1024;
/// What a job's message says it is. A newer shape gets another word, so that nobody misreads it.
const JOB: &str = "agent-gateway.job.v1";
/// What a request to stop says it is.
const CANCEL: &str = "agent-gateway.cancel.v1";
/// How often a job was handed out before this message was written.
const DELIVERIES: &str = "agw-deliveries";
/// Why a job was given up.
const REASON: &str = "agw-reason";
/// How often a quorum queue took a message back.
const BROKER_DELIVERIES: &str = "x-delivery-count";
/// The longest reason in bytes.
const MAX_REASON: usize = 1024;
/// Kept through a restart of the broker.
const PERSISTENT: u8 = 2;

/// A message and where it goes.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) routing: Routing,
    pub(crate) payload: Vec<u8>,
    pub(crate) properties: BasicProperties,
}

/// What it means that nobody gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// It is lost, so its publisher must hear of it.
    Mandatory,
    /// Nothing.
    Optional,
}

/// A job and how often it was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) job: Job,
    pub(crate) deliveries: u32,
}

impl Message {
    /// A job that can be taken at once.
    pub(crate) fn ready(names: &Names, counted: &Counted) -> Result<Self> {
        Self::job("", names.queue(), counted, FieldTable::default())
    }

    /// A job that waits first. The delay must not be over the longest.
    pub(crate) fn delayed(names: &Names, counted: &Counted, delay: Duration) -> Result<Self> {
        let queue = names.delay_queue(delay_for(delay));
        let mut message = Self::job("", queue, counted, FieldTable::default())?;
        // Rounded up: a job may come late, never early.
        let millis = delay.as_nanos().div_ceil(1_000_000).to_string();
        message.properties = message.properties.with_expiration(millis.into());
        Ok(message)
    }

    /// A job that was given up.
    pub(crate) fn dead(names: &Names, counted: &Counted, reason: &str) -> Result<Self> {
        let mut headers = FieldTable::default();
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        headers.insert(REASON.into(), AMQPValue::LongString(reason.into()));
        Self::job(names.dead_exchange(), names.queue(), counted, headers)
    }

    fn job(
        exchange: impl Into<ShortString>,
        routing_key: ShortString,
        counted: &Counted,
        mut headers: FieldTable,
    ) -> Result<Self> {
        let payload = serde_json::to_vec(&counted.job).map_err(|error| {
            Error::unexpected("a job cannot be written as JSON").during("rabbitmq.message").caused_by(error)
        })?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::too_large("the job is too large")
                .during("rabbitmq.message")
                .with("bytes", payload.len())
                .with("limit", MAX_PAYLOAD));
        }
        headers.insert(DELIVERIES.into(), AMQPValue::LongLongInt(counted.deliveries.into()));
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_type(JOB.into())
            .with_message_id(counted.job.execution_id.as_str().into())
            .with_headers(headers);
        Ok(Self { exchange: exchange.into(), routing_key, routing: Routing::Mandatory, payload, properties })
    }

    /// A request to stop from the process with this name.
    pub(crate) fn cancel(names: &Names, id: &ExecutionId, process: &str) -> Self {
        Self {
            exchange: names.cancel_exchange(),
            routing_key: "".into(),
            routing: Routing::Optional,
            payload: id.as_str().as_bytes().to_vec(),
            properties: BasicProperties::default()
                .with_content_type("text/plain".into())
                .with_type(CANCEL.into())
                .with_app_id(process.into()),
        }
    }
}

/// Reads a job; `deliveries` includes this delivery. `Invalid` when it is none of ours.
pub(crate) fn read_job(delivery: &Delivery) -> Result<Counted> {
    let wrong = |message| Error::invalid(message).during("rabbitmq.message");
    let properties = &delivery.properties;
    if let Some(kind) = properties.kind().as_ref().filter(|kind| kind.as_str() != JOB) {
        let shown: String = kind.as_str().chars().take(80).collect();
        return Err(wrong("the message is not a job that this version can read").with("type", shown));
    }
    if delivery.data.len() > MAX_PAYLOAD {
        return Err(wrong("the message is too large for a job"));
    }
    let job = serde_json::from_slice(&delivery.data)
        .map_err(|error| wrong("the message holds no job").caused_by(error))?;
    let count = |name: &str| {
        let headers = properties.headers().as_ref()?;
        headers.inner().get(name).and_then(number)
    };
    let before = count(DELIVERIES).unwrap_or(0).saturating_add(count(BROKER_DELIVERIES).unwrap_or(0));
    let deliveries = u32::try_from(before.saturating_add(1)).unwrap_or(u32::MAX);
    Ok(Counted { job, deliveries })
}

/// Reads the request of another process; nothing when it is this one's own or none.
pub(crate) fn read_cancel(delivery: &Delivery, process: &str) -> Option<ExecutionId> {
    let own = delivery.properties.app_id().as_ref().is_some_and(|sender| sender.as_str() == process);
    if own {
        return None;
    }
    ExecutionId::new(std::str::from_utf8(&delivery.data).ok()?).ok()
}

fn number(value: &AMQPValue) -> Option<u64> {
    match value {
        AMQPValue::ShortShortInt(number) => u64::try_from(*number).ok(),
        AMQPValue::ShortShortUInt(number) => Some((*number).into()),
        AMQPValue::ShortInt(number) => u64::try_from(*number).ok(),
        AMQPValue::ShortUInt(number) => Some((*number).into()),
        AMQPValue::LongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongUInt(number) => Some((*number).into()),
        AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}
