//! A queue of its own for each test, gone afterwards.
use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use agent_gateway_core::{
    Result,
    clock::{Clock, SystemClock},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, LeaseRequest, Leased},
};
use agent_gateway_rabbitmq::{RabbitMqConfig, RabbitMqQueue};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::time::Instant;

pub(crate) const LONG: Duration = Duration::from_secs(120);
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Everything on the broker that belongs to one test. Dropping it deletes that, also when the test fails.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) name: String,
    /// A handle that still lives would make again what is deleted.
    handles: Mutex<Vec<Weak<RabbitMqQueue>>>,
}

impl World {
    pub(crate) fn new(url: String) -> Self {
        Self { url, name: format!("ag.test.{}", ExecutionId::generate()), handles: Mutex::default() }
    }

    pub(crate) fn config(&self) -> RabbitMqConfig {
        RabbitMqConfig::parse(&self.url).unwrap().queue_name(&self.name)
    }

    /// A prepared handle, as another process would have it.
    pub(crate) async fn open(&self) -> Arc<RabbitMqQueue> {
        self.through(&self.url).await
    }

    /// A prepared handle that goes another way to the same broker.
    pub(crate) async fn through(&self, url: &str) -> Arc<RabbitMqQueue> {
        let config = RabbitMqConfig::parse(url).unwrap().queue_name(&self.name);
        let queue = self.opened(config).await.unwrap();
        queue.prepare().await.unwrap();
        queue
    }

    /// A handle that is not prepared.
    pub(crate) async fn opened(&self, config: RabbitMqConfig) -> Result<Arc<RabbitMqQueue>> {
        let queue = Arc::new(RabbitMqQueue::open(config).await?);
        self.handles.lock().unwrap().push(Arc::downgrade(&queue));
        Ok(queue)
    }

    /// A channel to look at the broker without the queue.
    pub(crate) async fn channel(&self) -> (Connection, Channel) {
        channel(&self.url).await
    }

    /// How many messages wait in the queue with this ending, as soon as there are `wanted`.
    pub(crate) async fn messages(&self, ending: &str, wanted: u32) -> u32 {
        let (_connection, channel) = self.channel().await;
        let end = Instant::now() + PATIENCE;
        loop {
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
            let name = format!("{}{ending}", self.name);
            let queue = channel.queue_declare(name.into(), passive, FieldTable::default()).await.unwrap();
            if queue.message_count() == wanted || Instant::now() > end {
                return queue.message_count();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        let handles = std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                for handle in handles.iter().filter_map(Weak::upgrade) {
                    // Where the test's own runtime waits for this thread, the handle closes only afterwards.
                    let _ = tokio::time::timeout(Duration::from_secs(1), handle.close()).await;
                }
                let (connection, channel) = channel(&url).await;
                let delays = (0..=8).map(|power| format!("{name}.delay.{}", 4_u64.pow(power)));
                for queue in [name.clone(), format!("{name}.dead-letter")].into_iter().chain(delays) {
                    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
                }
                for exchange in ["dlx", "cancel"] {
                    let exchange = format!("{name}.{exchange}");
                    channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.unwrap();
                }
                connection.close(200, "OK".into()).await.unwrap();
            });
        });
        if cleaning.join().is_err() {
            eprintln!("the queues of {} could not be deleted", self.name);
        }
    }
}

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

pub(crate) fn job() -> Job {
    Job::new(ExecutionId::generate(), SystemClock.now())
}

pub(crate) fn ask(count: usize, wait: Duration) -> LeaseRequest {
    LeaseRequest { worker: "test".to_owned(), count, wait, visibility: LONG }
}

/// The one job that must come.
pub(crate) async fn next(queue: &RabbitMqQueue) -> Leased {
    let mut taken = queue.lease(ask(1, PATIENCE)).await.unwrap();
    assert_eq!(taken.len(), 1, "a job should come");
    taken.remove(0)
}

/// Waits until this much waits.
pub(crate) async fn depth_becomes(queue: &RabbitMqQueue, wanted: Depth) {
    let end = Instant::now() + PATIENCE;
    loop {
        let depth = queue.depth().await.unwrap();
        if depth == wanted {
            return;
        }
        assert!(Instant::now() < end, "the depth should become {wanted:?}, it stays {depth:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
