use std::net::Ipv4Addr;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::*;
use crate::model::DELTAS;
use crate::{bare, model};

#[derive(Parser)]
struct Load {
    #[command(flatten)]
    args: Args,
}

#[derive(Parser)]
struct Hold {
    #[command(flatten)]
    args: HoldArgs,
}

const BODY: &str = r#"{"message":"count","options":{"stream":true}}"#;

fn args(port: u16) -> Args {
    let url = url(port);
    let fixed = ["streams", "--url", &url, "--connections", "4", "--seconds", "1", "--body", BODY];
    Load::try_parse_from(fixed).unwrap().args
}

fn hold_args(port: u16, extra: &[&str]) -> HoldArgs {
    let url = url(port);
    let fixed = ["hold", "--url", &url, "--body", BODY];
    Hold::try_parse_from(fixed.iter().chain(extra)).unwrap().args
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/v1/agents/a/chat")
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// The relay in front of the model server, as in a bench; returns both ports.
async fn servers(tasks: &mut JoinSet<Result<()>>) -> (u16, u16) {
    let (model, model_port) = listener().await;
    tasks.spawn(model::serve(model));
    let (bare, bare_port) = listener().await;
    tasks.spawn(async move { bare::serve(bare, &format!("http://127.0.0.1:{model_port}/v1")).await });
    (model_port, bare_port)
}

async fn play(model: u16, script: &'static str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{model}/script");
    client.put(url).body(script).send().await.unwrap().status().as_u16()
}

async fn waiting(model: u16) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{model}/waiting");
    client.get(url).send().await.unwrap().text().await.unwrap()
}

/// A server that answers every request with the same bytes.
async fn fixed(tasks: &mut JoinSet<Result<()>>, answer: String) -> u16 {
    let (listener, port) = listener().await;
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                stream.write_all(answer.as_bytes()).await?;
            }
        }
    });
    port
}

#[tokio::test]
async fn the_relay_streams_every_delta_of_the_model() {
    let mut tasks = JoinSet::new();
    let (model, bare) = servers(&mut tasks).await;
    assert_eq!(play(model, r#"{"says":"deltas"}"#).await, 204);
    let report = run(&args(bare)).await.unwrap();
    assert_eq!((report.whole.errors, &report.whole.first_error), (0, &None));
    assert!(report.whole.requests > 4, "{report:?}");
    assert_eq!(report.first.requests, report.whole.requests);
    let told: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert!(told["streams_per_s"].as_f64().unwrap() > 4.0, "{told}");
}

#[tokio::test]
async fn the_first_token_does_not_wait_for_the_rest() {
    let mut tasks = JoinSet::new();
    let (model, bare) = servers(&mut tasks).await;
    assert_eq!(play(model, r#"{"says":"deltas","pauses_ms":[0,200,0]}"#).await, 204);
    let report = run(&args(bare)).await.unwrap();
    assert_eq!(report.whole.first_error, None);
    assert!(report.whole.p50_ms >= 200.0, "{report:?}");
    assert!(report.first.p50_ms < report.whole.p50_ms - 100.0, "{report:?}");
}

#[tokio::test]
async fn another_number_of_tokens_is_an_error() {
    let mut tasks = JoinSet::new();
    let (_, bare) = servers(&mut tasks).await;
    // The model says "pong" as long as nobody tells it to count.
    let report = run(&args(bare)).await.unwrap();
    assert_eq!(report.whole.errors, report.whole.requests);
    assert!(report.whole.first_error.unwrap().contains("token 1"));
    let mut events: String = DELTAS
        .iter()
        .take(19)
        .map(|delta| format!("event: token\ndata: {{\"content\":\"{delta}\"}}\n\n"))
        .collect();
    events.push_str("event: done\ndata: {}\n\n");
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{events}\r\n0\r\n\r\n",
        events.len()
    );
    let port = fixed(&mut tasks, answer).await;
    let report = run(&args(port)).await.unwrap();
    assert_eq!(report.whole.errors, report.whole.requests);
    assert!(report.whole.first_error.unwrap().contains("19 of 20"));
}

#[tokio::test]
async fn a_script_that_cannot_be_read_is_refused() {
    let mut tasks = JoinSet::new();
    let (model, _) = servers(&mut tasks).await;
    assert_eq!(play(model, r#"{"gate":"ajar"}"#).await, 400);
}

#[tokio::test]
async fn held_streams_are_all_open_before_any_of_them_goes_on() {
    let mut tasks = JoinSet::new();
    let (model, bare) = servers(&mut tasks).await;
    assert_eq!(play(model, r#"{"says":"deltas","gate":"closed"}"#).await, 204);
    let (told, all_open) = oneshot::channel();
    let holding = tokio::task::JoinSet::from_iter([async move {
        let args = hold_args(bare, &["--streams", "100", "--opened", "head", "--patience", "60"]);
        hold(&args, || told.send(()).unwrap()).await
    }]);
    all_open.await.unwrap();
    assert_eq!(waiting(model).await, "100");
    assert_eq!(play(model, r#"{"says":"deltas"}"#).await, 204);
    let reports = holding.join_all().await;
    assert_eq!(reports[0].as_deref().unwrap(), r#"{"streams":100}"#);
}

#[tokio::test]
async fn streams_that_do_not_open_fail_the_run() {
    let mut tasks = JoinSet::new();
    let port = fixed(&mut tasks, "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy".into()).await;
    let error = hold(&hold_args(port, &["--streams", "1"]), || panic!("open")).await.unwrap_err();
    assert!(format!("{error:#}").contains("503"), "{error:#}");
    let (model, bare) = servers(&mut tasks).await;
    assert_eq!(play(model, r#"{"says":"deltas"}"#).await, 204);
    let early = hold(&hold_args(bare, &["--streams", "1"]), || panic!("open")).await.unwrap_err();
    assert!(format!("{early:#}").contains("while the model was silent"), "{early:#}");
}
