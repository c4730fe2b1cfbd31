//! Google's Gemini, also on Vertex AI: server-sent events without names, lines ended by CRLF.
use agent_gateway_testkit::model_server::Reply;
use serde_json::{Value, json};

use super::{Answer, CACHED, READ, WRITTEN};

fn chunk(parts: &Value, reason: Option<&str>) -> String {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(reason) = reason {
        candidate["finishReason"] = reason.into();
    }
    // Thoughts are counted beside what was said.
    let usage = json!({
        "promptTokenCount": READ, "cachedContentTokenCount": CACHED,
        "candidatesTokenCount": WRITTEN - 1, "thoughtsTokenCount": 1, "totalTokenCount": READ + WRITTEN,
    });
    let data = json!({
        "candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash-001", "responseId": "r1",
    });
    format!("data: {data}\r\n\r\n")
}

pub(super) fn reply(answer: &Answer) -> Reply {
    let mut chunks: Vec<_> = answer.words().map(|word| chunk(&json!([{"text": word}]), None)).collect();
    let call =
        |(name, arguments): &(String, Value)| json!({"functionCall": {"name": name, "args": arguments}});
    // Two calls in one chunk, the others in chunks of their own.
    for calls in answer.calls.chunks(2) {
        chunks.push(chunk(&calls.iter().map(call).collect(), None));
    }
    chunks.push(chunk(&json!([{"text": ""}]), Some(answer.reason.unwrap_or("STOP"))));
    Reply::pieces("text/event-stream", chunks)
}

pub(super) fn failure(status: u16, word: &str, message: &str) -> Reply {
    let body = json!([{"error": {"code": status, "message": message, "status": word}}]);
    Reply::pieces("application/json; charset=UTF-8", [body.to_string()]).with_status(status)
}

pub(super) fn wrong_key() -> Reply {
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID", "domain": "googleapis.com",
    }]);
    let body = json!([{"error": {
        "code": 400, "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT", "details": details,
    }}]);
    Reply::pieces("application/json; charset=UTF-8", [body.to_string()]).with_status(400)
}

pub(super) fn fails_midway(message: &str) -> Reply {
    let error = json!({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}});
    let chunks = [chunk(&json!([{"text": "one "}]), None), format!("data: {error}\r\n\r\n")];
    Reply::pieces("text/event-stream", chunks)
}
