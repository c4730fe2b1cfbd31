//! Runs one stored execution. Waiting requests, streams, workers and recovery all end here.
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result, Timestamp,
    agent::AgentDefinition,
    approval::Approval,
    execution::{Departure, Execution, LogEvent, Outcome, ResetReason, RunOptions, StopReason},
    id::ApprovalId,
    ports::model::Delivery,
    tool::ToolContext,
};
use agent_gateway_engine::{
    AgentPlan, Ended, Ledger, ModelPlan, OutputSchema, Ports as EnginePorts, Recorder, Run, Setting,
    Suspension, drive, farewell,
};
use futures::FutureExt;

use crate::{
    Recipe,
    attempt::{Attempt, is_awaited},
    children::Children,
    gateway::Shared,
    recorder::{End, Rest, StoreRecorder},
    running::Seat,
    scene::Scene,
    snapshot::model_plan,
    spent::add_past,
    unrun::failed,
};

/// Drives an attempt to its end and stores that. A panic on the way is a failed run.
pub(crate) async fn run(shared: &Arc<Shared>, mut attempt: Attempt, seat: &Seat) -> Result<Arc<Outcome>> {
    let ports = &shared.ports;
    let Execution { id, fence, .. } = &attempt.execution;
    let recorder = StoreRecorder::new(
        ports.persistence.clone(),
        ports.clock.clone(),
        (id.clone(), *fence),
        attempt.last,
        seat.live().clone(),
        attempt.stored.clone(),
    );
    let settled = std::mem::take(&mut attempt.settled);
    let is_first = attempt.is_first();
    let parent = shared.running.ledger_of_parent(&attempt.execution);
    let (run, execution, scene) = prepare(&shared.recipe, attempt, parent.as_ref())?;
    // Before anything is waited for: runs that it delegated to earlier may begin again at any moment.
    seat.lend(&run.ledger);
    for event in settled {
        recorder.record(event).await?;
    }
    if !is_first {
        recorder.record(LogEvent::Reset(ResetReason::Resumed)).await?;
        add_past(ports, &execution, &run.ledger).await?;
    }
    let delegator = Children::of(shared, &execution);
    let engine_ports = EnginePorts {
        model: &*ports.model,
        delegator: &delegator,
        recorder: &recorder,
        clock: &*ports.clock,
    };
    let driven = AssertUnwindSafe(drive(&run, engine_ports, seat.cancel())).catch_unwind();
    let ended = match run.delivery {
        Delivery::Whole => driven.await,
        Delivery::Incremental => tokio::select! {
            biased;
            ended = driven => ended,
            never = recorder.keep_drafts() => match never {},
        },
    };
    let (mut outcome, unrecorded) = match ended.unwrap_or_else(|_| faulted()) {
        Ended::Finished { outcome, unrecorded } => (outcome, unrecorded),
        Ended::Suspended(suspension) => {
            return suspend(shared, &run, &execution, &recorder, suspension).await;
        }
    };
    let is_given_back = outcome.stop_reason == StopReason::Cancelled
        && shared.running.is_stopping()
        && !seat.is_asked_to_stop();
    if is_given_back && is_awaited(&execution) {
        return Err(Error::unavailable("the gateway stops; the execution goes on when it is back")
            .with("execution", &execution.id));
    }
    if recorder.has_lost_entries() && is_awaited(&execution) {
        return Err(Error::unavailable(
            "the store was away for too long; the execution goes on when it is back",
        )
        .with("execution", &execution.id));
    }
    let said = scene.conclude(&execution, &mut outcome);
    farewell(&run, &outcome).await;
    let stored = recorder.settle(End { turn: unrecorded, outcome, said }).await;
    shared.recovery.resumption.ended(&execution);
    stored
}

fn faulted() -> Ended {
    tracing::error!("a port or a tool panicked; the execution is recorded as failed");
    Ended::Finished { outcome: failed("the execution hit a fault of the gateway"), unrecorded: None }
}

