//! All that belongs to one pair of connections. It ends as a whole.
//!
//! Jobs are taken through one connection and given through another: a broker that is short of memory stops reading from
//! those who publish, and acknowledgements must still get through.
use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use agent_gateway_core::{Error, Result, id::ExecutionId};
use futures::StreamExt;
use lapin::{Connection, ConnectionProperties, Event, options::ConfirmSelectOptions};
use tokio::sync::{Mutex, OnceCell, RwLock, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    RabbitMqConfig, cancel,
    desk::Desk,
    error::{at, convert},
    intake::Intake,
    names::Names,
    publisher::{self, Blocked, Publish},
    settler::{self, Settle, Shared},
    sweeper,
    task::spawn_until,
    topology::{self, Counts, Limit},
    version::{self, Version},
};

/// How long opening a connection may take in all.
const OPENING: Duration = Duration::from_secs(15);
/// How long the broker may take to say goodbye.
const CLOSING: Duration = Duration::from_secs(2);
/// How often a connection is looked at that says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The end of a session, and its reason.
#[derive(Debug, Default)]
pub(crate) struct End {
    token: CancellationToken,
    why: OnceLock<String>,
}

impl End {
    /// Ends the session; the first reason counts.
    fn because(&self, why: impl Into<String>) {
        let _ = self.why.set(why.into());
        self.token.cancel();
    }

    pub(crate) fn why(&self) -> String {
        self.why.get().cloned().unwrap_or_default()
    }
}

/// A pair of connections, and what is done through them once the queue is prepared.
pub(crate) struct Session {
    take: Connection,
    give: Connection,
    pub(crate) end: Arc<End>,
    blocked: Blocked,
    version: Version,
    work: OnceCell<Work>,
}

impl fmt::Debug for Session {
    /// What the driver shows of a connection includes the user's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("end", &self.end).field("work", &self.work).finish_non_exhaustive()
    }
}

/// The ways to the tasks of a session.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) desk: Arc<Desk>,
    pub(crate) publisher: mpsc::Sender<Publish>,
    pub(crate) settler: mpsc::Sender<Settle>,
}

/// What outlives the session and its tasks need.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) names: Names,
    pub(crate) prefetch: u16,
    pub(crate) process: String,
    pub(crate) listeners: broadcast::Sender<ExecutionId>,
}

impl Session {
    /// Connects, and tries whether the user may come in.
    pub(crate) async fn open(config: &RabbitMqConfig) -> Result<Arc<Self>> {
        let opening = async {
            let version = version::ask(&config.uri).await?;
            let take = connect(config, "takes").await?;
            let give = connect(config, "gives").await?;
            Ok((version, take, give))
        };
        let (version, take, give) = tokio::time::timeout(OPENING, opening)
            .await
            .unwrap_or_else(|_| {
                Err(Error::unavailable("the RabbitMQ server does not answer").during("rabbitmq.open"))
            })
            .map_err(|error| at(error, &config.place()))?;
        let (end, blocked, work) = (Arc::default(), Blocked::default(), OnceCell::new());
        let session = Self { take, give, end, blocked, version, work };
        session.watch(&session.take, Blocked::default());
        session.watch(&session.give, session.blocked.clone());
        Ok(Arc::new(session))
    }

    /// Declares what must be there, and starts to work the first time.
    pub(crate) async fn prepare(&self, config: &RabbitMqConfig, context: &Context) -> Result<()> {
        let failed = |error| convert("rabbitmq.prepare", error);
        let limit = if self.version.limits_deliveries() {
            declare_endless(config, &context.names).await?
        } else {
            Limit::Default
        };
        let channel = self.give.create_channel().await.map_err(failed)?;
        topology::declare(&channel, &context.names, limit).await?;
        self.work.get_or_try_init(|| Box::pin(self.start(context))).await.map_err(failed)?;
        Ok(())
    }

    /// What is done once the queue is prepared.
    pub(crate) fn work(&self, operation: &'static str) -> Result<&Work> {
        self.work.get().ok_or_else(|| {
            Error::unavailable("the queue is not prepared: call `prepare` first").during(operation)
        })
    }

