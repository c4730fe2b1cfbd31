//! What a turn looks like: on a terminal, in a pipe, and as JSON.
use std::io::{self, IsTerminal, Write};

use agent_gateway::{
    TurnStream,
    core::execution::{Event, EventId, ExecutionEvent, Outcome, ResetReason, StopReason, Usage},
};
use serde_json::{Value, json};

use super::plain::{Harmless, harmless, json_line, short};
use crate::output::{Colour, note, paint};

/// How much of a call's arguments and of its result is shown.
const MOST_SHOWN: usize = 100;

/// In which form the events of a turn are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For a person who watches: text as it comes.
    Live,
    /// For a pipe: the answer, once it is one, so that no void text is in it.
    Whole,
    /// For programs: every event.
    Json,
}

/// How much is told beside the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    Usual,
    Everything,
}

/// Tells the events of one turn. An error of its methods means that stdout is gone.
pub(super) struct Printer {
    form: Form,
    detail: Detail,
    text: Harmless,
    place: Place,
}

/// Where the cursor stands on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    Midway,
}

impl Printer {
    pub(super) fn new(form: Form, detail: Detail) -> Self {
        Self { form, detail, text: Harmless::default(), place: Place::LineStart }
    }

    pub(super) fn event(&mut self, turn: &TurnStream, event: &Event) -> io::Result<()> {
        match self.form {
            Form::Json => match wire(turn, event) {
                Some(line) => self.write(&format!("{}\n", json_line(&line))),
                None => Ok(()),
            },
            Form::Live => self.live(&event.event),
            Form::Whole => self.whole(&event.event),
        }
    }

    /// Tells why a message did not become a turn, or why its events end too early.
    pub(super) fn failed(&mut self, message: &str) -> io::Result<()> {
        if self.form == Form::Json {
            let event = json!({"event": "error", "message": message});
            self.write(&format!("{}\n", json_line(&event)))?;
        }
        self.end_line()?;
        error(message);
        Ok(())
    }

