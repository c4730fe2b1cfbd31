//! The README's first command and its `curl`.
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::process::Server;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn serve(directory: &tempfile::TempDir) -> Server {
    let workspace = repository().join("examples/quickstart/workspace");
    Server::start(directory.path(), |command| {
        command.arg("--workspace").arg(workspace);
    })
}

#[tokio::test]
async fn the_first_command_answers_the_first_request() {
    agent_gateway_testkit::needs_python!("quickstart::the_first_command_answers_the_first_request");
    let directory = tempfile::TempDir::new().unwrap();
    let server = serve(&directory);
    assert_eq!(server.about["agents"], json!(["assistant", "researcher"]));
    assert_eq!((&server.about["model"], &server.about["auth"]), (&json!("offline"), &json!("open")));
    let (status, body) = server.invoke("assistant", "use add-numbers {\"numbers\": [20, 22]}").await;
    assert_eq!((status, &body["status"]), (200, &json!("completed")), "{body}");
    assert!(body["result"]["raw_text"].as_str().unwrap().contains("42"), "{body}");
    assert_eq!(body["usage"]["tool_calls"], 1);
    let id = body["execution_id"].as_str().unwrap();
    let (status, stored) = server.get(&format!("/v1/executions/{id}")).await;
    assert_eq!((status, &stored["status"]), (200, &json!("completed")), "{stored}");
}

#[test]
fn the_readme_shows_the_library_example_as_it_is() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let example = std::fs::read_to_string(repository().join("examples/quickstart/src/main.rs")).unwrap();
    let (first, rest) = example.split_once('\n').unwrap();
    let rest = rest.split_once('\n').unwrap().1;
    assert!(
        readme.contains(&format!("```rust,no_run\n{first}\n{rest}```")),
        "copy the example into the README"
    );
}
