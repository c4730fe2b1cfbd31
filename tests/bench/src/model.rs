//! A model server without delay: every completion is the same few bytes, ready before the request came. A streamed
//! one may follow a script, which `PUT /script` changes; `GET /waiting` tells how many answers its gate holds.
//! `GET /tool` is what a tool may ask: the cheapest one there is.

mod script;

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use futures::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) use script::DELTAS;
use script::{Says, Script, Stage};

use crate::response::find;

const EVENTS: &str = "text/event-stream";
const COMPLETION: &[u8] = br#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench-model","choices":[{"index":0,"message":{"role":"assistant","content":"pong"},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13}}"#;

/// The same answer in three events, sent in one piece.
const STREAM: &[u8] = b"data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"pong\"},\"finish_reason\":null}]}\n\n\
data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":1,\"total_tokens\":13}}\n\n\
data: [DONE]\n\n";

/// What the tool says, and how the model knows that it was asked.
const TOOL_ANSWER: &[u8] = b"the tool was here";

/// The name of the tool is that of its folder in the workspace.
const CALL: &[u8] = br#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench-model","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_bench","type":"function","function":{"name":"look","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":12,"completion_tokens":1,"total_tokens":13}}"#;

/// The same in three events.
const CALL_STREAM: &[u8] = b"data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"tool_calls\":[{\"index\":0,\"id\":\"call_bench\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}\n\n\
data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n\
data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench-model\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":1,\"total_tokens\":13}}\n\n\
data: [DONE]\n\n";

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener) -> Result<()> {
    let stage = Arc::new(Stage::new(Script::default()));
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mut http = http1::Builder::new();
        http.pipeline_flush(true);
        let stage = stage.clone();
        // A client that goes away is its own affair.
        connections.spawn(async move {
            let service = service_fn(move |request| answer(stage.clone(), request));
            drop(http.serve_connection(TokioIo::new(stream), service).await)
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(stage: Arc<Stage>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // Read to the end, or the connection could not be used again.
    let Ok(body) = request.into_body().collect().await else {
        return Ok(with_status(StatusCode::BAD_REQUEST));
    };
    let body = body.to_bytes();
    Ok(match (method, path.as_str()) {
        (Method::POST, "/v1/chat/completions") => completion(&stage, &body),
        (Method::GET, "/tool") => whole(Bytes::from_static(TOOL_ANSWER), "text/plain"),
        (Method::GET, "/healthz") => with_status(StatusCode::OK),
        (Method::GET, "/waiting") => whole(stage.waiting().to_string().into(), "text/plain"),
        (Method::PUT, "/script") => match serde_json::from_slice(&body) {
            Ok(script) => {
                stage.play(script);
                with_status(StatusCode::NO_CONTENT)
            }
            Err(error) => {
                let mut refusal = whole(error.to_string().into(), "text/plain");
                *refusal.status_mut() = StatusCode::BAD_REQUEST;
                refusal
            }
        },
        _ => with_status(StatusCode::NOT_FOUND),
    })
}

fn completion(stage: &Stage, body: &[u8]) -> Answer {
    let says = stage.says();
    let calls = says == Says::CallFirst && find(body, TOOL_ANSWER).is_none();
    if !wants_stream(body) {
        return whole(Bytes::from_static(if calls { CALL } else { COMPLETION }), "application/json");
    }
    match says {
        Says::CallFirst if calls => whole(Bytes::from_static(CALL_STREAM), EVENTS),
        Says::Pong | Says::CallFirst => whole(Bytes::from_static(STREAM), EVENTS),
        Says::Deltas => {
            let body = StreamBody::new(stage.answer().map_ok(Frame::data));
            let mut response = Response::new(body.boxed_unsync());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
            response
        }
    }
}

fn whole(bytes: Bytes, kind: &'static str) -> Answer {
    let mut response = Response::new(Full::new(bytes).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn with_status(status: StatusCode) -> Answer {
    let mut response = Response::new(Full::default().boxed_unsync());
    *response.status_mut() = status;
    response
}

/// Looks for `"stream": true` without parsing: inside a JSON string the quotes would be escaped.
fn wants_stream(body: &[u8]) -> bool {
    const KEY: &[u8] = b"\"stream\"";
    body.windows(KEY.len()).enumerate().filter(|(_, window)| *window == KEY).any(|(at, _)| {
        let rest = body.get(at + KEY.len()..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    })
}

#[cfg(test)]
mod tests {
    use hyper::body::Body;

    use super::*;

    #[test]
    fn a_stream_is_asked_for_by_the_key_and_not_by_a_message() {
        assert!(wants_stream(br#"{"model":"m","stream":true}"#));
        assert!(wants_stream(br#"{"stream" : true, "stream_options":{"include_usage":true}}"#));
        assert!(!wants_stream(br#"{"stream":false,"stream_options":{"include_usage":true}}"#));
        assert!(!wants_stream(br#"{"messages":[{"content":"\"stream\":true"}]}"#));
        assert!(!wants_stream(br#"{"stream"#));
    }

    #[test]
    fn a_tool_is_called_until_its_answer_is_brought() {
        let whole: serde_json::Value = serde_json::from_slice(CALL).unwrap();
        let called = &whole["choices"][0]["message"]["tool_calls"][0]["function"];
        let text = std::str::from_utf8(CALL_STREAM).unwrap();
        let first = text.split("\n\n").next().unwrap().strip_prefix("data: ").unwrap();
        let chunk: serde_json::Value = serde_json::from_str(first).unwrap();
        assert_eq!(&chunk["choices"][0]["delta"]["tool_calls"][0]["function"], called);
        let stage = Stage::new(serde_json::from_str(r#"{"says":"call_first"}"#).unwrap());
        let length = |body: &[u8]| completion(&stage, body).body().size_hint().exact().unwrap();
        assert_eq!(length(br#"{"messages":[]}"#), CALL.len() as u64);
        assert_eq!(length(br#"{"messages":["the tool was here"]}"#), COMPLETION.len() as u64);
        assert_eq!(length(br#"{"stream":true}"#), CALL_STREAM.len() as u64);
        assert_eq!(length(br#"{"stream":true,"messages":["the tool was here"]}"#), STREAM.len() as u64);
    }

    #[test]
    fn both_answers_are_valid_json_and_say_the_same() {
        let whole: serde_json::Value = serde_json::from_slice(COMPLETION).unwrap();
        assert_eq!(whole["choices"][0]["message"]["content"], "pong");
        let text = std::str::from_utf8(STREAM).unwrap();
        let events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        let (last, chunks) = events.split_last().unwrap();
        assert_eq!(*last, "[DONE]");
        let chunks: Vec<serde_json::Value> =
            chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
        assert_eq!(chunks[0]["choices"][0]["delta"]["content"], "pong");
        assert_eq!(chunks[2]["usage"], whole["usage"]);
    }
}
