//! The port.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    capability::{BackendInfo, Durability, QueueCapability},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};
use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    RabbitMqConfig,
    desk::{after, lost},
    error::{at, closed, convert, cut},
    message::{Counted, MAX_PAYLOAD, Message},
    names::{LONGEST_DELAY, Names},
    publisher::{Publish, Then},
    session::{Context, Session, Work},
    settler::{Deed, How, Settle, Told},
    supervisor::{House, supervise},
    task::spawn,
};

/// How long a call waits for a session.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a call waits for the broker's answer.
const ANSWER: Duration = Duration::from_secs(10);
/// What is told when nobody knows whether a job was settled.
const BROKEN: &str = "the connection broke while the job was settled; it may be delivered again";
/// The shortest wait for jobs: asking the broker for them takes a moment.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
/// How many requests to stop a slow listener may lie behind before it misses some.
const CANCELLATIONS: usize = 1024;

/// A queue on a RabbitMQ server.
///
/// - `enqueue` answers once the broker has confirmed that it keeps the job. A queue that an operator has bounded with a
///   policy (`max-length` with `overflow: reject-publish`) answers `RateLimited` when it is full.
/// - `lease` takes a `wait` shorter than 100 ms for 100 ms.
/// - `extend` asks the broker for a sign of life, and `complete` answers once the broker has taken the acknowledgement.
/// - `release` that fails after its lease ended gives the job back at once.
/// - `depth` counts the leases of this process alone; the broker does not tell leases from jobs on their way.
/// - Calls wait up to 2 s for a broken connection and up to 10 s for an answer, then they are `Unavailable`.
///
/// Dropping it closes it. Its leases go back to the queue.
#[derive(Debug)]
pub struct RabbitMqQueue {
    house: Arc<House>,
}

impl RabbitMqQueue {
    /// Connects to the broker. What is needed there is made by [`prepare`](ExecutionQueue::prepare).
    ///
    /// A wrong password, an unknown virtual host, a wrong name or a server before 3.10 is `Misconfigured`; a server that does
    /// not answer is `Unavailable`.
    pub async fn open(config: RabbitMqConfig) -> Result<Self> {
        config.check()?;
        let context = Context {
            names: Names::new(&config.queue_name),
            prefetch: config.prefetch,
            process: Uuid::now_v7().to_string(),
            listeners: broadcast::Sender::new(CANCELLATIONS),
        };
        let session = Session::open(&config).await?;
        let house = Arc::new(House::new(config, context, session.clone()));
        spawn(supervise(house.clone(), session));
        Ok(Self { house })
    }

    fn names(&self) -> &Names {
        &self.house.context.names
    }

    async fn session(&self, operation: &'static str) -> Result<Arc<Session>> {
        self.house.session(operation, after(PATIENCE)).await
    }

    /// The session that a lease is held through. Without one, the lease is void.
    fn holding(&self, lease: &Lease, operation: &'static str) -> Result<Arc<Session>> {
        self.house.current(operation)?.ok_or_else(|| lost(lease, operation))
    }

    /// Publishes a message and waits until the broker has it.
    async fn publish(&self, message: Message, operation: &'static str) -> Result<()> {
        let session = self.session(operation).await?;
        let (told, answer) = oneshot::channel();
        let end = after(ANSWER);
        let publisher = &session.work(operation)?.publisher;
        let way = reserve(publisher, end, operation).await?;
        way.send(Publish { message, then: Then::Tell(told) });
        wait(answer, end, operation, "the connection broke before the RabbitMQ server had the message").await
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if self.house.closing.is_cancelled() { Err(closed(operation)) } else { Ok(()) }
    }
}

impl Drop for RabbitMqQueue {
    fn drop(&mut self) {
        self.house.closing.cancel();
    }
}

/// Ends a lease, and waits until the broker has heard of it.
async fn settle(work: &Work, lease: &Lease, how: How, operation: &'static str) -> Result<()> {
    let end = after(ANSWER);
    let way = reserve(&work.settler, end, operation).await?;
    let arrived = work.desk.settle(lease, operation)?;
    let (told, answer) = oneshot::channel();
    way.send(Settle { deed: Deed::Settle(arrived.acker, how), then: Told::This(told, Ok(())) });
    wait(answer, end, operation, BROKEN).await
}

/// A place in the line of a task. Between having it and using it nothing is awaited.
async fn reserve<'a, T>(
    line: &'a mpsc::Sender<T>,
    end: Instant,
    operation: &'static str,
) -> Result<mpsc::Permit<'a, T>> {
    match tokio::time::timeout_at(end, line.reserve()).await {
        Ok(Ok(way)) => Ok(way),
        Ok(Err(_)) => Err(cut(operation, "the connection to the RabbitMQ server broke")),
        Err(_) => Err(cut(operation, "the RabbitMQ server does not keep up")),
    }
}

/// The answer of a task, or why there is none.
async fn wait(
    answer: oneshot::Receiver<Result<()>>,
    end: Instant,
    operation: &'static str,
    broken: &'static str,
) -> Result<()> {
    match tokio::time::timeout_at(end, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(cut(operation, broken)),
        Err(_) => Err(cut(operation, "the RabbitMQ server does not answer; it may still do what was asked")),
    }
}

