//! Consumers: as many jobs are invited as somebody waits for, and no more.
//!
//! A consumer's prefetch is fixed when it begins, and quorum queues know no shared one. So each wish that is not yet met
//! gets a consumer with just that prefetch. In steady work none comes and none goes: a worker that settles its job makes
//! room for its next one. When less is wanted for a while, all consumers end and what nobody wants is given back.
use std::sync::Arc;

use futures::{
    FutureExt, StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use lapin::{
    message::Delivery,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::sync::mpsc;

use crate::{
    desk::{Arrived, Desk, Plan, after},
    message::read_job,
    settler::{How, Settle, Shared},
};

/// How long a job may be held before the broker takes it back, in milliseconds: 24 hours. Its own default is 30 minutes.
const HELD: i64 = 24 * 60 * 60 * 1000;

/// What comes through a consumer.
enum Item {
    Came(u64, Box<lapin::Result<Delivery>>),
    /// The broker says no more comes.
    Ended(u64),
}

/// Invites and takes in jobs.
pub(crate) struct Intake {
    pub(crate) shared: Shared,
    pub(crate) desk: Arc<Desk>,
    pub(crate) queue: ShortString,
    pub(crate) settler: mpsc::Sender<Settle>,
}

type Consumers = SelectAll<BoxStream<'static, Item>>;

impl Intake {
    /// Works until the session ends.
    pub(crate) async fn run(self) -> lapin::Result<()> {
        let mut consumers = Consumers::new();
        let mut tags = Vec::new();
        loop {
            let until = match self.desk.plan() {
                Plan::Invite(count) => {
                    tags.push(self.invite(count, &mut consumers).await?);
                    continue;
                }
                Plan::Recall => {
                    self.recall(&mut tags, &mut consumers).await?;
                    continue;
                }
                Plan::Rest => after(std::time::Duration::MAX),
                Plan::RestUntil(until) => until,
            };
            tokio::select! {
                Some(item) = consumers.next(), if !consumers.is_empty() => {
                    let mut items = vec![item];
                    // What came through different consumers is put in order once all of them are empty.
                    while let Some(Some(item)) = consumers.next().now_or_never() {
                        items.push(item);
                    }
                    self.accept(items).await?;
                }
                () = self.desk.changed.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    async fn invite(&self, count: u16, consumers: &mut Consumers) -> lapin::Result<ShortString> {
        let _mine = self.shared.prefetch.write().await;
        let channel = &self.shared.channel;
        channel.basic_qos(count, BasicQosOptions::default()).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-consumer-timeout".into(), AMQPValue::LongLongInt(HELD));
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(self.queue.clone(), "".into(), options, arguments).await?;
        let (tag, generation) = (consumer.tag(), self.desk.generation());
        let came = consumer.map(move |delivery| Item::Came(generation, Box::new(delivery)));
        consumers.push(came.chain(stream::once(async move { Item::Ended(generation) })).boxed());
        self.desk.invited(count);
        Ok(tag)
    }

    async fn recall(&self, tags: &mut Vec<ShortString>, consumers: &mut Consumers) -> lapin::Result<()> {
        self.desk.recall();
        for tag in tags.drain(..) {
            self.shared.channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
        }
        // The broker has said that no more comes, so every consumer ends once it is empty.
        let mut items = Vec::new();
        while let Some(item) = consumers.next().await {
            items.push(item);
        }
        self.accept(items).await?;
        for arrived in self.desk.surplus() {
            // An error only says that the session has ended: the broker has the job back.
            let _ = self.settler.send(Settle::silently(arrived.acker, How::Unused)).await;
        }
        Ok(())
    }

    /// Takes in what came, in the order in which the broker sent it.
    async fn accept(&self, items: Vec<Item>) -> lapin::Result<()> {
        let mut deliveries = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Came(generation, delivery) => deliveries.push((generation, (*delivery)?)),
                // Consumers that were asked to end are of an earlier generation.
                Item::Ended(generation) if generation < self.desk.generation() => {}
                Item::Ended(_) => return Err(ended()),
            }
        }
        deliveries.sort_unstable_by_key(|(_, delivery)| delivery.delivery_tag);
        let mut jobs = Vec::with_capacity(deliveries.len());
        for (generation, delivery) in deliveries {
            match read_job(&delivery) {
                Ok(counted) => jobs.push(Arrived { acker: delivery.acker, counted, generation }),
                Err(error) => {
                    tracing::error!(queue = %self.queue, error = ?error, "a message that is no job goes to the dead ones");
                    let refused = Settle::silently(delivery.acker, How::Refuse);
                    // An error only says that the session has ended: the broker has the message back.
                    let _ = self.settler.send(refused).await;
                }
            }
        }
        self.desk.arrive(jobs);
        Ok(())
    }
}

/// The broker ends a consumer when its queue is deleted.
fn ended() -> lapin::Error {
    std::io::Error::other("the RabbitMQ server ended the consumer; the queue may have been deleted").into()
}
