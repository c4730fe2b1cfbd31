//! Clients that others wrote: each reads a stream whose line breaks in the middle, comes back, and misses nothing.
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::{
    cable::Cable,
    process::{Server, Workspace},
    sse::{Connection, Event, Seen, last_message},
};

/// Behind how many events the line breaks.
const BREAK: usize = 3;

struct World {
    server: Server,
    cable: Cable,
    _model: ModelServer,
    _workspace: Workspace,
}

impl World {
    /// A model that says some words, wants a tool that there is not, and after a while says some more.
    async fn new() -> Self {
        let model = ModelServer::with(|body| match last_message(body).0.as_str() {
            "tool" => Reply::text("five \u{1f600} seven").delay(Duration::from_millis(300)),
            _ => Reply::tool_calls([("nothing", json!({"a": "ä"}))]).message("one two three four "),
        })
        .await;
        let workspace = Workspace::helper();
        let server = workspace.serve_with_model(&model.url());
        let cable = Cable::to(server.port(), BREAK).await;
        Self { server, cable, _model: model, _workspace: workspace }
    }

    /// What a client has seen over all its connections is what there was to see, once.
    async fn check(&self, seen: &Seen) {
        let path = format!("/v1/executions/{}/events", seen.execution());
        let request = crate::process::client().get(self.server.url(&path));
        let mut whole = Seen::default();
        whole.drain(Connection::open(request).await).await;
        let others = |seen: &Seen| -> Vec<Event> {
            seen.0.iter().filter(|event| event.name != "token").cloned().collect()
        };
        assert_eq!(seen.text(), "one two three four five \u{1f600} seven", "{seen:#?}");
        assert_eq!(others(seen), others(&whole));
        assert_eq!(seen.status(), "completed");
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(name)
}

/// Runs a client to its end, without holding up the test's own servers.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a client printed about what it saw.
fn report(output: &Output) -> (Value, Seen) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let events = report["seen"].as_array().unwrap().iter().map(|event| Event {
        id: text(event, "id"),
        name: text(event, "name"),
        data: serde_json::from_str(&text(event, "data")).unwrap(),
    });
    let seen = Seen(events.collect());
    (report, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_reads_a_stream_and_comes_back() {
    agent_gateway_testkit::needs_program!("curl", "clients::curl_reads_a_stream_and_comes_back");
    let world = World::new().await;
    let curl = || {
        let mut curl = Command::new("curl");
        curl.args(["--no-buffer", "--silent", "--show-error", "--fail-with-body", "--noproxy", "*"]);
        curl
    };
    let mut post = curl();
    let body = json!({"message": "go", "options": {"stream": true, "detach": true}}).to_string();
    post.args(["--json", &body]).arg(world.cable.url("/v1/agents/helper/chat"));
    let first = run(post).await;
    assert!(!first.status.success(), "the line did not break");
    let mut seen = Seen::read(&first.stdout);
    assert_eq!(seen.0.len(), BREAK, "{seen:?}");

    let mut back = curl();
    back.arg("--header").arg(format!("Last-Event-ID: {}", seen.last_id()));
    back.arg(world.cable.url(&format!("/v1/executions/{}/events", seen.execution())));
    let second = run(back).await;
    assert!(second.status.success(), "{second:?}");
    seen.0.extend(Seen::read(&second.stdout).0);
    world.check(&seen).await;
}

/// A Python that has httpx-sse: the one that is named, or the one that is there.
fn python() -> OsString {
    std::env::var_os("AGW_CLIENTS_PYTHON").unwrap_or_else(|| "python3".into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn httpx_sse_reads_a_stream_and_comes_back() {
    const TEST: &str = "clients::httpx_sse_reads_a_stream_and_comes_back";
    let asked = Command::new(python()).args(["-c", "import httpx_sse"]).output();
    if !asked.is_ok_and(|asked| asked.status.success()) {
        let reason = "the Python that AGW_CLIENTS_PYTHON names, else python3, has no httpx-sse";
        return agent_gateway_testkit::skip::skip("httpx-sse", TEST, reason);
    }
    let world = World::new().await;
    let mut client = Command::new(python());
    client.arg(file("httpx_client.py")).arg(world.cable.url("")).arg("helper");
    let (report, seen) = report(&run(client).await);
    assert_eq!((&report["breaks"], world.cable.streams()), (&json!(1), 2));
    world.check(&seen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_reads_a_stream_and_comes_back_and_knows_the_end() {
    const TEST: &str = "clients::a_browser_reads_a_stream_and_comes_back_and_knows_the_end";
    agent_gateway_testkit::needs_program!("chromium", TEST);
    agent_gateway_testkit::needs_python!(TEST);
    let world = World::new().await;
    let body = json!({"message": "go", "options": {"async": true}});
    let (status, queued) = world.server.post("/v1/agents/helper/invoke", &body).await;
    assert_eq!(status, 202, "{queued}");
    let path = format!("{}/events", queued["poll_url"].as_str().unwrap());
    let script = std::fs::read_to_string(file("event_source.js")).unwrap().replace("PATH", &path);
    let mut browser = Command::new("python3");
    // The page of the documentation is of the gateway's own origin, and its policy lets it talk to the gateway.
    browser.arg(file("browser.py")).arg(world.cable.url("/docs")).arg(script);
    let (report, seen) = report(&run(browser).await);
    assert_eq!((&report["url"], &report["breaks"]), (&json!("/docs"), &json!(2)), "{report:#}");
    // The stream, its rest, and whether there is more: there is not.
    assert_eq!(world.cable.streams(), 3);
    world.check(&seen).await;
}
