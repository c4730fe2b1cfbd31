//! Ollama's own chat: one JSON object to a line.
use agent_gateway_testkit::model_server::Reply;
use serde_json::{Value, json};

use super::{Answer, CACHED, READ, WRITTEN};

fn line(message: &Value) -> String {
    let created = "2026-03-01T12:00:00Z";
    format!(
        "{}\n",
        json!({"model": "llama3.2:latest", "created_at": created, "message": message, "done": false})
    )
}

pub(super) fn reply(answer: &Answer) -> Reply {
    let say = |word: &str| line(&json!({"role": "assistant", "content": word}));
    let mut lines: Vec<_> = answer.words().map(say).collect();
    let call =
        |(name, arguments): &(String, Value)| json!({"function": {"name": name, "arguments": arguments}});
    if !answer.calls.is_empty() {
        let calls: Value = answer.calls.iter().map(call).collect();
        lines.push(line(&json!({"role": "assistant", "content": "", "tool_calls": calls})));
    }
    let end = json!({
        "model": "llama3.2:latest", "created_at": "2026-03-01T12:00:01Z",
        "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": answer.reason.unwrap_or("stop"), "total_duration": 1_000,
        "prompt_eval_count": READ, "prompt_eval_cached_count": CACHED, "eval_count": WRITTEN,
    });
    lines.push(format!("{end}\n"));
    Reply::pieces("application/x-ndjson", lines)
}

pub(super) fn failure(status: u16, message: &str) -> Reply {
    Reply::pieces("application/json", [json!({"error": message}).to_string()]).with_status(status)
}

pub(super) fn fails_midway(message: &str) -> Reply {
    let lines =
        [line(&json!({"role": "assistant", "content": "one "})), format!("{}\n", json!({"error": message}))];
    Reply::pieces("application/x-ndjson", lines)
}
