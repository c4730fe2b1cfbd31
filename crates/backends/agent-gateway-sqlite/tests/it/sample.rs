//! Values that the tests store.
use agent_gateway_core::{
    JsonMap, Timestamp,
    approval::{Approval, AskedCall},
    execution::{
        Cursor, DraftPiece, Execution, ExecutionStatus, Fence, LogEntry, LogEvent, ModelTurn, Outcome,
        StopReason, Transition, Usage,
    },
    id::{AgentId, ApprovalId, ConversationId, ExecutionId, ModelName},
    message::{Message, TokenUsage},
    principal::{Principal, Visibility},
};

pub(super) fn everyone() -> Visibility {
    Principal::system().visibility()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).unwrap()
}

/// A running execution under the fence 1.
pub(super) fn running(message: &str) -> Execution {
    let mut execution =
        Execution::new(ExecutionId::generate(), AgentId::new("helper").unwrap(), message, at(0));
    execution.status = ExecutionStatus::Running;
    execution.fence = Fence(1);
    execution
}

/// A running execution in this conversation.
pub(super) fn turn_in(conversation: &ConversationId) -> Execution {
    let mut execution = running("hello");
    execution.session_id = Some(conversation.clone());
    execution
}

/// A pending approval of a call of `execution`; its id is the call's.
pub(super) fn asked(execution: &Execution, call: &str) -> Approval {
    let id = ApprovalId::new(call).unwrap();
    let call =
        AskedCall { call_id: call.into(), tool: "pay".into(), arguments: JsonMap::new(), question: None };
    Approval::new(id, (execution.id.clone(), execution.agent_id.clone()), call, (at(1), at(61)))
}

pub(super) fn piece(after: u64, offset: u64, text: &str) -> DraftPiece {
    DraftPiece { after: Cursor(after), offset, text: text.into() }
}

pub(super) fn turn(text: &str) -> ModelTurn {
    ModelTurn {
        model: ModelName::new("openai/gpt-5-mini").unwrap(),
        text: text.into(),
        tool_calls: Vec::new(),
        tokens: TokenUsage { input_tokens: 10, output_tokens: 5, cached_input_tokens: 0 },
        cost_usd: None,
        duration_ms: 3,
        within: None,
    }
}

pub(super) fn log(events: impl IntoIterator<Item = LogEvent>) -> Vec<LogEntry> {
    let entry = |(place, event)| LogEntry { sequence: Cursor(place), at: at(1), event };
    (1..).zip(events).map(entry).collect()
}

/// The end of a run with one model turn.
pub(super) fn finish(text: &str) -> Transition {
    finish_saying(text, Vec::new())
}

/// The same, with what it adds to its conversation.
pub(super) fn finish_saying(text: &str, said: Vec<Message>) -> Transition {
    let outcome = Outcome::new(StopReason::Completed, text, Usage::default());
    let entries = log([LogEvent::ModelTurn(turn(text)), LogEvent::Finished(outcome.clone())]);
    Transition::Finish { outcome: Box::new(outcome), entries, said, at: at(2) }
}
