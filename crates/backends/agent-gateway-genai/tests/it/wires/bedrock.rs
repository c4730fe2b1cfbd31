//! Amazon Bedrock's Converse: binary frames with checksums.
use agent_gateway_testkit::model_server::Reply;
use serde_json::{Value, json};

use super::{Answer, CACHED, READ, WRITTEN};

const STREAM: &str = "application/vnd.amazon.eventstream";

fn crc(bytes: &[u8]) -> [u8; 4] {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), step);
    (!bytes.iter().fold(!0, byte)).to_be_bytes()
}

fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(name.len()).unwrap_or_default()];
    bytes.extend(name.as_bytes());
    bytes.push(7);
    bytes.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    bytes.extend(value.as_bytes());
    bytes
}

fn frame(headers: &[(&str, &str)], payload: &Value) -> Vec<u8> {
    let payload = payload.to_string().into_bytes();
    let headers: Vec<u8> = headers.iter().flat_map(|(name, value)| header(name, value)).collect();
    let length = |length: usize| u32::try_from(length).unwrap_or_default().to_be_bytes();
    let mut bytes = Vec::new();
    bytes.extend(length(16 + headers.len() + payload.len()));
    bytes.extend(length(headers.len()));
    bytes.extend(crc(&bytes));
    bytes.extend(headers);
    bytes.extend(payload);
    bytes.extend(crc(&bytes));
    bytes
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    let kinds = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    frame(&kinds, payload)
}

fn delta(index: usize, delta: &Value) -> Vec<u8> {
    event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta}))
}

fn stop(index: usize) -> Vec<u8> {
    event("contentBlockStop", &json!({"contentBlockIndex": index}))
}

pub(super) fn reply(answer: &Answer) -> Reply {
    let mut frames = vec![event("messageStart", &json!({"role": "assistant"}))];
    let mut index = 0;
    if !answer.text.is_empty() {
        frames.extend(answer.words().map(|word| delta(0, &json!({"text": word}))));
        frames.push(stop(0));
        index = 1;
    }
    for (place, (name, arguments)) in answer.calls.iter().enumerate() {
        let start = json!({"toolUse": {"toolUseId": format!("tooluse_{place}"), "name": name}});
        frames.push(event("contentBlockStart", &json!({"contentBlockIndex": index, "start": start})));
        let text = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
        let middle = (text.len() / 2..).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        for piece in [&text[..middle], &text[middle..]] {
            frames.push(delta(index, &json!({"toolUse": {"input": piece}})));
        }
        frames.push(stop(index));
        index += 1;
    }
    let usual = if answer.calls.is_empty() { "end_turn" } else { "tool_use" };
    frames.push(event("messageStop", &json!({"stopReason": answer.reason.unwrap_or(usual)})));
    // What came from the cache or went into it is counted beside the input.
    let usage = json!({
        "inputTokens": READ - CACHED - 1, "outputTokens": WRITTEN, "totalTokens": READ + WRITTEN,
        "cacheReadInputTokens": CACHED, "cacheWriteInputTokens": 1,
    });
    frames.push(event("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 100}})));
    Reply::pieces(STREAM, frames)
}

pub(super) fn failure(status: u16, message: &str) -> Reply {
    Reply::pieces("application/json", [json!({"message": message}).to_string()]).with_status(status)
}

pub(super) fn fails_midway(message: &str) -> Reply {
    let kinds = [
        (":exception-type", "modelStreamErrorException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    let frames = [
        event("messageStart", &json!({"role": "assistant"})),
        delta(0, &json!({"text": "one "})),
        frame(&kinds, &json!({"message": message})),
    ];
    Reply::pieces(STREAM, frames)
}
