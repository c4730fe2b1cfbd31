//! Replies as bytes: one JSON document, or the pieces of an event stream. Ids depend on the request's number alone.
use bytes::Bytes;
use serde_json::{Value, json};

use super::reply::{Content, End, Form, Reply};

const CREATED: u64 = 1_700_000_000;
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
/// Raw bytes are sent in pieces of this size.
const PIECE: usize = 64 * 1024;

/// The content type and the pieces of the body.
pub(super) fn render(reply: &Reply, request: &Value, number: usize) -> (&'static str, Vec<Bytes>) {
    let streamed = match reply.form {
        Form::AsAsked => request["stream"] == true,
        Form::Whole => false,
        Form::Streamed => true,
    };
    let content_type = if streamed { EVENTS } else { JSON };
    match &reply.content {
        Content::Answer { text, calls } => {
            let answer = Answer { reply, request, number, text, calls };
            if streamed { (EVENTS, answer.events()) } else { (JSON, pieces(&answer.document(), reply.end)) }
        }
        Content::Failure { message } => {
            let kind = if reply.status < 500 { "invalid_request_error" } else { "server_error" };
            let envelope = json!({"error": {"message": message, "type": kind, "param": null, "code": null}});
            (JSON, pieces(&envelope, reply.end))
        }
        Content::Bytes(bytes) => (content_type, bytes.chunks(PIECE).map(Bytes::copy_from_slice).collect()),
        Content::Events(payloads) => {
            let done = "[DONE]".to_owned();
            (EVENTS, payloads.iter().chain([&done]).map(event).collect())
        }
        Content::Pieces { content_type, pieces } => {
            (content_type, pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect())
        }
        Content::Nothing => (content_type, Vec::new()),
    }
}

fn event(payload: impl std::fmt::Display) -> Bytes {
    format!("data: {payload}\n\n").into()
}

/// One piece, or four where the reply ends early.
fn pieces(document: &Value, end: End) -> Vec<Bytes> {
    let text = Bytes::from(document.to_string());
    if end == End::Complete {
        return vec![text];
    }
    let quarter = text.len().div_ceil(4).max(1);
    text.chunks(quarter).map(|piece| text.slice_ref(piece)).collect()
}

struct Answer<'a> {
    reply: &'a Reply,
    request: &'a Value,
    number: usize,
    text: &'a str,
    calls: &'a [(String, String)],
}

impl Answer<'_> {
    fn call_id(&self, place: usize) -> String {
        format!("call_{}_{place}", self.number)
    }

    fn model(&self) -> Value {
        self.reply.model.clone().map_or_else(|| self.request["model"].clone(), Value::String)
    }

    fn finish_reason(&self) -> &str {
        let usual = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        self.reply.finish_reason.as_deref().unwrap_or(usual)
    }

    fn usage(&self) -> Value {
        let usage = self.reply.usage;
        json!({
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
        })
    }

    fn document(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.text});
        if !self.calls.is_empty() {
            if self.text.is_empty() {
                message["content"] = Value::Null;
            }
            let call = |(place, (name, arguments)): (usize, &(String, String))| {
                json!({
                    "id": self.call_id(place),
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                })
            };
            message["tool_calls"] = self.calls.iter().enumerate().map(call).collect();
        }
        json!({
            "id": format!("chatcmpl-{}", self.number),
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model(),
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason()}],
            "usage": self.usage(),
        })
    }

    fn events(&self) -> Vec<Bytes> {
        let mut events = vec![self.delta(&json!({"role": "assistant", "content": ""}))];
        events.extend(self.text.split_inclusive(' ').map(|word| self.delta(&json!({"content": word}))));
        for (place, (name, _)) in self.calls.iter().enumerate() {
            let function = json!({"name": name, "arguments": ""});
            let begin =
                json!({"index": place, "id": self.call_id(place), "type": "function", "function": function});
            events.push(self.delta(&json!({"tool_calls": [begin]})));
        }
        // First halves, then second halves: several calls are interleaved.
        for half in [0, 1] {
            for (place, (_, arguments)) in self.calls.iter().enumerate() {
                let middle = (arguments.len() / 2..).find(|&at| arguments.is_char_boundary(at)).unwrap_or(0);
                let (first, second) = arguments.split_at(middle);
                let piece = if half == 0 { first } else { second };
                let more = json!({"index": place, "function": {"arguments": piece}});
                events.push(self.delta(&json!({"tool_calls": [more]})));
            }
        }
        events.push(
            self.chunk(
                &json!([{"index": 0, "delta": {}, "finish_reason": self.finish_reason()}]),
                &Value::Null,
            ),
        );
        if self.request["stream_options"]["include_usage"] == true {
            events.push(self.chunk(&json!([]), &self.usage()));
        }
        events.push(event("[DONE]"));
        events
    }

    fn delta(&self, delta: &Value) -> Bytes {
        self.chunk(&json!([{"index": 0, "delta": delta, "finish_reason": null}]), &Value::Null)
    }

    fn chunk(&self, choices: &Value, usage: &Value) -> Bytes {
        event(json!({
            "id": format!("chatcmpl-{}", self.number),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.model(),
            "choices": choices,
            "usage": usage,
        }))
    }
}
