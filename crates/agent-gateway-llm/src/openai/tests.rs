//! What cannot be seen through a server: exact request bodies, and that no chunking of a stream matters.
use std::{collections::VecDeque, sync::Arc};

use agent_gateway_core::{
    ErrorKind,
    id::{ModelName, ToolName},
    message::{Arguments, Message, TokenUsage, ToolCall},
    ports::model::{
        CompletionFold, Delivery, FinishReason, MAX_CALLS_PER_ANSWER, ModelEvent, ModelRequest,
        function_declaration,
    },
    tool::{ToolSource, ToolSpec},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use super::{
    assemble::Assembler,
    chunk::Chunk,
    error::{Blame, Cause, KeyPlace, Quota, read_message},
    manners::Manners,
    request::{self, Service},
    sse::{Decoder, MAX_EVENT_BYTES},
};

fn model(name: &str) -> ModelName {
    ModelName::new(name).unwrap()
}

fn body_of(request: &ModelRequest, service: Service) -> Value {
    serde_json::from_slice(&request::body(request, service, Manners::default()).unwrap()).unwrap()
}

#[test]
fn a_request_becomes_the_wires_json() {
    let call = |text| ToolCall { id: "c1".into(), name: "add".into(), arguments: Arguments::parse(text) };
    let silent = Message::Assistant { content: "".into(), tool_calls: vec![call("{\"a\": 1}")] };
    let spoken = Message::Assistant { content: "so".into(), tool_calls: vec![call("{broken")] };
    let result = Message::Tool { call_id: "c1".into(), name: "add".into(), content: "3".into() };
    let messages =
        vec![Message::system("s"), Message::user("u"), silent, result, spoken, Message::assistant("")];
    let mut request = ModelRequest::new(model("m/x"), messages);
    request.temperature = Some(0.5);
    request.max_tokens = Some(7);
    let bare = body_of(&request, Service::Other);
    assert_eq!(bare.get("tools"), None);
    assert_eq!(
        bare,
        json!({
            "model": "m/x",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "3"},
                {"role": "assistant", "content": "so", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{\"_raw\":\"{broken\"}"}}]},
                {"role": "assistant", "content": ""},
            ],
            "temperature": 0.5,
            "max_tokens": 7,
            "stream": false,
        })
    );

    let schema = json!({"type": "object", "properties": {"a": {"type": "number"}}});
    let spec = ToolSpec::new(ToolName::new("add").unwrap(), "adds", schema, ToolSource::Code);
    request.tools = Arc::from([Arc::new(spec.clone())]);
    request.delivery = Delivery::Incremental;
    request.temperature = None;
    let streamed = body_of(&request, Service::Other);
    assert_eq!(streamed["tools"], json!([function_declaration(&spec)]));
    assert_eq!(streamed["stream_options"], json!({"include_usage": true}));
    assert_eq!(streamed["stream"], true);
    assert_eq!(streamed.get("temperature"), None);
    assert_eq!(body_of(&request, Service::Mistral).get("stream_options"), None);
}

#[test]
fn services_get_the_limits_that_they_accept() {
    let ask = |url: &str, name: &str| {
        let mut request = ModelRequest::new(model(name), vec![]);
        request.temperature = Some(0.1);
        request.max_tokens = Some(50_000);
        let body = body_of(&request, Service::at(&Url::parse(url).unwrap()));
        ["max_tokens", "max_completion_tokens", "temperature"]
            .map(|key| body.get(key).and_then(Value::as_f64))
    };
    let openai = "https://api.openai.com/v1";
    for name in ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5.4-nano", "gpt-6-sol", "gpt-10", "ft:o4-mini:x"] {
        assert_eq!(ask(openai, name), [None, Some(50_000.0), None], "{name}");
        assert_eq!(ask("http://127.0.0.1/v1", name), [Some(50_000.0), None, Some(0.1)], "{name}");
    }
    assert_eq!(ask(openai, "gpt-4o-mini"), [Some(16_384.0), None, Some(0.1)]);
    assert_eq!(ask(openai, "gpt-3.5-turbo"), [Some(4_096.0), None, Some(0.1)]);
    assert_eq!(ask(openai, "gpt-4-of-tomorrow"), [Some(50_000.0), None, Some(0.1)]);
    assert_eq!(ask("https://proxy.example/v1", "gpt-4o-mini"), [Some(50_000.0), None, Some(0.1)]);
}

/// Decodes and assembles a stream that arrives in these pieces.
fn events_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ModelEvent>, Cause> {
    let mut decoder = Decoder::default();
    let mut assembler = Assembler::new(model("asked"));
    let mut out = VecDeque::new();
    for piece in pieces {
        decoder.push(piece, |payload| {
            if payload == b"[DONE]" {
                return Ok(());
            }
            assembler.event(serde_json::from_slice(payload).unwrap(), None, &mut out)
        })?;
    }
    assembler.finish(&mut out)?;
    Ok(out.into())
}

