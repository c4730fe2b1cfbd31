use std::net::Ipv4Addr;

use clap::Parser;
use tokio::net::TcpListener;

use super::*;
use crate::{bare, model};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

async fn drive(url: String, extra: &[&str]) -> Report {
    let fixed =
        ["load", "--url", &url, "--connections", "4", "--seconds", "1", "--body", r#"{"message":"ping"}"#];
    let cli = Cli::try_parse_from(fixed.iter().chain(extra)).unwrap();
    run(&cli.args).await.unwrap()
}

/// The bare handler in front of the model server, as in a bench; returns both ports.
async fn servers(tasks: &mut JoinSet<Result<()>>) -> (u16, u16) {
    let (model, model_port) = listener().await;
    tasks.spawn(model::serve(model));
    let (bare, bare_port) = listener().await;
    tasks.spawn(async move { bare::serve(bare, &format!("http://127.0.0.1:{model_port}/v1")).await });
    (model_port, bare_port)
}

#[tokio::test]
async fn the_whole_path_answers_pong_without_an_error() {
    let mut tasks = JoinSet::new();
    let (_, port) = servers(&mut tasks).await;
    let report = drive(format!("http://127.0.0.1:{port}/v1/agents/a/invoke"), &["--expect", "pong"]).await;
    assert_eq!((report.errors, &report.first_error), (0, &None));
    assert!(report.requests > 4, "{report:?}");
}

#[tokio::test]
async fn a_rate_is_kept_and_not_exceeded() {
    let mut tasks = JoinSet::new();
    let (_, port) = servers(&mut tasks).await;
    let report = drive(format!("http://127.0.0.1:{port}/v1/agents/a/invoke"), &["--rate", "100"]).await;
    assert_eq!(report.errors, 0, "{report:?}");
    assert_eq!(report.requests, 100);
}

#[tokio::test]
async fn a_number_of_requests_is_shared_by_the_connections() {
    let mut tasks = JoinSet::new();
    let (_, port) = servers(&mut tasks).await;
    let url = format!("http://127.0.0.1:{port}/v1/agents/a/invoke");
    let with = |more: [&str; 2]| {
        let fixed = ["load", "--url", &url, "--body", r#"{"message":"ping"}"#, "--requests", "37"];
        Cli::try_parse_from(fixed.into_iter().chain(more)).unwrap().args
    };
    let report = run(&with(["--connections", "8"])).await.unwrap();
    assert_eq!((report.requests, report.errors), (37, 0), "{report:?}");
    let report = run(&with(["--status", "202"])).await.unwrap();
    assert_eq!((report.requests, report.errors), (37, 37), "{report:?}");
}

#[tokio::test]
async fn a_wrong_status_and_a_wrong_body_are_errors() {
    let mut tasks = JoinSet::new();
    let (model, bare) = servers(&mut tasks).await;
    let absent = drive(format!("http://127.0.0.1:{model}/nothing"), &["--rate", "20"]).await;
    assert_eq!((absent.requests, absent.errors), (20, 20), "{absent:?}");
    assert!(absent.first_error.unwrap().starts_with("status 404"));
    let other = drive(
        format!("http://127.0.0.1:{bare}/v1/agents/a/invoke"),
        &["--expect", "ping", "--rate", "20", "--header", "x-a: b"],
    )
    .await;
    assert_eq!(other.errors, 20, "{other:?}");
    assert!(other.first_error.unwrap().contains("pong"));
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_run_with_errors() {
    // Bound but not listening: refused, and nobody else gets the port meanwhile.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let report = drive(format!("http://127.0.0.1:{port}/"), &["--rate", "20"]).await;
    assert_eq!(report.errors, report.requests);
    assert!(report.first_error.unwrap().starts_with("connecting"));
}

#[tokio::test]
async fn latency_counts_from_the_due_time_when_the_connection_was_late() {
    let start = Instant::now();
    let mut pace = Pace { next: start, step: Duration::from_millis(20) };
    assert_eq!(pace.wait().await, start);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(pace.wait().await, start + Duration::from_millis(20));
    assert_eq!(pace.wait().await, start + Duration::from_millis(40));
    let waited = pace.wait().await;
    assert!(waited >= start + Duration::from_millis(60), "{:?}", waited - start);
}
