//! RabbitMQ: a quorum queue, persistent messages, publisher confirms, one acknowledgement each.

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{JOB, Place};

/// Messages that the consumer may hold.
const PREFETCH: u16 = 256;
/// A delivery mode that outlives a restart of the broker.
const PERSISTENT: u8 = 2;

async fn connect(place: &Place) -> Result<Connection> {
    let properties = ConnectionProperties::default().with_connection_name("agent-gateway bench".into());
    Connection::connect(place.url.as_str(), properties).await.context("connecting to RabbitMQ")
}

pub(super) async fn run(place: &Place, connections: u32, end: Instant) -> Result<u32> {
    let queue = format!("{}.bare", place.name);
    let (out, back) = (connect(place).await?, connect(place).await?);
    let consumer = back.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    consumer.queue_declare(queue.as_str().into(), durable, arguments).await.context("declaring the queue")?;
    let mut publishers = JoinSet::new();
    for _ in 0..connections {
        publishers.spawn(publish(out.create_channel().await?, queue.clone(), end));
    }
    let jobs = take(&consumer, &queue, end).await?;
    while let Some(published) = publishers.join_next().await {
        published.context("a publisher's task")??;
    }
    consumer.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    Ok(jobs)
}

async fn publish(channel: Channel, queue: String, end: Instant) -> Result<()> {
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    while Instant::now() < end {
        let (exchange, options) = ("".into(), BasicPublishOptions::default());
        let sent = channel.basic_publish(exchange, queue.as_str().into(), options, JOB, properties.clone());
        ensure!(sent.await?.await?.is_ack(), "the broker refused a message");
    }
    Ok(())
}

/// Takes and acknowledges until the end; answers how many.
async fn take(channel: &Channel, queue: &str, end: Instant) -> Result<u32> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (tag, options) = ("".into(), BasicConsumeOptions::default());
    let mut consumer = channel.basic_consume(queue.into(), tag, options, FieldTable::default()).await?;
    let mut jobs = 0;
    while let Ok(delivery) = timeout_at(end, consumer.next()).await {
        delivery.context("the consumer was cut off")??.ack(BasicAckOptions::default()).await?;
        jobs += 1;
    }
    Ok(jobs)
}

/// Deletes the queues and exchanges that the gateway makes of the name; one that is not there is no error.
pub(super) async fn sweep(place: &Place) -> Result<()> {
    let connection = connect(place).await?;
    let channel = connection.create_channel().await?;
    let name = &place.name;
    let delays = (0..=8).map(|power| format!("{name}.delay.{}", 4_u64.pow(power)));
    let others = [name.clone(), format!("{name}.dead-letter"), format!("{name}.bare")];
    for queue in others.into_iter().chain(delays) {
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    }
    for exchange in ["dlx", "cancel"] {
        let exchange = format!("{name}.{exchange}");
        channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await?;
    }
    connection.close(200, "OK".into()).await?;
    Ok(())
}