/// Stores that a run rests. Somebody else may go on with it, so that nobody's leaving ends it from now on.
async fn suspend(
    shared: &Shared,
    run: &Run,
    execution: &Execution,
    recorder: &StoreRecorder,
    suspension: Suspension,
) -> Result<Arc<Outcome>> {
    let Suspension { calls, delegated, outcome } = suspension;
    let asked = shared.ports.clock.now();
    let window =
        jiff::SignedDuration::try_from(run.limits.approval_window).unwrap_or(jiff::SignedDuration::MAX);
    let expires = asked.checked_add(window).unwrap_or(Timestamp::MAX);
    let approvals = calls.into_iter().map(|call| {
        let of = (execution.id.clone(), execution.agent_id.clone());
        let mut approval = Approval::new(ApprovalId::generate(), of, call, (asked, expires));
        approval.user_id.clone_from(&execution.user_id);
        if let Some(root) = &execution.root_execution_id {
            approval.root_execution_id.clone_from(root);
        }
        approval
    });
    let options = RunOptions { departure: Departure::Detaches, ..execution.options.clone() };
    let rest = Rest { approvals: approvals.collect(), options, delegated, outcome };
    let stored = recorder.suspend(rest).await?;
    // What it waits for may be there by now.
    shared.recovery.resumption.look_at(execution.id.clone());
    if let Some(parent) = &execution.parent_execution_id {
        shared.recovery.resumption.look_at(parent.clone());
    }
    Ok(stored)
}

/// Applies every default: the request's options win over the agent, the agent over the gateway. `parent` is the ledger of the
/// run that delegated to this one, where it runs here.
fn prepare(
    recipe: &Recipe,
    attempt: Attempt,
    parent: Option<&Arc<Ledger>>,
) -> Result<(Run, Execution, Scene)> {
    let Attempt { plan, execution, mut scene, settings, past, .. } = attempt;
    let options = &execution.options;
    let mut limits = recipe.limits.with(&plan.definition.guardrails);
    if let Some(timeout) = options.timeout_ms {
        // A caller may wait longer than the gateway's default, and not longer than the agent's author allows.
        let own = plan.definition.guardrails.timeout_ms.map_or(timeout, |own| own.min(timeout));
        limits.timeout = Duration::from_millis(own);
    }
    let limits = limits.lowered(&options.guardrails);
    let ledger = Ledger::open(&limits, parent);
    let mut context = ToolContext::root(execution.id.clone(), execution.agent_id.clone());
    context.caller_identity.clone_from(&execution.user_id);
    context.parent_execution_id.clone_from(&execution.parent_execution_id);
    context.delegation_depth = execution.delegation_depth;
    if let Some(root) = &execution.root_execution_id {
        context.root_execution_id = root.clone();
    }
    (context.user_config, context.user_secrets) = (settings.config, settings.secrets);
    context.delegates_to = plan.definition.delegates_to.named().into();
    // A conversation is free text: what an agent's answers must fit elsewhere does not hold there.
    let (setting, input, output_schema) = match &mut scene {
        Scene::Conversation(dialogue) => {
            let history = std::mem::take(&mut dialogue.history);
            (Setting::Conversation(history), dialogue.conversation.metadata.clone(), None)
        }
        Scene::Alone => {
            let wanted = options.output_schema.as_ref().filter(|schema| !is_empty(schema));
            let schema = match wanted {
                Some(schema) => Some(Arc::new(OutputSchema::compile(schema.clone())?)),
                None => plan.output_schema.clone(),
            };
            (Setting::Single, execution.input.clone().unwrap_or_default(), schema)
        }
    };
    context.metadata = Arc::new(input);
    // Nobody waits for the whole of a detached run, but somebody may watch it.
    let delivery = match options.departure {
        Departure::Detaches => Delivery::Incremental,
        Departure::Cancels => options.delivery,
    };
    let message = execution.message.as_str().into();
    let run = Run {
        message,
        model: model(recipe, &plan, options),
        agent: plan,
        context,
        instructions: settings.instructions,
        limits,
        ledger,
        hooks: recipe.hooks.clone(),
        output_schema,
        setting,
        delivery,
        past,
    };
    Ok((run, execution, scene))
}

/// The agent's model, unless this run asks for another one. The agent's own fallback stays; the gateway's is that of the
/// gateway's model.
fn model(recipe: &Recipe, plan: &AgentPlan, options: &RunOptions) -> ModelPlan {
    let mut model = plan.model.clone();
    if let Some(name) = &options.model {
        let mut asking = AgentDefinition::clone(&plan.definition);
        asking.model.name = Some(name.clone());
        model = model_plan(&asking, recipe);
    }
    model.temperature = options.temperature.or(model.temperature);
    model.max_tokens = options.max_tokens.or(model.max_tokens);
    model
}

/// An empty schema counts as none.
pub(crate) fn is_empty(schema: &serde_json::Value) -> bool {
    schema.as_object().is_some_and(serde_json::Map::is_empty)
}
