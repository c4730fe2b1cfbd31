//! A coordinator that hands work to others, in every way in which a run can be asked for.
use std::time::Duration;

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::process::{Server, Workspace, client};

fn workspace() -> Workspace {
    Workspace::new(&[
        ("agents/coordinator/AGENT.md", "---\ndelegates_to: [researcher, writer]\n---\nYou coordinate."),
        ("agents/researcher/AGENT.md", "---\ndescription: Finds facts\n---\nYou research."),
        ("agents/writer/AGENT.md", "---\ndescription: Writes texts\n---\nYou write."),
        ("agents/bystander/AGENT.md", "---\ndelegates_to: []\n---\nYou stand by."),
        ("gateway.yaml", crate::process::OPEN),
    ])
}

/// Each agent by what its prompt says it is.
async fn model() -> ModelServer {
    ModelServer::with(|request| {
        let messages = request["messages"].as_array().unwrap();
        let system = messages[0]["content"].as_str().unwrap();
        let last = messages.last().unwrap();
        let hand =
            |to: &str, message: &str| ("delegate_to_agent", json!({"agent_id": to, "message": message}));
        if system.contains("You research.") {
            return Reply::text(format!("facts about {}", last["content"].as_str().unwrap()));
        }
        if system.contains("You write.") {
            return Reply::text(format!("a text of {}", last["content"].as_str().unwrap()));
        }
        let results: Vec<&str> = messages
            .iter()
            .filter(|message| message["role"] == "tool")
            .map(|message| message["content"].as_str().unwrap())
            .collect();
        match results.as_slice() {
            [] => Reply::tool_calls([hand("researcher", "bees"), hand("researcher", "wasps")]),
            [_, _] => Reply::tool_calls([hand("writer", &results.join(" and "))]),
            [_, _, text] => Reply::text((*text).to_owned()),
            more => Reply::text(format!("{more:?}")),
        }
    })
    .await
}

const ANSWER: &str = "a text of facts about bees and facts about wasps";

async fn ended(server: &Server, id: &str) -> Value {
    loop {
        let (_, found) = server.get(&format!("/v1/executions/{id}")).await;
        if !matches!(found["status"].as_str(), Some("queued" | "running")) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_coordinator_comes_to_the_same_answer_in_every_way() {
    let (model, workspace) = (model().await, workspace());
    let server = workspace.serve_with_model(&model.url());
    let path = "/v1/agents/coordinator/invoke";
    let mut ids = Vec::new();
    for path in [path, "/v1/agents/coordinator/chat"] {
        let (status, body) = server.post(path, &json!({"message": "insects"})).await;
        assert_eq!((status, &body["result"]["raw_text"]), (200, &json!(ANSWER)), "{body}");
        ids.push(body["execution_id"].as_str().unwrap().to_owned());
        let streamed = client().post(server.url(path));
        let streamed =
            streamed.json(&json!({"message": "insects", "options": {"stream": true}})).send().await;
        let text = streamed.unwrap().text().await.unwrap();
        let data = |line: &str| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok();
        let frames: Vec<Value> = text.lines().filter_map(data).collect();
        let said: String = frames.iter().filter_map(|frame| frame["content"].as_str()).collect();
        assert_eq!(said, ANSWER);
        ids.push(frames[0]["execution_id"].as_str().unwrap().to_owned());
    }
    let (_, queued) = server.post(path, &json!({"message": "insects", "options": {"async": true}})).await;
    ids.push(queued["execution_id"].as_str().unwrap().to_owned());
    for id in ids {
        let root = ended(&server, &id).await;
        assert_eq!((&root["status"], &root["result"]["raw_text"]), (&json!("completed"), &json!(ANSWER)));
        let (_, tree) = server.get(&format!("/v1/executions/{id}/workflow")).await;
        let tree = tree.as_array().unwrap();
        let agents: Vec<&str> = tree.iter().map(|run| run["agent_id"].as_str().unwrap()).collect();
        assert_eq!(agents, ["coordinator", "researcher", "researcher", "writer"]);
        for child in &tree[1..] {
            assert_eq!(
                (&child["parent_execution_id"], &child["root_execution_id"]),
                (&json!(id), &json!(id))
            );
            assert_eq!((&child["delegation_depth"], &child["status"]), (&json!(1), &json!("completed")));
        }
    }
}

#[tokio::test]
async fn the_tool_is_told_to_those_who_may_use_it_with_those_it_may_reach() {
    let (model, workspace) = (model().await, workspace());
    let server = workspace.serve_with_model(&model.url());
    server.invoke("coordinator", "insects").await;
    server.invoke("bystander", "insects").await;
    let requests = model.requests();
    let tools = |request: &Value| request["tools"].as_array().cloned().unwrap_or_default();
    let tool = &tools(&requests[0].body)[0]["function"];
    assert_eq!(tool["name"], "delegate_to_agent");
    let description = tool["description"].as_str().unwrap();
    assert!(
        description.contains("researcher: Finds facts") && description.contains("writer"),
        "{description}"
    );
    assert!(!description.contains("bystander"), "{description}");
    assert!(tools(&requests.last().unwrap().body).is_empty());
    let (_, listed) = server.get("/v1/tools/delegate_to_agent").await;
    assert_eq!(listed["source"], "code");
}

#[tokio::test]
async fn a_coordinator_whose_process_is_killed_finds_its_children_again() {
    let workspace = workspace();
    // The researchers take their time, so that the kill hits them.
    let slow = ModelServer::with(|request| {
        let system = request["messages"][0]["content"].as_str().unwrap();
        let hand =
            |message: &str| ("delegate_to_agent", json!({"agent_id": "researcher", "message": message}));
        if system.contains("You research.") {
            return Reply::text("never").delay(Duration::from_secs(60));
        }
        Reply::tool_calls([hand("bees"), hand("wasps")])
    })
    .await;
    let mut first = workspace.serve_with_model(&slow.url());
    let (_, queued) = first
        .post("/v1/agents/coordinator/invoke", &json!({"message": "insects", "options": {"async": true}}))
        .await;
    let id = queued["execution_id"].as_str().unwrap().to_owned();
    slow.wait_for_requests(3).await;
    first.kill();
    let model = model().await;
    let second = workspace.serve_with_model(&model.url());
    let root = ended(&second, &id).await;
    assert_eq!(root["result"]["raw_text"], ANSWER, "{root}");
    let (_, tree) = second.get(&format!("/v1/executions/{id}/workflow")).await;
    assert_eq!(tree.as_array().unwrap().len(), 4, "no child is begun twice: {tree}");
}
