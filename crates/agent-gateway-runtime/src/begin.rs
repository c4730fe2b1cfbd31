//! The first moments of an execution that runs here: it is stored, and it begins.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    execution::{Execution, ExecutionQuery, ExecutionStatus, Outcome},
    id::ConversationId,
    page::PageRequest,
    principal::Principal,
};
use agent_gateway_engine::AgentPlan;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Refusal,
    attempt::Attempt,
    gateway::Shared,
    recovery::Care,
    run::run,
    running::Seat,
    scene::{Scene, Stage},
    settings::UserSettings,
    unrun::{end_unrun, failed},
};

/// How long a turn waits for another one of its conversation that another process runs.
const TURN_WAIT: Duration = Duration::from_secs(60);
/// How often it looks.
const TURN_PAUSE: Duration = Duration::from_millis(250);

/// An execution that is not stored yet.
pub(crate) struct Beginning {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plan: Arc<AgentPlan>,
    pub(crate) execution: Execution,
    pub(crate) scene: Scene,
    pub(crate) settings: UserSettings,
    pub(crate) seat: Seat,
    /// Hears whether it is stored.
    pub(crate) told: oneshot::Sender<Result<(), Refusal>>,
    /// Fires when nobody wants it to be stored any more.
    pub(crate) left: CancellationToken,
}

impl Beginning {
    /// Stores the execution and runs it to its end. An end that could not be stored is looked after later.
    pub(crate) async fn run(self) -> Result<Arc<Outcome>> {
        let care = Care::of(&self.shared, self.execution.id.clone());
        let is_stored = CancellationToken::new();
        let ended = match &self.scene {
            // The key may turn out to be taken, and then the model must not have been asked.
            _ if self.execution.idempotency.is_some() => self.store_and_run(is_stored.clone()).await,
            // The application is told of nothing that is not stored.
            _ if !self.shared.recipe.hooks.is_empty() => self.store_and_run(is_stored.clone()).await,
            Scene::Conversation(dialogue) if dialogue.stage == Stage::Stored => {
                self.store_and_run(is_stored.clone()).await
            }
            _ => self.run_while_storing(is_stored.clone()).await,
        };
        // A write whose answer was lost may have happened, so that an execution that seems not to be stored is cared for too.
        care.over(&ended);
        ended
    }

    /// Asks the model while the store is writing: neither needs the other. Nothing is recorded and nobody is told anything
    /// before the execution is stored; when that fails, the run is dropped.
    async fn run_while_storing(self, is_stored: CancellationToken) -> Result<Arc<Outcome>> {
        let Self { shared, plan, execution, scene, settings, seat, told, .. } = self;
        let failed = CancellationToken::new();
        let (record, stored) = (scene.clone_without_history(), execution.clone());
        // Boxed, so that what it holds is gone once the execution is stored.
        let storing = Box::pin(async {
            let (record, stored) = (record, stored);
            let answer = record.store(&shared.ports, &stored).await;
            match answer {
                Ok(()) => {
                    is_stored.cancel();
                    drop(told.send(Ok(())));
                }
                Err(error) => {
                    failed.cancel();
                    drop(told.send(Err(error.into())));
                }
            }
        });
        let attempt = Attempt::first(plan, execution, scene, settings, is_stored.clone());
        // Boxed, because a future that is moved takes its room twice.
        let running = failed.run_until_cancelled(Box::pin(run(&shared, attempt, &seat)));
        let ((), ended) = tokio::join!(storing, running);
        ended.unwrap_or_else(|| Err(not_begun()))
    }

    async fn store_and_run(self, is_stored: CancellationToken) -> Result<Arc<Outcome>> {
        let Self { shared, plan, execution, scene, settings, seat, told, left } = self;
        let scene = match claim(&shared, &execution, scene, &left).await {
            Ok(scene) => scene,
            Err(refusal) => {
                drop(told.send(Err(refusal)));
                return Err(not_begun());
            }
        };
        is_stored.cancel();
        drop(told.send(Ok(())));
        let attempt = Attempt::first(plan, execution, scene, settings, is_stored);
        Box::pin(run(&shared, attempt, &seat)).await
    }
}

/// Stores an execution. A turn whose conversation has one under way elsewhere waits for that, and then reads what it said.
async fn claim(
    shared: &Shared,
    execution: &Execution,
    scene: Scene,
    left: &CancellationToken,
) -> Result<Scene, Refusal> {
    let until = Instant::now() + TURN_WAIT;
    while let Err(error) = scene.store(&shared.ports, execution).await {
        let session = execution.session_id.as_ref().filter(|_| error.kind() == ErrorKind::Conflict);
        let Some(session) = session else { return Err(error.into()) };
        // Nobody knows how long a person takes.
        if Instant::now() >= until || rests(shared, session).await? {
            return Err(Refusal::SessionBusy(session.clone()));
        }
        if left.run_until_cancelled(tokio::time::sleep(TURN_PAUSE)).await.is_none() {
            return Err(Error::new(ErrorKind::Cancelled, "nobody waits for this turn any more").into());
        }
    }
    let read = match &scene {
        Scene::Conversation(dialogue) if dialogue.stage == Stage::Stored => {
            scene.catch_up(&shared.ports, execution, shared.limits.max_history).await
        }
        _ => Ok(Some(scene)),
    };
    let refusal = match read {
        Ok(Some(scene)) => return Ok(scene),
        Ok(None) => Refusal::SessionNotFound(
            execution.session_id.as_ref().map(ConversationId::to_string).unwrap_or_default(),
        ),
        Err(error) => error.into(),
    };
    // The turn is this execution's: it must not stay so.
    end_unrun(shared, execution, failed("the turn could not begin")).await?;
    Err(refusal)
}

/// Whether the turn that a session has under way waits for a person.
async fn rests(shared: &Shared, session: &ConversationId) -> Result<bool> {
    let query = ExecutionQuery {
        session_id: Some(session.clone()),
        status: Some(ExecutionStatus::Suspended),
        ..ExecutionQuery::default()
    };
    let everything = Principal::system().visibility();
    let executions = shared.ports.persistence.executions();
    Ok(!executions.list(&query, &everything, PageRequest::first(1)).await?.items.is_empty())
}

fn not_begun() -> Error {
    Error::unavailable("the execution was not begun")
}