fn payloads(text: &str) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    let mut keep = |payload: &[u8]| {
        found.push(String::from_utf8(payload.to_vec()).unwrap());
        Ok(())
    };
    decoder.push(text.as_bytes(), &mut keep).unwrap();
    found
}

#[test]
fn server_sent_events_are_read_as_specified() {
    let cases: &[(&str, &[&str])] = &[
        ("data: a\n\ndata:b\n\n", &["a", "b"]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &["a", "b", "c"]),
        ("\u{feff}data: a\n\n", &["a"]),
        ("data: a\ndata:  b\ndata\n\n", &["a\n b\n"]),
        (": ping\n\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", &["a"]),
        ("event: x\n\n\n\ndata:\n\n", &[""]),
        ("database: x\n\ndata: not over", &[]),
    ];
    for (text, expected) in cases {
        assert_eq!(payloads(text), *expected, "{text:?}");
    }
    let mut decoder = Decoder::default();
    decoder.push(b"data: a\n\ndata: [DONE]", |_| Ok(())).unwrap();
    assert_eq!(decoder.remainder(), b"[DONE]");
}

#[test]
fn one_event_has_a_bound() {
    let mut decoder = Decoder::default();
    let line = [b"data: ".as_slice(), &[b'x'; 1000], b"\n"].concat();
    let full = (0..=MAX_EVENT_BYTES / 1000).try_for_each(|_| decoder.push(&line, |_| Ok(())));
    assert!(matches!(full, Err(Cause::TooLarge { .. })), "{full:?}");
}

/// A stream with everything in it: several bytes to a character, comments, other line ends, interleaved calls.
fn sample() -> Vec<u8> {
    let delta = |delta: Value| json!({"model": "m-1", "choices": [{"index": 0, "delta": delta}]}).to_string();
    let call = |index: u64, text: &str| {
        delta(json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]}))
    };
    let open = |index: u64, id: &str, name: &str| {
        let function = json!({"name": name, "arguments": ""});
        delta(json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}))
    };
    let lines = [
        format!(": hello\r\n\r\ndata: {}\r\n\r\n", delta(json!({"role": "assistant", "content": ""}))),
        format!("event: x\ndata: {}\n\n", delta(json!({"content": "grüße 🌍 "}))),
        format!("data: {}\r\r", delta(json!({"content": "日本"}))),
        format!("data: {}\n\n", open(3, "a", "first")),
        format!("data:{}\n\n", open(7, "b", "second")),
        format!("data: {}\n\ndata: {}\n\n", call(7, "{\"k\":"), call(3, "{}")),
        format!("data: {}\n\n", call(7, "\"ü\"}")),
        format!("data: {}\n\n", json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})),
        // One payload in two lines.
        "data: {\"choices\": [],\ndata: \"usage\": {\"prompt_tokens\": 9, \"completion_tokens\": 4}}\n\n"
            .to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    lines.concat().into_bytes()
}

#[test]
fn a_stream_becomes_an_answer() {
    let sample = sample();
    let events = events_of([&*sample]).unwrap();
    let mut fold = CompletionFold::default();
    events.iter().try_for_each(|event| fold.push(event)).unwrap();
    let answer = fold.finish().unwrap();
    assert_eq!((&*answer.text, answer.model.as_str()), ("grüße 🌍 日本", "m-1"));
    let calls: Vec<_> =
        answer.tool_calls.iter().map(|call| (&*call.id, &*call.name, call.arguments.to_text())).collect();
    assert_eq!(calls, [("a", "first", "{}".to_owned()), ("b", "second", "{\"k\":\"ü\"}".to_owned())]);
    assert_eq!(answer.usage, TokenUsage { input_tokens: 9, output_tokens: 4, cached_input_tokens: 0 });
    assert_eq!(answer.reason, FinishReason::ToolCalls);
}

proptest! {
    #[test]
    fn no_chunking_matters(mut cuts in prop::collection::vec(0..sample().len(), 0..80)) {
        let sample = sample();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&sample[from..cut]);
            from = cut;
        }
        pieces.push(&sample[from..]);
        prop_assert_eq!(events_of(pieces).unwrap(), events_of([&*sample]).unwrap());
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut decoder = Decoder::default();
        let mut assembler = Assembler::new(model("asked"));
        let mut out = VecDeque::new();
        let _ = decoder.push(&bytes, |payload| {
            if let Ok(chunk) = serde_json::from_slice(payload) {
                assembler.event(chunk, None, &mut out)?;
            }
            Ok(())
        });
        let _ = assembler.finish(&mut out);
    }
}

