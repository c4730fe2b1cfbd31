//! Tools that are HTTP calls, against servers on loopback.
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    id::ToolName,
    ports::tool::{Tool, ToolFactory},
    secret::Secret,
    tool::{Handler, HttpHandler, HttpReach, ToolDefinition, ToolOutput, ToolSource, ToolSpec},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{Bench, call, error, value};

/// A server that keeps what it is sent, and answers from a list; the last answer is repeated.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
    _task: JoinSet<()>,
}

#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Server {
    async fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let task = JoinSet::from_iter([async move {
            let mut answers: VecDeque<_> = answers.into();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                // The client may hang up first.
                serve(stream, &answer.unwrap_or_default(), &kept).await.ok();
            }
        }]);
        Self { port, seen, _task: task }
    }

    fn url(&self, rest: &str) -> String {
        format!("http://127.0.0.1:{}{rest}", self.port)
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, answer: &[u8], seen: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_owned(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8(body).unwrap();
    seen.lock().unwrap().push(Request { line: line.trim().to_owned(), headers, body });
    stream.write_all(answer).await?;
    stream.shutdown().await
}

fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body)
}

fn handler(method: &str, url: &str) -> HttpHandler {
    HttpHandler {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: BTreeMap::new(),
        body: None,
        timeout: Duration::from_secs(10),
        reach: HttpReach::Private,
    }
}

fn build(bench: &Bench, handler: HttpHandler) -> Result<Arc<dyn Tool>> {
    let parameters = json!({
        "type": "object",
        "properties": {"city": {}, "day": {}, "units": {}, "tags": {}, "note": {}, "deep": {}},
    });
    let spec = ToolSpec::new(ToolName::new("probe").unwrap(), "Probes.", parameters, ToolSource::File);
    bench.tools.build(&ToolDefinition::new("probe", spec, Handler::Http(handler)))
}

fn tool(handler: HttpHandler) -> Arc<dyn Tool> {
    build(&Bench::new(), handler).unwrap()
}