#[async_trait]
impl ExecutionQueue for RabbitMqQueue {
    fn info(&self) -> BackendInfo {
        let place = format!("{} ({})", self.house.config.place(), self.house.config.queue_name);
        BackendInfo::new("rabbitmq", place, Durability::Durable)
    }

    fn capability(&self) -> QueueCapability {
        QueueCapability::new(Durability::Durable, LONGEST_DELAY, MAX_PAYLOAD)
    }

    async fn prepare(&self) -> Result<()> {
        let session = self.session("rabbitmq.prepare").await?;
        self.house.prepare(&session).await.map_err(|error| at(error, &self.house.config.place()))
    }

    async fn enqueue(&self, job: &Job) -> Result<()> {
        let message = Message::ready(self.names(), &Counted { job: job.clone(), deliveries: 0 })?;
        self.publish(message, "rabbitmq.enqueue").await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        const OPERATION: &str = "rabbitmq.lease";
        if request.count == 0 {
            return self.check_open(OPERATION).map(|()| Vec::new());
        }
        let end = after(request.wait.max(SHORTEST_WAIT));
        loop {
            let session = self.house.session(OPERATION, after(PATIENCE)).await?;
            let desk = &session.work(OPERATION)?.desk;
            tokio::select! {
                biased;
                () = session.ended() => {}
                taken = desk.ask(request.count).wait(request.visibility, end) => return Ok(taken),
            }
        }
    }

    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        const OPERATION: &str = "rabbitmq.extend";
        let session = self.holding(lease, OPERATION)?;
        let work = session.work(OPERATION)?;
        work.desk.look(lease, OPERATION)?;
        // A broker that cannot be heard may have given the job to somebody else by now.
        let end = after(ANSWER);
        let way = reserve(&work.settler, end, OPERATION).await?;
        let (told, answer) = oneshot::channel();
        way.send(Settle { deed: Deed::Ask, then: Told::This(told, Ok(())) });
        wait(answer, end, OPERATION, "the connection broke; its leases are void").await?;
        work.desk.extend(lease, by, OPERATION)
    }

    async fn complete(&self, lease: Lease) -> Result<()> {
        const OPERATION: &str = "rabbitmq.complete";
        let session = self.holding(&lease, OPERATION)?;
        settle(session.work(OPERATION)?, &lease, How::Done, OPERATION).await
    }

    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
        const OPERATION: &str = "rabbitmq.release";
        let session = self.holding(&lease, OPERATION)?;
        if let Redelivery::After(delay) = again
            && delay > LONGEST_DELAY
        {
            return Err(Error::unsupported("the delay of the redelivery is too long")
                .during(OPERATION)
                .with("delay in seconds", delay.as_secs())
                .with("longest", LONGEST_DELAY.as_secs()));
        }
        let work = session.work(OPERATION)?;
        let counted = work.desk.look(&lease, OPERATION)?;
        // A copy carries its count, because the broker begins to count anew.
        let copy = match &again {
            Redelivery::Now => return settle(work, &lease, How::Again, OPERATION).await,
            Redelivery::After(delay) => Message::delayed(self.names(), &counted, *delay)?,
            Redelivery::Dead(reason) => Message::dead(self.names(), &counted, reason)?,
        };
        let end = after(ANSWER);
        let way = reserve(&work.publisher, end, OPERATION).await?;
        let arrived = work.desk.settle(&lease, OPERATION)?;
        let (told, answer) = oneshot::channel();
        way.send(Publish { message: copy, then: Then::Settle(arrived.acker, told) });
        wait(answer, end, OPERATION, BROKEN).await
    }

    async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
        let message = Message::cancel(self.names(), id, &self.house.context.process);
        self.publish(message, "rabbitmq.request_cancel").await?;
        // The listeners of this process hear it here: the broker's copy could reach one that begins to listen only later.
        let _ = self.house.context.listeners.send(id.clone());
        Ok(())
    }

    fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
        let next = |mut listener: broadcast::Receiver<ExecutionId>| async move {
            loop {
                match listener.recv().await {
                    Ok(id) => return Some((id, listener)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        };
        let closing = self.house.closing.clone().cancelled_owned();
        stream::unfold(self.house.context.listeners.subscribe(), next).take_until(closing).boxed()
    }

    async fn depth(&self) -> Result<Depth> {
        const OPERATION: &str = "rabbitmq.depth";
        let session = self.session(OPERATION).await?;
        let (waiting, leased) = session.work(OPERATION)?.desk.counts();
        let counts = tokio::time::timeout(ANSWER, session.count(self.names()))
            .await
            .map_err(|_| cut(OPERATION, "the RabbitMQ server does not answer"))?
            .map_err(|error| at(convert(OPERATION, error), &self.house.config.place()))?;
        Ok(Depth { ready: counts.ready + waiting, delayed: counts.delayed, leased, dead: counts.dead })
    }

    async fn close(&self) -> Result<()> {
        self.house.closing.cancel();
        self.house.closed().await;
        Ok(())
    }
}
