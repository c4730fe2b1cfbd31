//! Connections: those that all calls share, and those on which somebody waits.
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use agent_gateway_core::{Error, Result};
use deadpool_redis::{
    Connection, Manager, Pool, Runtime,
    redis::{
        AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation,
        aio::{MultiplexedConnection, PubSub},
    },
};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    RedisConfig,
    error::{breaks_connection, convert, copy, is_gone, of_pool},
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take, but for one that is waited for.
const ANSWER: Duration = Duration::from_secs(3);

/// What is asked of the server.
pub(crate) enum Ask<'a> {
    /// A script.
    Script(&'a ScriptInvocation<'a>),
    /// A command.
    Command(&'a Cmd),
}

/// Which attempt an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The only one.
    First,
    /// The one after an attempt of which nobody knows whether it was done.
    Second,
}

/// How a call fails: the connection was gone, or anything else.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection went away; nobody knows whether the call was done.
    Gone(Error),
    /// Anything else.
    Other(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Gone(error) | Failure::Other(error) => error,
        }
    }
}

/// The connections of one process. Each of the pool's is shared by many calls, whose questions and answers follow each other
/// without waiting; one that fails is replaced by the next call.
pub(crate) struct Connections {
    pool: Pool,
    client: Client,
    lanes: Vec<Mutex<Lane>>,
    next: AtomicUsize,
}

#[derive(Default)]
struct Lane {
    connection: Option<Connection>,
    /// Counts the connections, so that nobody throws away the one after the one that failed.
    generation: u64,
    failed: Option<(Instant, Error)>,
}

impl Connections {
    pub(crate) fn new(config: &RedisConfig) -> Result<Self> {
        let failed = |error| convert("redis.open", error);
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        let manager = Manager::new_with_config(config.connection.clone(), timeouts).map_err(failed)?;
        let pool = Pool::builder(manager)
            .max_size(config.pool_size.get())
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT + CONNECT / 2))
            .recycle_timeout(Some(CONNECT))
            .build()
            .map_err(|error| Error::unexpected("the pool cannot be made").caused_by(error))?;
        let lanes = (0..config.pool_size.get()).map(|_| Mutex::default()).collect();
        let client = Client::open(config.connection.clone()).map_err(failed)?;
        Ok(Self { pool, client, lanes, next: AtomicUsize::new(0) })
    }

    /// Asks on any connection.
    pub(crate) async fn ask<T: FromRedisValue>(&self, operation: &'static str, ask: &Ask<'_>) -> Result<T> {
        self.ask_tracked(operation, ask).await.map(|(answer, _)| answer)
    }

    /// Asks on any connection, and says which attempt was answered: when the connection turns out to be gone, perhaps for
    /// long, the question is asked once more on another one.
    pub(crate) async fn ask_tracked<T: FromRedisValue>(
        &self,
        operation: &'static str,
        ask: &Ask<'_>,
    ) -> Result<(T, Attempt)> {
        let lane = self.next.fetch_add(1, Ordering::Relaxed) % self.lanes.len();
        match self.ask_once(operation, lane, ask).await {
            Ok(answer) => Ok((answer, Attempt::First)),
            Err(Failure::Gone(_)) => Ok((self.ask_once(operation, lane, ask).await?, Attempt::Second)),
            Err(Failure::Other(error)) => Err(error),
        }
    }

    /// Asks on the connection of this number, on which questions keep their order.
    pub(crate) async fn ask_once<T: FromRedisValue>(
        &self,
        operation: &'static str,
        lane: usize,
        ask: &Ask<'_>,
    ) -> Result<T, Failure> {
        let (mut connection, generation) = self.lane(operation, lane).await.map_err(Failure::Other)?;
        let answer: RedisResult<T> = match ask {
            Ask::Script(script) => script.invoke_async(&mut connection).await,
            Ask::Command(command) => command.query_async(&mut connection).await,
        };
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if breaks_connection(&error) {
                    self.discard(lane, generation).await;
                }
                let gone = is_gone(&error);
                let error = convert(operation, error);
                Err(if gone { Failure::Gone(error) } else { Failure::Other(error) })
            }
        }
    }

    async fn lane(&self, operation: &'static str, number: usize) -> Result<(MultiplexedConnection, u64)> {
        let asked = Instant::now();
        let Some(lane) = self.lanes.get(number) else {
            return Err(Error::unexpected("there is no connection of this number").during(operation));
        };
        let mut lane = lane.lock().await;
        if let Some(connection) = &lane.connection {
            return Ok((MultiplexedConnection::clone(connection), lane.generation));
        }
        // Those who waited for an attempt that failed do not each wait for one of their own.
        if let Some((_, error)) = lane.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(copy(error).during(operation));
        }
        match self.pool.get().await {
            Ok(connection) => {
                let shared = MultiplexedConnection::clone(&connection);
                lane.connection = Some(connection);
                lane.generation += 1;
                lane.failed = None;
                Ok((shared, lane.generation))
            }
            Err(error) => {
                let error = of_pool(operation, error);
                lane.failed = Some((Instant::now(), copy(&error)));
                Err(error)
            }
        }
    }

    async fn discard(&self, number: usize, generation: u64) {
        let Some(lane) = self.lanes.get(number) else { return };
        let mut lane = lane.lock().await;
        if lane.generation == generation {
            // Taken out of the pool, which would else hand it out again.
            lane.connection.take().map(Connection::take);
        }
    }

    /// A connection of its own on which an answer may be waited for.
    pub(crate) async fn waiting(&self) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        within(CONNECT * 2, self.client.get_multiplexed_async_connection_with_config(&config)).await
    }

    /// A connection of its own for messages.
    pub(crate) async fn messages(&self) -> RedisResult<PubSub> {
        within(CONNECT * 2, self.client.get_async_pubsub()).await
    }
}

/// The answer, or the error of one that did not come in time.
pub(crate) async fn within<T>(
    time: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    match tokio::time::timeout(time, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))),
    }
}
