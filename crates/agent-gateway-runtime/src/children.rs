//! The runs that a run delegates to.
use std::{fmt, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    execution::{Execution, ExecutionRequest, Lineage, Mode, Origin, Outcome, RunOptions, StopReason},
    id::{ExecutionId, IdempotencyKey, UserId},
    principal::{AuthMethod, Principal, Scopes},
};
use agent_gateway_engine::{Child, ChildEnd, Delegator};
use async_trait::async_trait;
use tracing::info_span;

use crate::{
    Completed, Events, Executions, Refusal, Submitted,
    events::Bond,
    gateway::{Alive, Shared},
};

/// What the keys of delegated runs begin with; no caller's key may.
pub(crate) const KEY_PREFIX: &str = "delegation:";

/// Starts the children of one execution, by the same door as every other run.
pub(crate) struct Children {
    shared: Arc<Shared>,
    parent: ExecutionId,
    root: ExecutionId,
    depth: u32,
    owner: Option<UserId>,
}

impl Children {
    pub(crate) fn of(shared: &Arc<Shared>, parent: &Execution) -> Self {
        Self {
            shared: shared.clone(),
            parent: parent.id.clone(),
            root: parent.root_execution_id.clone().unwrap_or_else(|| parent.id.clone()),
            depth: parent.delegation_depth,
            owner: parent.user_id.clone(),
        }
    }

    /// What became of the child with this key, `None` when there is none yet.
    async fn begun_before(&self, key: &IdempotencyKey) -> Result<Option<ChildEnd>> {
        let store = self.shared.ports.persistence.executions();
        let Some(child) = store.find_by_key(key, self.owner.as_ref()).await? else { return Ok(None) };
        let id = child.id.clone();
        let outcome = match child.result.filter(|_| child.status.is_final()) {
            Some(result) => Arc::new(serde_json::from_value(result).map_err(|error| {
                Error::unexpected("the end of a delegated run cannot be read")
                    .with("execution", &id)
                    .caused_by(error)
            })?),
            None => Events::whole(&self.shared, &Alive::detached(), id.clone(), Bond::Free).outcome().await?,
        };
        Ok(Some(end(id, outcome)))
    }

    fn executions(&self) -> Executions {
        Executions { shared: self.shared.clone(), alive: Alive::detached() }
    }

    /// On whose behalf a child runs: its parent's owner. That they may invoke the parent was settled there, and that the parent
    /// may delegate to the child is its author's word.
    fn principal(&self) -> Principal {
        match &self.owner {
            Some(owner) => Principal::user(owner.clone(), AuthMethod::System, Scopes::all()),
            None => Principal::system(),
        }
    }
}

impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children").field("parent", &self.parent).finish_non_exhaustive()
    }
}

#[async_trait]
impl Delegator for Children {
    async fn delegate(&self, child: Child) -> Result<ChildEnd> {
        let Child { agent, message, input, guardrails, key } = child;
        let key = IdempotencyKey::new(format!("{KEY_PREFIX}{key}"))?;
        let lineage = Lineage { parent: self.parent.clone(), root: self.root.clone(), depth: self.depth + 1 };
        let request = ExecutionRequest::new(agent, message, self.principal(), Origin::Delegation(lineage))
            .input(input)
            .mode(Mode::Wait)
            .options(RunOptions { guardrails, ..RunOptions::default() })
            .idempotency_key(key.clone());
        // The key keeps the child when its parent's process goes away; whoever drops this call wants it to end.
        let guard = StopChild { children: self, key: Some(key.clone()) };
        // What an earlier attempt began is waited for, whatever its agent has come to since.
        if let Some(end) = self.begun_before(&key).await? {
            guard.disarm();
            return Ok(end);
        }
        let end = match self.executions().submit(request).await {
            Ok(Submitted::Finished(Completed { execution_id, outcome, .. })) => end(execution_id, outcome),
            Ok(_) => ChildEnd::Refused("the run was not waited for".to_owned()),
            // It may run on when the store is back: the guard sees to it that it does not.
            Err(Refusal::Failed(error)) => return Err(error),
            Err(refusal) => ChildEnd::Refused(refusal.to_string()),
        };
        guard.disarm();
        Ok(end)
    }
}

fn end(child: ExecutionId, outcome: Arc<Outcome>) -> ChildEnd {
    match outcome.stop_reason {
        StopReason::Suspended => ChildEnd::Rests(child),
        _ => ChildEnd::Ended(outcome),
    }
}

/// Stops a child when the call that waits for it is dropped: its parent was cancelled, or its time is up. A gateway that
/// stops leaves both to whoever goes on with them.
struct StopChild<'a> {
    children: &'a Children,
    key: Option<IdempotencyKey>,
}

impl StopChild<'_> {
    fn disarm(mut self) {
        self.key = None;
    }
}

impl Drop for StopChild<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let shared = &self.children.shared;
        if shared.running.is_stopping() {
            return;
        }
        let (executions, owner) = (self.children.executions(), self.children.owner.clone());
        let span = info_span!("stop delegated run", parent = %self.children.parent);
        shared.tasks.spawn(span, async move {
            let store = executions.shared.ports.persistence.executions();
            let stopped = match store.find_by_key(&key, owner.as_ref()).await {
                Ok(Some(child)) if !child.status.is_final() => {
                    executions.cancel(&child.id, &Principal::system()).await.map(drop)
                }
                found => found.map(drop),
            };
            if let Err(error) = stopped {
                tracing::warn!(error = ?error, "a delegated run could not be stopped; it ends by its own limits");
            }
        });
    }
}
