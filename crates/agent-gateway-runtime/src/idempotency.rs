//! A request that came before, with the same key.
use agent_gateway_core::{
    Result, Timestamp,
    execution::{
        Execution, ExecutionRequest, Fingerprint, IDEMPOTENCY_WINDOW, Idempotency, Mode, Origin, Target,
        Thread,
    },
    id::UserId,
};
use serde_json::json;

use crate::{Ports, Refusal};

/// What a request is recognised by.
pub(crate) fn of(request: &ExecutionRequest) -> Option<Idempotency> {
    let key = request.idempotency_key.clone()?;
    // What is left of the parent's limits differs from attempt to attempt.
    let options = match &request.origin {
        Origin::Delegation(_) => serde_json::Value::Null,
        _ => json!(request.options),
    };
    let agent = match &request.target {
        Target::Agent(agent) => agent.as_str(),
        _ => "",
    };
    let mode = match request.mode {
        Mode::Detach => "detach",
        Mode::Wait => "wait",
        _ => "as agent",
    };
    let thread = match &request.thread {
        Thread::None => json!("none"),
        Thread::New => json!("new"),
        Thread::Existing(id) => json!({ "id": id }),
    };
    let fingerprint = Fingerprint::of(&json!({
        "agent": agent,
        "message": request.message,
        "input": request.input,
        "options": options,
        "mode": mode,
        "thread": thread,
    }));
    Some(Idempotency { key, fingerprint })
}

/// The execution that this key stands for, when the request is the same; a different one is refused.
pub(crate) async fn earlier(
    ports: &Ports,
    owner: Option<&UserId>,
    wanted: &Idempotency,
) -> Result<Option<Execution>, Refusal> {
    let executions = ports.persistence.executions();
    let Some(found) = executions.find_by_key(&wanted.key, owner).await? else { return Ok(None) };
    // A parent may rest for longer than callers' keys are kept.
    if found.parent_execution_id.is_none() && found.created_at < expiry(ports.clock.now()) {
        executions.forget_keys(expiry(ports.clock.now())).await?;
        return Ok(None);
    }
    match &found.idempotency {
        Some(held) if held.fingerprint == wanted.fingerprint => Ok(Some(found)),
        _ => Err(Refusal::IdempotencyKeyReused),
    }
}

/// Keys of executions accepted before this are free again.
pub(crate) fn expiry(now: Timestamp) -> Timestamp {
    let window = jiff::SignedDuration::try_from(IDEMPOTENCY_WINDOW).unwrap_or(jiff::SignedDuration::ZERO);
    now.checked_sub(window).unwrap_or(Timestamp::MIN)
}
