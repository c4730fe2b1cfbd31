//! A provider that refuses the key: a clear failure, and the key is told to nobody.
use std::fs::{self, File};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::{
    process::Workspace,
    sse::{Connection, KEYED, Seen, post, read, streamed},
};

const WRONG: &str = "sk-proj-wrong-0123456789abcdef";

#[tokio::test]
async fn a_key_that_the_provider_refuses_is_a_clear_failure_and_stays_secret() {
    let model = ModelServer::start().await;
    // Some servers repeat the key.
    model.default_reply(
        Reply::status(401).message(format!("Incorrect API key provided: {WRONG}. Get one at the console.")),
    );
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", KEYED);
    let log = workspace.directory.path().join("log");
    let server = workspace.serve(|command| {
        command.env("OPENAI_BASE_URL", model.url()).env("OPENAI_API_KEY", WRONG);
        command.env("AGENT_GATEWAY_MODEL__DEFAULT", "openai/test-model").env("RUST_LOG", "debug");
        command.stderr(File::create(&log).unwrap());
    });

    let mut answers = String::new();
    for path in ["/v1/agents/helper/invoke", "/v1/agents/helper/chat"] {
        let response = post(&server, path, &json!({"message": "hi"})).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let text = response.text().await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&body["status"], &body["stop_reason"]), (&json!("failed"), &json!("error")), "{body}");
        clear(body["error"].as_str().unwrap());
        answers.push_str(&text);

        let mut seen = Seen::default();
        seen.drain(Connection::open(post(&server, path, &streamed("hi"))).await).await;
        assert_eq!((seen.names(), seen.status()), (vec!["session", "error", "done"], "error"));
        clear(seen.0[1].data["message"].as_str().unwrap());
        let path = format!("/v1/executions/{}", seen.execution());
        let stored = read(&server, &path).await;
        assert_eq!(stored["status"], "failed");
        answers.push_str(&format!("{seen:?}{stored}"));
    }
    assert_eq!(
        model.requests()[0].header("authorization"),
        Some(format!("Bearer {WRONG}").as_str()),
        "the provider was shown the key"
    );
    assert!(!answers.contains(WRONG), "{answers}");
    server.stop().await;
    for entry in fs::read_dir(workspace.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!text.is_empty() || path.ends_with("log"), "{}", path.display());
            assert!(!text.contains(WRONG), "the key is in {}", path.display());
        }
    }
}

/// It says who refused what, so that somebody can act.
fn clear(sentence: &str) {
    assert!(sentence.contains("401") && sentence.contains("openai"), "{sentence}");
}
