//! Requests to stop from other processes.
use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::sync::broadcast;

use agent_gateway_core::id::ExecutionId;

use crate::{message::read_cancel, names::Names};

/// Subscribes this process: a queue of its own that goes with the connection.
pub(crate) async fn subscribe(channel: &Channel, names: &Names) -> lapin::Result<Consumer> {
    let mine = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), mine, FieldTable::default()).await?;
    let name = queue.name().clone();
    let exchange = names.cancel_exchange();
    let options = QueueBindOptions::default();
    channel.queue_bind(name.clone(), exchange, "".into(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(name, "".into(), options, FieldTable::default()).await
}

/// Passes on what others request, until the session ends. This process's own requests did not need the broker.
pub(crate) async fn hear(
    mut consumer: Consumer,
    process: String,
    listeners: broadcast::Sender<ExecutionId>,
) -> lapin::Result<()> {
    while let Some(delivery) = consumer.next().await {
        if let Some(id) = read_cancel(&delivery?, &process) {
            // An error only says that nobody listens.
            let _ = listeners.send(id);
        }
    }
    Ok(())
}
