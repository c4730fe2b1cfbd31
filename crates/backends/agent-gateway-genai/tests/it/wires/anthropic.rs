//! Anthropic's Messages: server-sent events with names.
use agent_gateway_testkit::model_server::Reply;
use serde_json::{Value, json};

use super::{Answer, CACHED, READ, WRITTEN};

fn event(name: &str, mut data: Value) -> String {
    data["type"] = name.into();
    format!("event: {name}\ndata: {data}\n\n")
}

fn start() -> String {
    let usage = json!({
        "input_tokens": READ - CACHED - 1,
        "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": CACHED,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
    });
    event(
        "message_start",
        json!({"message": {
            "id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6-20260301",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
        }}),
    )
}

fn delta(index: usize, delta: &Value) -> String {
    event("content_block_delta", json!({"index": index, "delta": delta}))
}

fn text_block(words: impl Iterator<Item = String>) -> Vec<String> {
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        event("content_block_start", json!({"index": 0, "content_block": block})),
        event("ping", json!({})),
    ];
    events.extend(words.map(|word| delta(0, &json!({"type": "text_delta", "text": word}))));
    events.push(event("content_block_stop", json!({"index": 0})));
    events
}

pub(super) fn reply(answer: &Answer) -> Reply {
    let mut events = vec![start()];
    let mut index = 0;
    if !answer.text.is_empty() {
        events.extend(text_block(answer.words().map(str::to_owned)));
        index = 1;
    }
    for (place, (name, arguments)) in answer.calls.iter().enumerate() {
        let block = json!({"type": "tool_use", "id": format!("toolu_{place}"), "name": name, "input": {}});
        events.push(event("content_block_start", json!({"index": index, "content_block": block})));
        // A text stands for the arguments as the model wrote them.
        let text = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
        let middle = (text.len() / 2..).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        // The first piece is always empty.
        for piece in ["", &text[..middle], &text[middle..]] {
            events.push(delta(index, &json!({"type": "input_json_delta", "partial_json": piece})));
        }
        events.push(event("content_block_stop", json!({"index": index})));
        index += 1;
    }
    let usual = if answer.calls.is_empty() { "end_turn" } else { "tool_use" };
    let stop = json!({"stop_reason": answer.reason.unwrap_or(usual), "stop_sequence": null});
    events.push(event("message_delta", json!({"delta": stop, "usage": {"output_tokens": WRITTEN}})));
    events.push(event("message_stop", json!({})));
    Reply::pieces("text/event-stream; charset=utf-8", events)
}

pub(super) fn failure(status: u16, kind: &str, message: &str) -> Reply {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_01"});
    Reply::pieces("application/json", [body.to_string()]).with_status(status)
}

pub(super) fn fails_midway(message: &str) -> Reply {
    let mut events = vec![start()];
    events.extend(text_block(["one ".to_owned()].into_iter()));
    events.push(event("error", json!({"error": {"type": "overloaded_error", "message": message}})));
    Reply::pieces("text/event-stream; charset=utf-8", events)
}
