//! What protocols read: agents, skills, tools, health.
use std::sync::Arc;

use agent_gateway_core::{Result, diagnostic::Severity};
use serde::Serialize;

use crate::{
    Snapshot,
    gateway::{Alive, Shared},
};

/// Reads the current snapshot and the state of the gateway. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Catalogue {
    pub(crate) shared: Arc<Shared>,
    pub(crate) _alive: Arc<Alive>,
}

/// Whether everything of the workspace is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It is.
    Ok,
    /// Something is left out; `check` says what.
    Degraded,
}

/// The state of the workspace, as `GET /v1/health` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether everything is served.
    pub status: HealthStatus,
    /// Agents served.
    pub agent_count: usize,
    /// Skills served.
    pub skill_count: usize,
    /// Tools served.
    pub tool_count: usize,
    /// Findings that keep something from being served.
    pub error_count: usize,
    /// Other findings.
    pub warning_count: usize,
}

/// Whether the gateway can do its work now, dependency by dependency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Readiness {
    /// The database.
    pub persistence: DependencyState,
    /// The queue.
    pub queue: DependencyState,
    /// Whether new work is taken.
    pub intake: DependencyState,
}

/// The state of one dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyState {
    /// It answers.
    Ok,
    /// It does not.
    Down,
}

impl Readiness {
    /// Whether everything answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        [self.persistence, self.queue, self.intake].iter().all(|state| *state == DependencyState::Ok)
    }
}

impl Catalogue {
    /// What is served at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// The state of the workspace.
    #[must_use]
    pub fn health(&self) -> Health {
        health(&self.shared.snapshot.load())
    }

    /// Asks every dependency.
    pub async fn readiness(&self) -> Readiness {
        let (persistence, queue) =
            futures::future::join(self.shared.ports.persistence.ping(), self.shared.ports.queue.depth())
                .await;
        let intake = if self.shared.tasks.stopping().is_cancelled() {
            DependencyState::Down
        } else {
            DependencyState::Ok
        };
        Readiness {
            persistence: state("persistence", persistence),
            queue: state("queue", queue.map(drop)),
            intake,
        }
    }

    /// Reads the workspace again and swaps the snapshot. Executions under way keep theirs; when nothing can be read, so does the gateway.
    pub async fn reload(&self) -> Result<Health> {
        let _one_at_a_time = self.shared.reloading.lock().await;
        let snapshot = Snapshot::read(&*self.shared.ports.definitions, &self.shared.recipe).await?;
        let health = health(&snapshot);
        for finding in &snapshot.definitions().diagnostics {
            tracing::warn!(%finding, "found while the workspace was read again");
        }
        self.shared.snapshot.store(Arc::new(snapshot));
        Ok(health)
    }
}

fn state(name: &str, answer: Result<()>) -> DependencyState {
    match answer {
        Ok(()) => DependencyState::Ok,
        Err(error) => {
            tracing::debug!(dependency = name, error = ?error, "dependency is down");
            DependencyState::Down
        }
    }
}

fn health(snapshot: &Snapshot) -> Health {
    let definitions = snapshot.definitions();
    let error_count = definitions.error_count();
    Health {
        status: if error_count == 0 { HealthStatus::Ok } else { HealthStatus::Degraded },
        agent_count: snapshot.agents().len(),
        skill_count: definitions.skills.len(),
        tool_count: snapshot.tools().len(),
        error_count,
        warning_count: definitions
            .diagnostics
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
            .count(),
    }
}
