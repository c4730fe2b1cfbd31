use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{ModelServer, Reply};

/// Asks with a fresh connection and gives everything that came until it closed.
async fn ask(server: &ModelServer, body: &Value) -> String {
    let mut socket = send(server, body).await;
    let mut answer = Vec::new();
    // A cut connection is an answer too.
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn send(server: &ModelServer, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: test\r\nx-probe: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn answers_in_order_and_remembers() {
    let server = ModelServer::start().await;
    server.reply(Reply::text("one")).reply(Reply::status(429).header("retry-after", "3"));
    server.default_reply(Reply::text("always"));

    assert!(ask(&server, &json!({"model": "a"})).await.contains("\"content\":\"one\""));
    let second = ask(&server, &json!({"model": "b"})).await;
    assert!(second.starts_with("HTTP/1.1 429") && second.contains("retry-after: 3"), "{second}");
    for _ in 0..2 {
        assert!(ask(&server, &json!({})).await.contains("always"));
    }

    let asked = server.wait_for_requests(4).await;
    assert_eq!(asked[1].body["model"], "b");
    assert_eq!(asked[0].header("x-probe"), Some("1"));
}

#[tokio::test]
async fn a_script_without_replies_refuses() {
    let server = ModelServer::start().await;
    let answer = ask(&server, &json!({})).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("no reply left"), "{answer}");
}

#[tokio::test]
async fn a_closure_sees_the_request() {
    let server = ModelServer::with(|request| Reply::text(format!("you are {}", request["model"]))).await;
    assert!(ask(&server, &json!({"model": "x"})).await.contains("you are \\\"x\\\""));
}

#[tokio::test]
async fn streams_interleave_tool_calls_and_end_with_usage() {
    let server = ModelServer::start().await;
    let calls = [("a", json!({"k": "first"})), ("b", json!("{broken"))];
    server.reply(Reply::tool_calls(calls).message("so be it").usage(7, 3));
    let answer = ask(&server, &json!({"stream": true, "stream_options": {"include_usage": true}})).await;
    let position = |text: &str| answer.find(text).unwrap_or_else(|| panic!("{text} is not in {answer}"));
    let order = [
        position("\"content\":\"so \""),
        position("\"id\":\"call_1_0\""),
        position("\"id\":\"call_1_1\""),
        position("{\"index\":0,\"function\":{\"arguments\":"),
        position("{\"index\":1,\"function\":{\"arguments\":\"{br\"}"),
        position("\"finish_reason\":\"tool_calls\""),
        position("\"prompt_tokens\":7"),
        position("data: [DONE]"),
    ];
    assert!(order.is_sorted(), "{order:?} in {answer}");
}

#[tokio::test]
async fn a_cut_answer_has_no_end_and_is_flushed() {
    let server = ModelServer::start().await;
    server.reply(Reply::cut_after(2)).reply(Reply::text("x").cut(2));
    let answer = ask(&server, &json!({"stream": true})).await;
    assert!(
        answer.contains("this ") && !answer.contains("DONE") && !answer.ends_with("0\r\n\r\n"),
        "{answer}"
    );
    let whole = ask(&server, &json!({})).await;
    assert!(whole.contains("chatcmpl-2") && !whole.contains("usage"), "{whole}");
}

#[tokio::test]
async fn tells_when_a_client_went_away() {
    let server = ModelServer::start().await;
    server.reply(Reply::hang()).reply(Reply::text("a b c").stall(2));
    for count in 1..=2 {
        let socket = send(&server, &json!({"stream": true})).await;
        server.wait_for_requests(count).await;
        drop(socket);
        server.wait_for_abandoned(count).await;
    }
}
