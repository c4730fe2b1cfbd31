//! The running gateway.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::Result;
use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::info_span;

use crate::{
    Authenticator, Catalogue, Executions, Ports, Recipe, Snapshot,
    running::Running,
    tasks::{Drained, TaskSet},
    worker,
};

/// Runs agents until it is shut down. Protocols take its handles; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    authenticator: Authenticator,
}

/// How much the gateway takes on at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Executions under way in this process.
    pub max_running: usize,
    /// Workers for queued executions.
    pub workers: usize,
    /// How long a worker holds a job before it must say that it is alive.
    pub visibility: Duration,
    /// How long a shutdown waits for executions under way.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_running: 4096,
            workers: 4,
            visibility: Duration::from_secs(300),
            drain: Duration::from_secs(30),
        }
    }
}

/// What the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) recipe: Recipe,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) running: Running,
    pub(crate) tasks: TaskSet,
    pub(crate) cancel_all: CancellationToken,
    pub(crate) reloading: Mutex<()>,
    pub(crate) limits: Limits,
}

impl Gateway {
    /// Reads the definitions and starts the workers.
    pub async fn start(
        ports: Ports,
        recipe: Recipe,
        authenticator: Authenticator,
        limits: Limits,
    ) -> Result<Self> {
        let snapshot = Snapshot::new(ports.definitions.read().await?, &recipe);
        let shared = Arc::new(Shared {
            ports,
            recipe,
            snapshot: ArcSwap::from_pointee(snapshot),
            running: Running::default(),
            tasks: TaskSet::default(),
            cancel_all: CancellationToken::new(),
            reloading: Mutex::new(()),
            limits,
        });
        for number in 0..limits.workers {
            let worker = worker::work(shared.clone(), format!("worker-{number}"), limits.visibility);
            shared.tasks.spawn(info_span!("worker", number), worker);
        }
        shared.tasks.spawn(info_span!("cancellations"), worker::listen_for_cancellations(shared.clone()));
        Ok(Self { shared, authenticator })
    }

    /// Submits, reads and cancels executions.
    #[must_use]
    pub fn executions(&self) -> Executions {
        Executions(self.shared.clone())
    }

    /// Reads agents, skills, tools and health.
    #[must_use]
    pub fn catalogue(&self) -> Catalogue {
        Catalogue(self.shared.clone())
    }

    /// Tells who a caller is.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Takes nothing new, waits for what is under way, cancels what takes too long, and closes the backends. Safe to repeat.
    pub async fn shutdown(&self) -> Result<()> {
        let shared = &self.shared;
        shared.tasks.stopping().cancel();
        if shared.tasks.drain(shared.limits.drain).await == Drained::TimedOut {
            tracing::warn!(tasks = shared.tasks.len(), "executions are still under way and are cancelled");
            shared.cancel_all.cancel();
            shared.tasks.drain(Duration::from_secs(5)).await;
        }
        shared.ports.queue.close().await?;
        shared.ports.persistence.close().await
    }
}
