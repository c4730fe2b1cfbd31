//! One session after another.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::{Error, Result};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    RabbitMqConfig,
    error::closed,
    session::{Context, Session},
    task::spawn,
};

/// The first pause before connecting again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before connecting again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Whether there is a session.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// There is.
    Up(Arc<Session>),
    /// The last one ended, or none could be begun, for this reason.
    Away(String),
    /// There will never be one again.
    Closed,
}

/// What the queue and its supervisor share.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) config: RabbitMqConfig,
    pub(crate) context: Context,
    /// Cancelled when the queue is closed or dropped.
    pub(crate) closing: CancellationToken,
    state: watch::Sender<State>,
    prepared: AtomicBool,
}

impl House {
    pub(crate) fn new(config: RabbitMqConfig, context: Context, session: Arc<Session>) -> Self {
        Self {
            config,
            context,
            closing: CancellationToken::new(),
            state: watch::Sender::new(State::Up(session)),
            prepared: AtomicBool::new(false),
        }
    }

    /// The session, as soon as there is one; `Unavailable` when there is none until then.
    pub(crate) async fn session(&self, operation: &'static str, until: Instant) -> Result<Arc<Session>> {
        let mut states = self.state.subscribe();
        loop {
            if self.closing.is_cancelled() {
                return Err(closed(operation));
            }
            let why = match &*states.borrow_and_update() {
                State::Up(session) if session.has_ended() => session.end.why(),
                State::Up(session) => return Ok(session.clone()),
                State::Away(why) => why.clone(),
                State::Closed => return Err(closed(operation)),
            };
            tokio::select! {
                _ = states.changed() => {}
                () = self.closing.cancelled() => {}
                () = tokio::time::sleep_until(until) => {
                    return Err(Error::unavailable("the RabbitMQ server is away; the connection is being restored")
                        .during(operation)
                        .with("server", self.config.place())
                        .caused_by(why));
                }
            }
        }
    }

    /// The session that leases are held through, if it lives.
    pub(crate) fn current(&self, operation: &'static str) -> Result<Option<Arc<Session>>> {
        if self.closing.is_cancelled() {
            return Err(closed(operation));
        }
        match &*self.state.borrow() {
            State::Up(session) if !session.has_ended() => Ok(Some(session.clone())),
            State::Up(_) | State::Away(_) => Ok(None),
            State::Closed => Err(closed(operation)),
        }
    }

    /// Prepares this session, and every later one.
    pub(crate) async fn prepare(&self, session: &Session) -> Result<()> {
        session.prepare(&self.config, &self.context).await?;
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }

    /// Waits until the last session is closed.
    pub(crate) async fn closed(&self) {
        let mut states = self.state.subscribe();
        // An error only says that nobody can change the state any more.
        let _ = states.wait_for(|state| matches!(state, State::Closed)).await;
    }

    async fn again(&self) -> Result<Arc<Session>> {
        let session = Session::open(&self.config).await?;
        if self.prepared.load(Ordering::Acquire)
            && let Err(error) = session.prepare(&self.config, &self.context).await
        {
            session.close().await;
            return Err(error);
        }
        Ok(session)
    }

    /// Begins a session again and again, with growing pauses; nothing when the queue is closed meanwhile.
    async fn restore(&self) -> Option<Arc<Session>> {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = self.closing.run_until_cancelled(Box::pin(self.again())).await?;
            match begun {
                Ok(session) => return Some(session),
                Err(error) => {
                    tracing::warn!(error = ?error, "the connection to the RabbitMQ server is not back yet");
                    self.state.send_replace(State::Away(error.to_string()));
                }
            }
            self.closing.run_until_cancelled(tokio::time::sleep(pause)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Keeps a session up until the queue is closed or dropped.
pub(crate) async fn supervise(house: Arc<House>, mut session: Arc<Session>) {
    loop {
        tokio::select! {
            biased;
            () = house.closing.cancelled() => break,
            () = session.ended() => {}
        }
        let why = session.end.why();
        tracing::warn!(why, "the connection to the RabbitMQ server broke; its leases are void");
        house.state.send_replace(State::Away(why));
        // A broken connection may take its time to say goodbye; the next one does not wait for it.
        let broken = session;
        spawn(async move { broken.close().await });
        let Some(next) = house.restore().await else {
            house.state.send_replace(State::Closed);
            return;
        };
        tracing::info!("the connection to the RabbitMQ server is back");
        house.state.send_replace(State::Up(next.clone()));
        session = next;
    }
    session.close().await;
    house.state.send_replace(State::Closed);
}