#[tokio::test]
async fn placeholders_are_encoded_and_the_rest_becomes_the_query() {
    let server = Server::start(vec![ok(r#"{"degrees": 3}"#)]).await;
    let tool = tool(handler("GET", &server.url("/v1/{city}/now?day={day}&units={units}#part")));
    let arguments =
        json!({"city": "São /?#&Paulo", "day": "a b&c", "tags": ["x y", 2], "note": null, "deep": {"k": 1}});
    assert_eq!(value(&tool, arguments).await, json!({"degrees": 3}));
    assert_eq!(
        server.seen()[0].line,
        "GET /v1/S%C3%A3o%20%2F%3F%23%26Paulo/now?day=a%20b%26c&tags=x%20y&tags=2&deep=%7B%22k%22%3A1%7D HTTP/1.1"
    );
}

#[tokio::test]
async fn an_argument_cannot_leave_its_place_in_the_path() {
    let server = Server::start(vec![ok("1")]).await;
    let tool = tool(handler("GET", &server.url("/v1/{city}/now")));
    for city in ["..", ".", ""] {
        assert_eq!(error(&tool, json!({"city": city})).await.kind(), ErrorKind::Invalid, "{city:?}");
    }
    let missing = error(&tool, json!({})).await;
    assert!(missing.message().contains("`city` is needed"), "{missing}");
    assert!(server.seen().is_empty());
    assert_eq!(value(&tool, json!({"city": "../admin"})).await, json!(1));
    assert_eq!(server.seen()[0].line, "GET /v1/..%2Fadmin/now HTTP/1.1");
}

#[tokio::test]
async fn headers_hold_arguments_and_variables() {
    let server = Server::start(vec![ok("1")]).await;
    let mut handler = handler("GET", &server.url("/"));
    handler.headers = BTreeMap::from([
        ("Authorization".to_owned(), Secret::new("Bearer ${API_TOKEN}")),
        ("X-City".to_owned(), Secret::new("{city}")),
        ("X-Day".to_owned(), Secret::new("{day}")),
    ]);
    let tool = tool(handler);
    value(&tool, json!({"city": "Ærø"})).await;
    let seen = &server.seen()[0];
    assert_eq!(seen.headers["authorization"], "Bearer tok-abc-123");
    assert_eq!(seen.headers["x-city"], "Ærø");
    assert!(!seen.headers.contains_key("x-day"));
    assert_eq!(seen.line, "GET / HTTP/1.1", "an argument that a header uses is not in the query");
    assert_eq!(error(&tool, json!({"city": "a\r\nX-Evil: 1"})).await.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_body_keeps_the_types_of_arguments() {
    let server = Server::start(vec![ok("1")]).await;
    let mut handler = handler("POST", &server.url("/"));
    handler.body = Some(json!({
        "place": {"name": "{city}", "text": "in {city} on {day}", "tags": "{tags}"},
        "list": ["{deep}", "{note}", 5], "units": "{units}", "query": "{ user{name} }", "fixed": true,
    }));
    let tool = tool(handler);
    value(&tool, json!({"city": "Oslo", "day": 3, "tags": [1, "x"], "deep": {"k": null}})).await;
    let seen = &server.seen()[0];
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(
        serde_json::from_str::<Value>(&seen.body).unwrap(),
        json!({
            "place": {"name": "Oslo", "text": "in Oslo on 3", "tags": [1, "x"]},
            "list": [{"k": null}, null, 5], "query": "{ user{name} }", "fixed": true,
        })
    );
}

#[tokio::test]
async fn without_a_body_the_rest_of_the_arguments_is_the_body() {
    let server = Server::start(vec![ok("1")]).await;
    for method in ["POST", "PUT", "PATCH"] {
        let tool = tool(handler(method, &server.url("/{city}")));
        value(&tool, json!({"city": "Oslo", "day": 1, "deep": [{}]})).await;
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.line, format!("{method} /Oslo HTTP/1.1"));
        assert_eq!(seen.body, r#"{"day":1,"deep":[{}]}"#);
    }
    let tool = tool(handler("DELETE", &server.url("/{city}")));
    value(&tool, json!({"city": "Oslo", "day": 1})).await;
    let seen = server.seen().pop().unwrap();
    assert_eq!((seen.line.as_str(), seen.body.as_str()), ("DELETE /Oslo?day=1 HTTP/1.1", ""));
}

#[tokio::test]
async fn the_content_type_chooses_the_form_of_the_body() {
    let server = Server::start(vec![ok("1")]).await;
    for (kind, body, wanted) in [
        ("application/x-www-form-urlencoded", json!({"a": "{city}", "b": 1}), "a=S+%26&b=1"),
        ("text/plain", json!("in {city}"), "in S &"),
        ("application/vnd.api+json", json!("in {city}"), "\"in S &\""),
    ] {
        let mut handler = handler("POST", &server.url("/"));
        handler.headers.insert("Content-Type".into(), Secret::new(kind));
        handler.body = Some(body);
        value(&tool(handler), json!({"city": "S &"})).await;
        let seen = server.seen().pop().unwrap();
        assert_eq!((seen.headers["content-type"].as_str(), seen.body.as_str()), (kind, wanted));
    }
}

#[tokio::test]
async fn loopback_is_refused_unless_the_operator_allowed_it() {
    let server = Server::start(vec![ok("1")]).await;
    let bench = Bench::new();
    let public = |url: &str| HttpHandler { reach: HttpReach::Public, ..handler("GET", url) };
    let refused = build(&bench, public(&server.url("/"))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);

    // A name is judged by what it resolves to, at the call.
    let named = format!("http://localhost:{}/", server.port);
    let by_name = build(&bench, public(&named)).unwrap();
    let refused = error(&by_name, json!({})).await;
    assert_eq!(refused.kind(), ErrorKind::Forbidden, "{refused}");
    assert!(refused.message().contains("localhost"), "{refused}");
    assert!(server.seen().is_empty());

    let allowed = build(&bench, handler("GET", &named)).unwrap();
    assert_eq!(value(&allowed, json!({})).await, json!(1));
}

#[tokio::test]
async fn definitions_that_cannot_make_a_call_are_refused_when_built() {
    let bench = Bench::new();
    for url in [
        "ftp://example.org/",
        "example.org/x",
        "http://{city}/x",
        "http://example.org{city}",
        "{city}",
        "http://u:p@example.org/",
        "http://example.org/{unknown}",
        "http://example.org/${UNSET_VARIABLE}",
        "http://169.254.169.254/",
    ] {
        assert!(build(&bench, handler("GET", url)).is_err(), "{url}");
    }
    for method in ["TRACE", "CONNECT", "get", ""] {
        assert!(build(&bench, handler(method, "http://example.org/")).is_err(), "{method}");
    }
    for header in ["Content-Length", "Transfer-Encoding", "not a name"] {
        let mut handler = handler("GET", "http://example.org/");
        handler.headers.insert(header.into(), Secret::new("1"));
        assert!(build(&bench, handler).is_err(), "{header}");
    }
    assert!(build(&bench, handler("GET", "https://example.org")).is_ok());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Server::start(vec![ok("1")]).await;
    let location = format!("location: {}\r\n", target.url("/inside"));
    let server = Server::start(vec![answer("302 Found", &location, "")]).await;
    let error = error(&tool(handler("GET", &server.url("/"))), json!({})).await;
    assert!(error.message().contains("302") && error.message().contains("not followed"), "{error}");
    assert!(target.seen().is_empty());
}

#[tokio::test]
async fn a_failed_status_is_an_error_with_the_body() {
    let body = r#"{"detail": "no such city; you sent Bearer tok-abc-123"}"#;
    let server =
        Server::start(vec![answer("404 Not Found", "content-type: application/json\r\n", body)]).await;
    let mut handler = handler("GET", &server.url("/"));
    handler.headers.insert("Authorization".into(), Secret::new("Bearer ${API_TOKEN}"));
    let error = error(&tool(handler), json!({})).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("404") && error.message().contains("no such city"), "{error}");
    assert!(!error.message().contains("tok-abc-123"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn reads_are_tried_twice_and_writes_once() {
    let broken = || answer("503 Service Unavailable", "", "later");
    let server = Server::start(vec![broken(), ok("1")]).await;
    assert_eq!(value(&tool(handler("GET", &server.url("/"))), json!({})).await, json!(1));
    assert_eq!(server.seen().len(), 2);

    let server = Server::start(vec![Vec::new(), ok("1")]).await;
    assert_eq!(value(&tool(handler("GET", &server.url("/"))), json!({})).await, json!(1));

    let server = Server::start(vec![broken(), ok("1")]).await;
    let failed = error(&tool(handler("POST", &server.url("/"))), json!({})).await;
    assert!(failed.message().contains("503") && failed.message().contains("later"), "{failed}");
    assert_eq!(server.seen().len(), 1);

    let server = Server::start(vec![broken()]).await;
    assert_eq!(
        error(&tool(handler("GET", &server.url("/"))), json!({})).await.kind(),
        ErrorKind::Unavailable
    );
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_without_the_url() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let tool = tool(handler("GET", &format!("http://127.0.0.1:{free}/?key=${{API_TOKEN}}")));
    let error: Error = error(&tool, json!({})).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(!format!("{error:?} {error}").contains("tok-abc-123"), "{error:?}");
}

#[tokio::test]
async fn responses_have_a_limit() {
    let large = "x".repeat((1 << 20) + 1);
    let lying = {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        [head.as_bytes(), large.as_bytes()].concat()
    };
    for bytes in [answer("200 OK", "", &large), lying] {
        let server = Server::start(vec![bytes]).await;
        let error = error(&tool(handler("GET", &server.url("/"))), json!({})).await;
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
    let server = Server::start(vec![answer("200 OK", "", &large[1..])]).await;
    assert!(call(&tool(handler("GET", &server.url("/"))), json!({})).await.is_ok());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut handler = handler("GET", &format!("http://{}/", listener.local_addr().unwrap()));
    handler.timeout = Duration::from_millis(200);
    let error = error(&tool(handler), json!({})).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("200ms"), "{error}");
}

#[tokio::test]
async fn the_answer_is_json_where_the_server_says_so_and_text_elsewhere() {
    let kind = |kind: &str| format!("content-type: {kind}\r\n");
    for (bytes, wanted) in [
        (answer("200 OK", &kind("application/json; charset=utf-8"), "[1]"), ToolOutput::Json(json!([1]))),
        (answer("200 OK", &kind("application/problem+json"), "{}"), ToolOutput::Json(json!({}))),
        (answer("200 OK", &kind("application/json"), "oops"), ToolOutput::Text("oops".into())),
        (answer("200 OK", &kind("text/html"), "[1]"), ToolOutput::Text("[1]".into())),
        (answer("200 OK", &kind("text/plain"), b"caf\xe9"), ToolOutput::Text("caf\u{fffd}".into())),
        (answer("204 No Content", "", ""), ToolOutput::Json(Value::Null)),
    ] {
        let server = Server::start(vec![bytes]).await;
        assert_eq!(call(&tool(handler("GET", &server.url("/"))), json!({})).await.unwrap(), wanted);
    }
    let server = Server::start(vec![answer("200 OK", &kind("image/png"), b"\x89PNG\xff")]).await;
    let error = error(&tool(handler("GET", &server.url("/"))), json!({})).await;
    assert!(error.message().contains("image/png"), "{error}");
}
