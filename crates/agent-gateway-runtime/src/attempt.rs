//! One attempt to run an execution: whether there may be another one, and what it goes on from.
use std::sync::Arc;

use agent_gateway_core::{
    Result,
    execution::{
        Advanced, Cursor, Departure, Execution, ExecutionStatus, Fence, LogEntry, LogEvent, Outcome,
        Transition,
    },
    ports::model::Delivery,
};
use agent_gateway_engine::{AgentPlan, Past};
use tokio_util::sync::CancellationToken;

use crate::{
    Refusal, approvals,
    gateway::Shared,
    scene::Scene,
    settings::{self, UserSettings},
    unrun::{failed, log},
};

/// Everything that an attempt needs.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// The agent, as it is in a snapshot.
    pub(crate) plan: Arc<AgentPlan>,
    /// The record, with the fence under which this attempt writes.
    pub(crate) execution: Execution,
    /// The conversation.
    pub(crate) scene: Scene,
    /// The user's settings of a personal agent, as they were when this attempt began.
    pub(crate) settings: UserSettings,
    /// What earlier attempts got done.
    pub(crate) past: Past,
    /// Where the log of earlier attempts ends.
    pub(crate) last: Cursor,
    /// What was decided since then about calls that waited for a person; the past knows it, the log does not yet.
    pub(crate) settled: Vec<LogEvent>,
    /// Fires once the execution is stored. Until then nothing is recorded, and nothing with an effect happens.
    pub(crate) stored: CancellationToken,
}

/// Whether an execution that nobody runs is run.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is, by this attempt.
    Run(Box<Attempt>),
    /// It ends like this.
    End(Box<Outcome>),
}

impl Attempt {
    /// The first attempt.
    pub(crate) fn first(
        plan: Arc<AgentPlan>,
        execution: Execution,
        scene: Scene,
        settings: UserSettings,
        stored: CancellationToken,
    ) -> Self {
        Self {
            plan,
            execution,
            scene,
            settings,
            past: Past::default(),
            last: Cursor::START,
            settled: Vec::new(),
            stored,
        }
    }

    /// Whether something happened before this attempt.
    pub(crate) fn is_first(&self) -> bool {
        self.execution.fence == Fence::NONE.next()
    }
}

/// Whether somebody may still want the end of an execution whose process went away.
pub(crate) fn is_awaited(execution: &Execution) -> bool {
    execution.options.departure == Departure::Detaches
        || execution.options.delivery == Delivery::Incremental
        || execution.idempotency.is_some()
}

/// Whose attempt it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// Of this process.
    Here,
    /// Another process was first, or it has ended.
    ByAnother,
}

/// Starts a new attempt in the store. From here on no earlier one can write.
pub(crate) async fn start(shared: &Shared, execution: &mut Execution) -> Result<Started> {
    let ports = &shared.ports;
    let (fence, at) = (execution.fence.next(), ports.clock.now());
    let instance = Some(ports.presence.id().clone());
    let change = Transition::Start { fence, instance: instance.clone(), at };
    match ports.persistence.executions().advance(&execution.id, execution.fence, &change).await? {
        Advanced::Applied => {
            (execution.fence, execution.instance, execution.status) =
                (fence, instance, ExecutionStatus::Running);
            Ok(Started::Here)
        }
        Advanced::Refused { .. } => Ok(Started::ByAnother),
    }
}

/// Whether this process serves the agent of an execution.
pub(crate) fn knows_agent(shared: &Shared, execution: &Execution) -> bool {
    shared.snapshot.load().plan(execution.agent_id.as_str()).is_some()
}

/// Judges an execution that was started for a new attempt, whose fence it has. The log is read behind that start: what an
/// earlier attempt wrote until then counts, and it cannot write any more.
pub(crate) async fn judge(shared: &Shared, execution: Execution) -> Result<Verdict> {
    let end = |sentence: &str| Ok(Verdict::End(Box::new(failed(sentence))));
    let Some(plan) = shared.snapshot.load().plan(execution.agent_id.as_str()).cloned() else {
        return end("the agent of this execution is no longer served");
    };
    let mut entries = log(&shared.ports, &execution).await?;
    let last = entries.last().map_or(Cursor::START, |entry| entry.sequence);
    // An attempt that ended with a rest was not interrupted.
    let rests =
        entries.iter().filter(|entry| matches!(entry.event, LogEvent::Suspended { .. })).count() as u64;
    if execution.fence.0 > u64::from(shared.limits.max_retries) + 1 + rests {
        return end("the execution was interrupted too often and is given up");
    }
    let settled = approvals::settled(&shared.ports, &execution.id, &entries).await?;
    let at = shared.ports.clock.now();
    entries.extend(settled.iter().cloned().map(|event| LogEntry { sequence: last, at, event }));
    let past = match Past::read(entries) {
        Ok(past) => past,
        Err(cut_off) => {
            return end(&format!(
                "the execution was interrupted while the tool '{}' was under way; that tool may have done its work and is \
                 not called a second time",
                cut_off.tool
            ));
        }
    };
    let settings = match settings::load(&shared.ports, &plan.definition, execution.user_id.as_ref()).await {
        Ok(settings) => settings,
        Err(Refusal::Failed(error)) => return Err(error),
        Err(refusal) => return end(&refusal.to_string()),
    };
    match Scene::reopen(&shared.ports, &execution, shared.limits.max_history).await? {
        Some(scene) => {
            let stored = CancellationToken::new();
            stored.cancel();
            Ok(Verdict::Run(Box::new(Attempt {
                plan,
                execution,
                scene,
                settings,
                past,
                last,
                settled,
                stored,
            })))
        }
        None => end("the session of this execution was deleted"),
    }
}
