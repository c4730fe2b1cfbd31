//! The one connection of a queue that listens: for jobs that others accepted, and for requests to stop.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{Result, id::ExecutionId};
use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::watch;

use super::shared::Shared;
use crate::connect;

/// The first pause before a lost connection is tried again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// After this silence the connection is asked whether it still lives.
const SILENCE: Duration = Duration::from_secs(15);
/// How long that question may take.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Begins to listen.
pub(super) async fn connect(shared: &Shared) -> Result<PgListener> {
    // A pool of its own for each attempt: a connection that hangs takes no place from the next one.
    let pool = connect::listener_pool(&shared.member.config().connect);
    let listen = async {
        let mut listener = PgListener::connect_with(&pool).await?;
        // A loss must be seen, because of what was missed meanwhile.
        listener.eager_reconnect(false);
        listener.listen_all([shared.channels.jobs.as_str(), shared.channels.cancel.as_str()]).await?;
        Ok(listener)
    };
    connect::early("postgres.listen", listen).await
}

/// Listens until the queue closes, whatever becomes of the connection.
pub(super) async fn listen(shared: Arc<Shared>, listener: PgListener, mut closing: watch::Receiver<bool>) {
    tokio::select! {
        // An error says that the queue was dropped.
        _ = closing.wait_for(|closing| *closing) => {}
        () = keep_listening(&shared, listener) => {}
    }
}

async fn keep_listening(shared: &Shared, mut listener: PgListener) {
    loop {
        hear(shared, &mut listener).await;
        drop(listener);
        tracing::warn!("the connection that listens for jobs and cancellations is lost");
        let mut pause = FIRST_PAUSE;
        listener = loop {
            match connect(shared).await {
                Ok(listener) => break listener,
                Err(error) => tracing::debug!(error = ?error, "listening cannot begin again yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        tracing::info!("listening for jobs and cancellations again");
        // Of the jobs that came meanwhile nobody was told.
        shared.wake.notify_one();
    }
}

/// Returns when the connection is lost.
async fn hear(shared: &Shared, listener: &mut PgListener) {
    loop {
        match tokio::time::timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => tell(shared, &notification),
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {
                let alive = sqlx::query("SELECT 1").execute(&mut *listener);
                if !matches!(tokio::time::timeout(PING_TIMEOUT, alive).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

fn tell(shared: &Shared, notification: &PgNotification) {
    let payload = notification.payload();
    if notification.channel() == shared.channels.cancel {
        // An operator may name the id alone.
        let (id, instance) = payload.split_once(' ').unwrap_or((payload, ""));
        match ExecutionId::new(id) {
            Ok(id) if instance != shared.instance => shared.cancelled(id),
            Ok(_) => {}
            Err(error) => tracing::warn!(error = ?error, "a request to stop names no execution"),
        }
    } else if payload != shared.instance {
        shared.notice.notify_one();
    }
}