/// The calls of a stream whose `tool_calls` are these, one in each event.
fn calls_of(deltas: impl IntoIterator<Item = Value>) -> Result<Vec<(String, String, String)>, Cause> {
    let mut assembler = Assembler::new(model("asked"));
    let mut out = VecDeque::new();
    for delta in deltas {
        let chunk = json!({"choices": [{"delta": {"tool_calls": [delta]}}]});
        assembler.event(serde_json::from_value::<Chunk>(chunk).unwrap(), None, &mut out)?;
    }
    assembler.finish(&mut out)?;
    let mut fold = CompletionFold::default();
    out.iter().try_for_each(|event| fold.push(event)).unwrap();
    let answer = fold.finish().unwrap();
    assert_eq!(answer.reason, FinishReason::ToolCalls);
    let shown = |call: ToolCall| (call.id.to_string(), call.name.to_string(), call.arguments.to_text());
    Ok(answer.tool_calls.into_iter().map(shown).collect())
}

fn delta(index: impl Into<Option<u64>>, id: &str, name: &str, arguments: impl Into<Value>) -> Value {
    let arguments = arguments.into();
    let mut call = json!({"id": id, "function": {"name": name, "arguments": arguments}});
    if let Some(index) = index.into() {
        call["index"] = index.into();
    }
    call
}

fn shown(id: &str, name: &str, arguments: &str) -> (String, String, String) {
    (id.to_owned(), name.to_owned(), arguments.to_owned())
}

#[test]
fn odd_numberings_of_calls_are_understood() {
    let two = || vec![shown("a", "x", "{\"n\":1}"), shown("b", "y", "{\"n\":2}")];
    let object = |n: u64| json!({"n": n});
    // All with the number 0.
    let same = [delta(0, "a", "x", "{\"n\":1}"), delta(0, "b", "y", "{\"n\":2}")];
    assert_eq!(calls_of(same).unwrap(), two());
    // Without numbers, arguments as objects.
    let none = [delta(None, "a", "x", object(1)), delta(None, "b", "y", object(2))];
    assert_eq!(calls_of(none).unwrap(), two());
    // Without numbers, in pieces, and a huge number.
    let pieces =
        [delta(None, "a", "x", "{\"n\""), delta(None, "", "", ":1}"), delta(u64::MAX, "b", "y", "{\"n\":2}")];
    assert_eq!(calls_of(pieces).unwrap(), two());
    // A name that comes late, and names and ids that are repeated.
    let late = [
        delta(0, "a", "", "{\"n\""),
        delta(0, "a", "x", ":"),
        delta(0, "a", "x", "1}"),
        delta(1, "b", "y", object(2)),
    ];
    assert_eq!(calls_of(late).unwrap(), two());
    // One id for two calls names neither.
    let twice = [delta(0, "a", "x", "{}"), delta(1, "a", "y", "{}")];
    assert_eq!(calls_of(twice).unwrap(), [shown("a", "x", "{}"), shown("call_1", "y", "{}")]);
}

#[test]
fn too_many_and_nameless_calls_are_refused() {
    let many = (0..=MAX_CALLS_PER_ANSWER as u64).map(|index| delta(index, "", "x", Value::Null));
    assert!(matches!(calls_of(many), Err(Cause::Garbage { .. })));
    assert!(matches!(calls_of([delta(0, "a", "", "{}")]), Err(Cause::Garbage { .. })));
}

#[test]
fn messages_of_providers_are_short_lines_without_the_key() {
    let read = |body: Value| read_message(&body, Some("sk-secret-key")).0.unwrap_or_default();
    assert_eq!(
        read(json!({"error": {"message": "no\n model \u{7}x sk-secret-key"}})),
        "no model x [redacted]"
    );
    assert_eq!(read(json!([{"error": {"message": "listed", "code": 400}}])), "listed");
    assert_eq!(read(json!({"error": "plain"})), "plain");
    assert_eq!(read(json!({"message": {"detail": [{"msg": "extra", "loc": []}]}})), "extra");
    assert_eq!(read(json!({"detail": [{"msg": "first"}, {"msg": "second"}]})), "first");
    assert_eq!(read(json!({"error": {"message": "ü".repeat(1000)}})).chars().count(), 300);
    assert_eq!(read(json!({"unrelated": 1})), "");
    let used_up = json!({"error": {"message": "m", "code": "insufficient_quota"}});
    assert_eq!(read_message(&used_up, None).1, Quota::UsedUp);
}

const BLAME: Blame<'_> = Blame { provider: "p", key_place: &KeyPlace::Unknown, attempts: 1 };

#[test]
fn errors_inside_answers_keep_their_kind() {
    let kind = |error: Value| Cause::reported(&error, None).into_error(&BLAME, None).kind();
    assert_eq!(kind(json!({"code": 429, "message": "slow"})), ErrorKind::RateLimited);
    assert_eq!(kind(json!({"code": "503"})), ErrorKind::Unavailable);
    assert_eq!(
        kind(json!({"type": "invalid_request_error", "code": "context_length_exceeded"})),
        ErrorKind::Invalid
    );
    assert_eq!(kind(json!({"type": "server_error"})), ErrorKind::Unavailable);
}
