//! Gateways that share a store and a queue whose jobs outlive them.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use agent_gateway_core::{
    Error, Result, Timestamp,
    capability::{BackendInfo, Durability, QueueCapability},
    clock::{Clock, SystemClock},
    execution::{Advanced, Execution, ExecutionQuery, ExecutionStatus, Fence, Mode, Transition},
    id::{AgentId, ExecutionId, IdempotencyKey, InstanceId, ModelName},
    in_process::{InProcessQueue, InProcessStore},
    page::PageRequest,
    ports::{
        persistence::{ExecutionStore, PersistenceBackend},
        queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
    },
    principal::Principal,
};
use agent_gateway_runtime::{
    Authenticator, CancelOutcome, Gateway, Limits, Ports, Recipe, Snapshot, Submitted,
};
use agent_gateway_testkit::{
    saboteur::{Sabotage, Saboteur},
    scripted::{Reply, ScriptedModel},
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::task::JoinSet;

use crate::world::{NoFiles, Source, agent, request, user};

/// A queue in this process that several gateways share, as if it were a server.
#[derive(Debug, Default)]
struct Broker {
    jobs: InProcessQueue,
    /// Whether nothing can be put in.
    away: AtomicBool,
}

#[async_trait]
impl ExecutionQueue for Broker {
    fn info(&self) -> BackendInfo {
        self.jobs.info()
    }
    fn capability(&self) -> QueueCapability {
        let inner = self.jobs.capability();
        QueueCapability::new(Durability::Durable, inner.longest_delay, inner.max_payload)
    }
    async fn prepare(&self) -> Result<()> {
        self.jobs.prepare().await
    }
    async fn enqueue(&self, job: &Job) -> Result<()> {
        if self.away.load(SeqCst) {
            return Err(Error::unavailable("the queue is away"));
        }
        self.jobs.enqueue(job).await
    }
    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        self.jobs.lease(request).await
    }
    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        self.jobs.extend(lease, by).await
    }
    async fn complete(&self, lease: Lease) -> Result<()> {
        self.jobs.complete(lease).await
    }
    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
        self.jobs.release(lease, again).await
    }
    async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
        self.jobs.request_cancel(id).await
    }
    fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
        self.jobs.cancellations()
    }
    async fn depth(&self) -> Result<Depth> {
        self.jobs.depth().await
    }
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

struct Cluster {
    store: Arc<dyn PersistenceBackend>,
    queue: Arc<Broker>,
    model: Arc<ScriptedModel>,
}