    async fn start(&self, context: &Context) -> lapin::Result<Work> {
        let taking = self.take.create_channel().await?;
        let hearing = self.take.create_channel().await?;
        let requests = cancel::subscribe(&hearing, &context.names).await?;

        let desk = Arc::new(Desk::new(context.prefetch));
        let (settler, to_settle) = mpsc::channel::<Settle>(settler::WAITING);
        let (publisher, to_publish) = mpsc::channel::<Publish>(publisher::WAITING);
        let shared = Shared { channel: taking, prefetch: Arc::new(RwLock::new(())) };
        let (process, listeners) = (context.process.clone(), context.listeners.clone());
        self.run(async move {
            // The channel lives as long as somebody listens through it.
            let _hearing = hearing;
            cancel::hear(requests, process, listeners).await
        });
        self.run(settler::run(shared.clone(), to_settle));
        let to_publish = Arc::new(Mutex::new(to_publish));
        for _ in 0..publisher::CHANNELS {
            let giving = self.give.create_channel().await?;
            giving.confirm_select(ConfirmSelectOptions::default()).await?;
            self.run(publisher::run(giving, self.blocked.clone(), settler.clone(), to_publish.clone()));
        }
        self.run(sweeper::run(desk.clone(), settler.clone()));
        let intake =
            Intake { shared, desk: desk.clone(), queue: context.names.queue(), settler: settler.clone() };
        self.run(intake.run());
        Ok(Work { desk, publisher, settler })
    }

    /// Runs a part of the session. The session ends with any of its parts.
    fn run(&self, part: impl Future<Output = lapin::Result<()>> + Send + 'static) {
        let end = self.end.clone();
        spawn_until(self.end.token.clone(), async move {
            match part.await {
                Ok(()) => end.because("a part of the session ended"),
                Err(error) => end.because(error.to_string()),
            }
        });
    }

    fn watch(&self, connection: &Connection, blocked: Blocked) {
        let mut events = Box::pin(connection.events_listener());
        let status = connection.status().clone();
        let end = self.end.clone();
        spawn_until(self.end.token.clone(), async move {
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(Event::ConnectionBlocked(why)) => {
                            tracing::warn!(why, "the RabbitMQ server takes no messages");
                            blocked.set(true);
                        }
                        Some(Event::ConnectionUnblocked) => blocked.set(false),
                        Some(Event::Error(error)) => return end.because(error.to_string()),
                        Some(_) => {}
                        None => return end.because("the connection is closed"),
                    },
                    _ = look.tick() => if !status.connected() {
                        return end.because("the connection is closed");
                    },
                }
            }
        });
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.token.is_cancelled()
    }

    pub(crate) async fn ended(&self) {
        self.end.token.cancelled().await;
    }

    /// What the broker counts.
    pub(crate) async fn count(&self, names: &Names) -> lapin::Result<Counts> {
        let channel = self.take.create_channel().await?;
        let counts = topology::count(&channel, names).await?;
        // Nothing is lost with a channel that cannot be closed.
        let _ = channel.close(200, "OK".into()).await;
        Ok(counts)
    }

    /// Ends the session, and gives the broker back what is held.
    pub(crate) async fn close(&self) {
        self.end.because("the queue is closed");
        let closing = async {
            // A connection that is already broken needs no goodbye.
            let _ = self.give.close(200, "OK".into()).await;
            let _ = self.take.close(200, "OK".into()).await;
        };
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }
}

/// Declares the queue through a connection of its own: a refusal would end the session.
async fn declare_endless(config: &RabbitMqConfig, names: &Names) -> Result<Limit> {
    let failed = |error| convert("rabbitmq.prepare", error);
    let connection = tokio::time::timeout(OPENING, connect(config, "declares")).await.map_err(|_| {
        Error::unavailable("the RabbitMQ server does not answer").during("rabbitmq.prepare")
    })??;
    let channel = connection.create_channel().await.map_err(failed)?;
    let limit = topology::declare_endless(&channel, names).await;
    // Nothing is lost with a connection that cannot be closed.
    let _ = tokio::time::timeout(CLOSING, connection.close(200, "OK".into())).await;
    limit
}

/// Connects, and opens a channel: some servers refuse only then.
async fn connect(config: &RabbitMqConfig, does: &str) -> Result<Connection> {
    let failed = |error| convert("rabbitmq.open", error);
    let name = format!("agent-gateway, {does}: {}", config.queue_name);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connection = Connection::connect_uri(config.uri.clone(), properties).await.map_err(failed)?;
    let channel = connection.create_channel().await.map_err(failed)?;
    channel.close(200, "OK".into()).await.map_err(failed)?;
    Ok(connection)
}