    /// Ends the line that a turn was cut off in.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.text).end();
        self.write(&rest)?;
        if self.place == Place::Midway {
            self.write("\n")?;
        }
        Ok(())
    }

    fn live(&mut self, event: &ExecutionEvent) -> io::Result<()> {
        match event {
            ExecutionEvent::Text(text) => {
                let text = self.text.piece(text);
                self.write(&text)?;
            }
            ExecutionEvent::Finished(outcome) => {
                self.end_line()?;
                self.finished(outcome);
            }
            other => self.aside(other)?,
        }
        Ok(())
    }

    fn whole(&mut self, event: &ExecutionEvent) -> io::Result<()> {
        match event {
            ExecutionEvent::Finished(outcome) => {
                if !outcome.raw_text.is_empty() {
                    self.write(&harmless(&outcome.raw_text))?;
                    self.end_line()?;
                }
                self.finished(outcome);
            }
            ExecutionEvent::Failed { .. } => self.aside(event)?,
            _ if self.detail == Detail::Everything => self.aside(event)?,
            _ => {}
        }
        Ok(())
    }

    /// One line beside the answer, on stderr.
    fn aside(&mut self, event: &ExecutionEvent) -> io::Result<()> {
        let line = match event {
            ExecutionEvent::ToolCall(call) => {
                let arguments = short(&call.arguments.to_json(), MOST_SHOWN);
                format!("→ {} {arguments}", harmless(&call.name))
            }
            ExecutionEvent::ToolResult { name, output, .. } => {
                format!("← {} {}", harmless(name), short(output, MOST_SHOWN))
            }
            ExecutionEvent::Reset { reason, .. } => {
                let why = match reason {
                    ResetReason::Resumed => "the run was interrupted and goes on",
                    ResetReason::Fallback => "the model failed and the fallback model was asked",
                    other => other.as_str(),
                };
                format!("↺ the text above is void: {why}; it comes anew")
            }
            ExecutionEvent::Step { place, output, .. } => {
                let (skill, step) = (harmless(place.skill.as_str()), harmless(&place.step));
                format!("· {skill}/{step} {}", short(output, MOST_SHOWN))
            }
            ExecutionEvent::ApprovalRequired { approval_id, call, .. } => {
                let arguments = short(&Value::Object(call.arguments.clone()), MOST_SHOWN);
                format!("? {} {arguments} waits for approval {approval_id}", harmless(&call.tool))
            }
            ExecutionEvent::ApprovalSettled { approval_id, status, .. } => {
                format!("? approval {approval_id} is {}", status.as_str())
            }
            ExecutionEvent::Suspended { .. } => "(suspended)".to_owned(),
            ExecutionEvent::Failed { message } => {
                self.end_line()?;
                error(message);
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.end_line()?;
        aside(&line);
        Ok(())
    }

    fn finished(&self, outcome: &Outcome) {
        match outcome.stop_reason {
            StopReason::Completed if outcome.raw_text.is_empty() => aside("(no response)"),
            StopReason::Completed | StopReason::Error | StopReason::Timeout => {}
            StopReason::Cancelled => aside("(cancelled)"),
            other => aside(&format!("(stopped: {})", other.as_str())),
        }
        if self.detail == Detail::Everything {
            aside(&consumed(&outcome.usage));
        }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let Some(last) = text.chars().last() else { return Ok(()) };
        self.place = if last == '\n' { Place::LineStart } else { Place::Midway };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// A line beside the conversation.
pub(super) fn aside(line: &str) {
    note(paint(Colour::Dim, line, &io::stderr()));
}

fn error(message: &str) {
    note(format_args!("{} {}", paint(Colour::Red, "error:", &io::stderr()), harmless(message)));
}

/// What was consumed, in one line.
pub(super) fn consumed(usage: &Usage) -> String {
    let more = if usage.cost_incomplete { " or more: a model's price is unknown" } else { "" };
    format!(
        "{} tokens in, {} out; {} model call(s), {} tool call(s); ${:.6}{more}; {:.1} s",
        usage.input_tokens,
        usage.output_tokens,
        usage.llm_calls,
        usage.tool_calls,
        usage.cost_usd,
        std::time::Duration::from_millis(usage.duration_ms).as_secs_f64(),
    )
}

/// Whether somebody watches stdout.
pub(super) fn watched() -> bool {
    io::stdout().is_terminal()
}

/// An event in the words of the API's streams, with its name and its id; `None` for one that has no word there.
fn wire(turn: &TurnStream, event: &Event) -> Option<Value> {
    let id = |place| EventId { execution: turn.execution_id.clone(), place }.to_string();
    let (name, data) = match &event.event {
        ExecutionEvent::Started => {
            ("session", json!({"session_id": turn.session_id, "execution_id": turn.execution_id}))
        }
        ExecutionEvent::Text(text) => ("token", json!({ "content": text })),
        ExecutionEvent::ToolCall(call) => (
            "tool_call",
            json!({"name": call.name, "arguments": call.arguments.to_json(), "call_id": call.id}),
        ),
        ExecutionEvent::ToolResult { call_id, name, output } => {
            ("tool_result", json!({"call_id": call_id, "name": name, "output": output}))
        }
        ExecutionEvent::Reset { keep, reason } => {
            ("reset", json!({"keep": id(*keep), "reason": reason.as_str()}))
        }
        ExecutionEvent::Failed { message } => ("error", json!({ "message": message })),
        ExecutionEvent::Finished(outcome) => ("done", done(turn, outcome)),
        other => agentic(other)?,
    };
    let mut line = json!({"event": name, "id": id(event.place)});
    if let (Value::Object(line), Value::Object(data)) = (&mut line, data) {
        line.extend(data);
    }
    Some(line)
}

/// The events of workflows, and of calls that wait for a person.
fn agentic(event: &ExecutionEvent) -> Option<(&'static str, Value)> {
    let told = match event {
        ExecutionEvent::Step { place, output, duration_ms } => {
            let data = json!({
                "skill": place.skill, "step": place.step, "item": place.item, "call_id": place.call_id,
                "output": output, "duration_ms": duration_ms,
            });
            ("workflow_step", data)
        }
        ExecutionEvent::ApprovalRequired { approval_id, call, expires_at } => {
            let mut data = json!({
                "approval_id": approval_id, "call_id": call.call_id, "name": call.tool,
                "arguments": call.arguments, "expires_at": expires_at,
            });
            if let Some(question) = &call.question {
                data["question"] = (**question).into();
            }
            ("approval_required", data)
        }
        ExecutionEvent::ApprovalSettled { approval_id, call_id, status, reason } => {
            let mut data =
                json!({ "approval_id": approval_id, "call_id": call_id, "status": status.as_str() });
            if let Some(reason) = reason {
                data["reason"] = (**reason).into();
            }
            ("approval_settled", data)
        }
        ExecutionEvent::Suspended { usage } => ("suspended", json!({ "usage": usage })),
        _ => return None,
    };
    Some(told)
}

fn done(turn: &TurnStream, outcome: &Outcome) -> Value {
    let mut data = json!({
        "execution_id": turn.execution_id, "status": outcome.stop_reason.as_str(),
        "stop_reason": outcome.stop_reason.as_str(), "usage": outcome.usage,
    });
    if let Some(turns) = outcome.turn_count {
        data["turn_count"] = turns.into();
    }
    if let Some(output) = &outcome.output {
        data["output"] = output.clone();
    }
    if let Some(errors) = &outcome.validation_errors {
        data["validation_errors"] = errors.clone().into();
    }
    data
}
