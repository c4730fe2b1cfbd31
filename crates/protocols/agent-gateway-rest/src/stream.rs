//! The events of a run as server-sent events, in the words that the reference's clients know.
use agent_gateway_core::{
    execution::{Event, EventId, ExecutionEvent, Outcome, StopReason, Usage},
    id::{ConversationId, ExecutionId},
};
use agent_gateway_http::{FrameSource, Frames, sse};
use agent_gateway_runtime::{Events, Watched};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};

use crate::usage::UsageInfo;

/// What a stream tells, for the API's description.
pub(crate) const EVENTS: &str = "Server-sent events, each with an id: `session` (`session_id`, `execution_id`), `token` \
    (`content`), `tool_call` (`name`, `arguments`, `call_id`), `tool_result` (`call_id`, `name`, `output`), `workflow_step` (`skill`, \
    `step`, `item`, `call_id`, `output`, `duration_ms`), `approval_required` (`approval_id`, `call_id`, `name`, `arguments`, \
    `expires_at`), `approval_settled` (`approval_id`, `call_id`, `status`), `suspended` (`usage`), `reset` (`keep`, \
    `reason`: the tokens whose ids are `keep` with a `.` and a number behind it are void and come anew), `error` (`message`), and `done` \
    (`status`, `stop_reason`, `usage`, and `turn_count` in a session) at the end. The stream of a \
    request ends with a `done` of status `suspended` when a call waits for a person; who watches a run goes on reading. A client that comes back with `Last-Event-ID` gets what it \
    missed.";

/// Answers somebody who watches a run. Who has seen everything gets no content, which tells browsers not to come back.
pub(crate) fn watched(watched: Watched) -> Response {
    match watched {
        Watched::Telling(execution, events) => answer(*events, execution.session_id),
        Watched::Told(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

/// Answers with the events of a run.
pub(crate) fn answer(events: Events, session: Option<ConversationId>) -> Response {
    let execution = events.execution_id().clone();
    sse(&execution, RunFrames { events, session, stage: Stage::Open })
}

struct RunFrames {
    events: Events,
    session: Option<ConversationId>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Over,
}

#[derive(Serialize)]
struct Done<'a> {
    execution_id: &'a ExecutionId,
    status: &'static str,
    stop_reason: &'static str,
    usage: UsageInfo<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_errors: Option<&'a [String]>,
}

impl FrameSource for RunFrames {
    fn next(&mut self) -> BoxFuture<'_, Option<Frames>> {
        Box::pin(async {
            if self.stage == Stage::Over {
                return None;
            }
            let mut frames = Frames::default();
            match self.events.next().await {
                Ok(Some(events)) => {
                    events.iter().for_each(|event| self.write(event, &mut frames));
                    let last = events.last().map(|event| &event.event);
                    if let (true, Some(ExecutionEvent::Suspended { usage })) = (self.events.is_over(), last) {
                        frames.event(None, "done", &resting(self.events.execution_id(), usage));
                    }
                }
                Ok(None) => return None,
                Err(error) => {
                    tracing::warn!(error = ?error, execution_id = %self.events.execution_id(), "a stream was cut off");
                    let message =
                        "the events of this execution cannot be read now; come back with Last-Event-ID";
                    frames.event(None, "error", &json!({ "message": message }));
                    self.stage = Stage::Over;
                }
            }
            Some(frames)
        })
    }
}

impl RunFrames {
    fn write(&self, event: &Event, frames: &mut Frames) {
        let execution = self.events.execution_id();
        let id = EventId { execution: execution.clone(), place: event.place };
        let id: &dyn std::fmt::Display = &id;
        match &event.event {
            ExecutionEvent::Started => {
                let data = json!({ "session_id": self.session, "execution_id": execution });
                frames.event(Some(id), "session", &data);
            }
            ExecutionEvent::Text(text) => frames.event(Some(id), "token", &Token { content: text }),
            ExecutionEvent::ToolCall(call) => {
                let data = json!({
                    "name": call.name, "arguments": call.arguments.to_json(), "call_id": call.id,
                });
                frames.event(Some(id), "tool_call", &data);
            }
            ExecutionEvent::ToolResult { call_id, name, output } => {
                let data = json!({ "call_id": call_id, "name": name, "output": output });
                frames.event(Some(id), "tool_result", &data);
            }
            ExecutionEvent::Reset { keep, reason } => {
                let keep = EventId { execution: execution.clone(), place: *keep }.to_string();
                let data = json!({ "keep": keep, "reason": reason.as_str() });
                frames.event(Some(id), "reset", &data);
            }
            ExecutionEvent::Failed { message } => {
                frames.event(Some(id), "error", &json!({ "message": message }));
            }
            ExecutionEvent::Finished(outcome) => frames.event(Some(id), "done", &done(execution, outcome)),
            other => agentic(other, |name, data| frames.event(Some(id), name, &data)),
        }
    }
}

/// The events of workflows, and of calls that wait for a person.
fn agentic(event: &ExecutionEvent, tell: impl FnOnce(&str, Value)) {
    match event {
        ExecutionEvent::Step { place, output, duration_ms } => {
            let data = json!({
                "skill": place.skill, "step": place.step, "item": place.item, "call_id": place.call_id,
                "output": output, "duration_ms": duration_ms,
            });
            tell("workflow_step", data);
        }
        ExecutionEvent::ApprovalRequired { approval_id, call, expires_at } => {
            let mut data = json!({
                "approval_id": approval_id, "call_id": call.call_id, "name": call.tool,
                "arguments": call.arguments, "expires_at": expires_at,
            });
            if let Some(question) = &call.question {
                data["question"] = (**question).into();
            }
            tell("approval_required", data);
        }
        ExecutionEvent::ApprovalSettled { approval_id, call_id, status, reason } => {
            let mut data =
                json!({ "approval_id": approval_id, "call_id": call_id, "status": status.as_str() });
            if let Some(reason) = reason {
                data["reason"] = (**reason).into();
            }
            tell("approval_settled", data);
        }
        ExecutionEvent::Suspended { usage } => tell("suspended", json!({ "usage": UsageInfo::new(usage) })),
        _ => tracing::error!("an event has no word on the wire"),
    }
}

#[derive(Serialize)]
struct Token<'a> {
    content: &'a str,
}

/// The end of the stream of a run that goes on once a person has decided. It has no id: who comes back reads on behind the
/// last event that has one.
fn resting<'a>(execution_id: &'a ExecutionId, usage: &'a Usage) -> Done<'a> {
    Done {
        execution_id,
        status: StopReason::Suspended.as_str(),
        stop_reason: StopReason::Suspended.as_str(),
        usage: UsageInfo::new(usage),
        turn_count: None,
        output: None,
        validation_errors: None,
    }
}

fn done<'a>(execution_id: &'a ExecutionId, outcome: &'a Outcome) -> Done<'a> {
    Done {
        execution_id,
        status: outcome.stop_reason.as_str(),
        stop_reason: outcome.stop_reason.as_str(),
        usage: UsageInfo::new(&outcome.usage),
        turn_count: outcome.turn_count,
        output: outcome.output.as_ref(),
        validation_errors: outcome.validation_errors.as_deref(),
    }
}