impl Cluster {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::on(Arc::new(InProcessStore::default()), replies)
    }

    fn on(store: Arc<dyn PersistenceBackend>, replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { store, queue: Arc::default(), model: Arc::new(ScriptedModel::new(replies)) }
    }

    /// A member with so many workers.
    async fn member(&self, workers: usize) -> Gateway {
        let source = Source::with([agent("helper")]);
        let ports = Ports::open(
            Arc::new(source.clone()),
            self.model.clone(),
            self.store.clone(),
            self.queue.clone() as Arc<dyn ExecutionQueue>,
        );
        let recipe = Recipe::new(ModelName::new("scripted/one").unwrap(), Arc::new(NoFiles));
        let snapshot = Snapshot::read(&source, &recipe).await.unwrap();
        let limits = Limits { workers, ..Limits::default() };
        Gateway::start(ports.await.unwrap(), recipe, snapshot, Authenticator::open(), limits)
    }

    async fn stored(&self, id: &ExecutionId) -> Execution {
        let everything = Principal::system().visibility();
        self.store.executions().get(id, &everything).await.unwrap().unwrap()
    }

    /// Looks until it is so. The store has no events.
    async fn until(&self, id: &ExecutionId, so: impl Fn(&Execution) -> bool) -> Execution {
        loop {
            let execution = self.stored(id).await;
            if so(&execution) {
                return execution;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ended(&self, id: &ExecutionId) -> Execution {
        self.until(id, |execution| execution.status.is_final()).await
    }

    /// An execution that `instance` created `age` ago.
    async fn waiting(&self, instance: Option<&str>, age: Duration) -> Execution {
        let at = SystemClock.now() - jiff_duration(age);
        let mut execution =
            Execution::new(ExecutionId::generate(), AgentId::new("helper").unwrap(), "hello", at);
        execution.instance = instance.map(|name| InstanceId::new(name).unwrap());
        execution.options.departure = agent_gateway_core::execution::Departure::Detaches;
        self.store.executions().create(&execution).await.unwrap();
        execution
    }
}

fn jiff_duration(age: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(age).unwrap()
}

async fn queued(gateway: &Gateway) -> Execution {
    match gateway.executions().submit(request("helper", "hello").mode(Mode::Detach)).await.unwrap() {
        Submitted::Queued(execution) => *execution,
        other => panic!("it ran at once: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_handed_out_twice_runs_once() {
    let cluster = Cluster::new([Reply::text("once").after(Duration::from_secs(30)), Reply::text("twice")]);
    let (first, second) = (cluster.member(1).await, cluster.member(1).await);
    let execution = queued(&first).await;
    cluster.model.wait_for_requests(1).await;
    let again = Job::new(execution.id.clone(), execution.created_at);
    for _ in 0..3 {
        cluster.queue.enqueue(&again).await.unwrap();
    }
    let ended = cluster.ended(&execution.id).await;
    assert_eq!((ended.status, ended.fence), (ExecutionStatus::Completed, Fence(1)));
    assert_eq!(cluster.model.requests().len(), 1);
    // The jobs too many find their execution ended, and go.
    while cluster.queue.depth().await.unwrap() != Depth::default() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_has_accepted_is_its_own_after_a_moment() {
    let cluster = Cluster::new([]);
    let gateway = cluster.member(0).await;
    let execution = queued(&gateway).await;
    let waiting = cluster.until(&execution.id, |execution| execution.instance.is_none()).await;
    assert_eq!(waiting.status, ExecutionStatus::Queued);
    let last = queued(&gateway).await;
    gateway.stop_intake();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(cluster.stored(&last.id).await.instance.is_some(), "a stopped task writes nothing");
    gateway.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_execution_whose_gateway_died_before_it_was_queued_runs() {
    let cluster = Cluster::new([Reply::text("all the same")]);
    let execution = cluster.waiting(Some("gone"), Duration::ZERO).await;
    let _gateway = cluster.member(1).await;
    assert_eq!(cluster.ended(&execution.id).await.status, ExecutionStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_the_queue_has_lost_is_queued_again() {
    let cluster = Cluster::new([Reply::text("found")]);
    let lost = cluster.waiting(None, Duration::from_secs(120)).await;
    let _gateway = cluster.member(1).await;
    let ended = cluster.ended(&lost.id).await;
    assert_eq!((ended.status, ended.fence), (ExecutionStatus::Completed, Fence(1)));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_still_has_jobs_has_lost_none() {
    let cluster = Cluster::new([]);
    let waiting = cluster.waiting(None, Duration::from_secs(120)).await;
    cluster.queue.enqueue(&Job::new(waiting.id.clone(), waiting.created_at)).await.unwrap();
    let _gateway = cluster.member(0).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(cluster.queue.depth().await.unwrap().ready, 1);
}

/// A store that is away when executions are started, so many times.
#[derive(Debug)]
struct Away(AtomicU32);

#[async_trait]
impl Sabotage for Away {
    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        let left = self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        if left.is_ok() {
            return Err(Error::unavailable("the store is away"));
        }
        inner.advance(id, fence, change).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_long_costs_no_execution() {
    let store = Saboteur::new(Arc::new(InProcessStore::default()), Away(AtomicU32::new(12)));
    let cluster = Cluster::on(Arc::new(store), [Reply::text("at last")]);
    let gateway = cluster.member(1).await;
    let execution = queued(&gateway).await;
    let ended = cluster.ended(&execution.id).await;
    assert_eq!((ended.status, ended.fence), (ExecutionStatus::Completed, Fence(1)));
}

/// A store that does what it is told and answers that it is away, the first time each.
#[derive(Debug, Default)]
struct LosesAnswers {
    created: AtomicU32,
    started: AtomicU32,
}

#[async_trait]
impl Sabotage for LosesAnswers {
    async fn create(&self, inner: &dyn ExecutionStore, execution: &Execution) -> Result<()> {
        inner.create(execution).await?;
        match self.created.fetch_add(1, SeqCst) {
            0 => Err(Error::unavailable("nobody knows what became of it")),
            _ => Ok(()),
        }
    }

    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        let advanced = inner.advance(id, fence, change).await?;
        match (change, self.started.fetch_add(1, SeqCst)) {
            (Transition::Start { .. }, 0) => Err(Error::unavailable("nobody knows what became of it")),
            _ => Ok(advanced),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_was_lost_leaves_nothing_that_waits_for_ever() {
    let store = Saboteur::new(Arc::new(InProcessStore::default()), LosesAnswers::default());
    let cluster = Cluster::on(Arc::new(store), [Reply::text("all the same"), Reply::text("too")]);
    let gateway = cluster.member(1).await;
    let refused = gateway.executions().submit(request("helper", "hello").mode(Mode::Detach)).await;
    refused.unwrap_err();
    let everything = Principal::system().visibility();
    let page = PageRequest::first(10);
    let stored =
        cluster.store.executions().list(&ExecutionQuery::default(), &everything, page).await.unwrap().items;
    let ended = cluster.ended(&stored[0].id).await;
    assert_eq!(ended.status, ExecutionStatus::Completed);
    assert_eq!(cluster.model.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_whose_queue_was_away_gets_the_execution_that_runs_when_it_is_back() {
    let cluster = Cluster::new([Reply::text("once")]);
    let gateway = cluster.member(1).await;
    let executions = gateway.executions();
    let keyed = || {
        let request = request("helper", "hello").mode(Mode::Detach);
        executions.submit(request.idempotency_key(IdempotencyKey::new("k").unwrap()))
    };
    cluster.queue.away.store(true, SeqCst);
    keyed().await.unwrap_err();
    cluster.queue.away.store(false, SeqCst);
    let Submitted::Queued(execution) = keyed().await.unwrap() else { panic!("not queued") };
    assert_eq!(cluster.ended(&execution.id).await.status, ExecutionStatus::Completed);
    assert_eq!(cluster.model.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_nobody_has_heard_of_for_long_keeps_its_own_executions() {
    let cluster = Cluster::new([Reply::text("still here").after(Duration::from_secs(45))]);
    let gateway = cluster.member(1).await;
    let mut waiting = JoinSet::new();
    let executions = gateway.executions();
    waiting.spawn(async move { executions.submit(request("helper", "hello")).await });
    cluster.model.wait_for_requests(1).await;
    // As after a time in which the store was away, so that nobody could say anything.
    let long_ago = SystemClock.now() - jiff_duration(Duration::from_secs(600));
    for (instance, _) in cluster.store.executions().instances().await.unwrap() {
        cluster.store.executions().announce(&instance, long_ago).await.unwrap();
    }
    let _other = cluster.member(1).await;
    match waiting.join_next().await.unwrap().unwrap().unwrap() {
        Submitted::Finished(done) => assert_eq!(done.outcome.raw_text, "still here"),
        other => panic!("not finished: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_stands_although_the_execution_is_between_two_attempts() {
    let cluster = Cluster::new([Reply::hang()]);
    let gateway = cluster.member(1).await;
    let execution = queued(&gateway).await;
    cluster.model.wait_for_requests(1).await;
    let outcome = gateway.executions().cancel(&execution.id, &user("ann", &[])).await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    // It is stored when it is answered.
    assert_eq!(cluster.stored(&execution.id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_another_process_took_over_is_left_to_it() {
    let cluster = Cluster::new([Reply::text("too late").after(Duration::from_secs(30))]);
    let gateway = cluster.member(1).await;
    let execution = queued(&gateway).await;
    cluster.model.wait_for_requests(1).await;
    let other = InstanceId::new("elsewhere|1|other").unwrap();
    let executions = cluster.store.executions();
    executions.announce(&other, Timestamp::MAX).await.unwrap();
    let start = Transition::Start { fence: Fence(2), instance: Some(other.clone()), at: SystemClock.now() };
    assert_eq!(executions.advance(&execution.id, Fence(1), &start).await.unwrap(), Advanced::Applied);
    while cluster.queue.depth().await.unwrap() != Depth::default() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let left = cluster.stored(&execution.id).await;
    assert_eq!((left.status, left.fence, left.instance), (ExecutionStatus::Running, Fence(2), Some(other)));
}
