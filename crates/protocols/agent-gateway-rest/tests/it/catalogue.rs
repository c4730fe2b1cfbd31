//! Agents, skills, tools, health, reload.
use agent_gateway_core::diagnostic::Diagnostic;
use agent_gateway_rest::{Reload, RestOptions};
use serde_json::{Value, json};

use crate::world::{ALICE, ROOT, Setup, World, definitions};

#[tokio::test]
async fn health_counts_what_is_served() {
    let world = World::new().await;
    let counts = json!({
        "status": "ok", "agent_count": 6, "skill_count": 1, "tool_count": 4, "error_count": 0, "warning_count": 1,
    });
    assert_eq!(world.get("/v1/health", "").await.ok(), counts);
}

#[tokio::test]
async fn agents_are_listed_in_order_with_their_defaults() {
    let world = World::new().await;
    let list = world.get("/v1/agents", ALICE).await.ok();
    let ids: Vec<_> = list.as_array().unwrap().iter().map(|agent| agent["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["echo", "later", "off", "personal", "shaped", "styled"]);
    assert_eq!(
        list[0],
        json!({
            "id": "echo", "description": "Agent: echo", "display_name": null, "tags": [], "version": null,
            "skills": [], "tools": [], "retrievers": [], "model": null, "schedules": [], "execution_mode": "sync",
            "notifications": null, "input_schema": null, "output_schema": null, "context_file_count": 0,
            "memory_enabled": false, "enabled": true,
        })
    );
    assert_eq!(list[1]["execution_mode"], "async");
    assert_eq!(list[2]["enabled"], false);
}

#[tokio::test]
async fn an_agent_shows_what_its_files_say_but_no_address() {
    let world = World::new().await;
    let answer = world.get("/v1/agents/styled", ALICE).await;
    assert!(!answer.text.contains("hooks.example"), "{}", answer.text);
    assert_eq!(
        answer.ok(),
        json!({
            "id": "styled", "description": "Writes", "display_name": "Writer", "tags": ["text"], "version": "2",
            "skills": ["research"], "tools": ["http-fetch", "research"], "retrievers": ["library"], "model": "openai/gpt-4o",
            "schedules": ["daily"], "execution_mode": "sync",
            "notifications": {"on_complete": [], "on_error": [{"channel": "webhook", "target": "ops"}], "on_timeout": []},
            "input_schema": null, "output_schema": {"type": "object"}, "context_file_count": 2,
            "memory_enabled": true, "enabled": true,
        })
    );
}

#[tokio::test]
async fn skills_and_tools_are_shown() {
    let world = World::new().await;
    let skill = json!({
        "id": "research", "name": "research", "description": "Looks things up", "tools": ["http-fetch"],
        "has_workflow": true, "step_count": 1,
    });
    assert_eq!(world.get("/v1/skills", ALICE).await.ok(), json!([skill]));
    assert_eq!(world.get("/v1/skills/research", ALICE).await.ok(), skill);
    let tools = world.get("/v1/tools", ALICE).await.ok();
    assert_eq!(
        tools[0],
        json!({
            "name": "http-fetch", "description": "Fetches.", "source": "file",
            "parameters": {"type": "object", "properties": {"url": {"type": "string"}}},
        })
    );
    assert_eq!(tools[1]["source"], "code");
    assert_eq!(world.get("/v1/tools/clock", ALICE).await.ok(), tools[1]);
    let workflow = json!({
        "name": "research", "description": "Looks things up", "source": "file",
        "parameters": {"type": "object", "properties": {}},
    });
    assert_eq!(world.get("/v1/tools/research", ALICE).await.ok(), workflow, "a workflow is a tool as well");
    let answer = world.get("/v1/tools/none", ALICE).await;
    assert_eq!(answer.error(), (404, "tool_not_found"));
    assert_eq!(answer.json["error"]["message"], "Tool 'none' not found");
}

#[tokio::test]
async fn reloading_is_refused_unless_switched_on() {
    let world = World::new().await;
    assert_eq!(world.post("/v1/reload", ROOT, &Value::Null).await.error(), (403, "reload_disabled"));
}

#[tokio::test]
async fn reloading_serves_what_is_there_now() {
    let options = RestOptions::default().reload(Reload::Enabled);
    let world = Setup { options, ..Setup::default() }.start().await;
    let mut fewer = definitions();
    fewer.agents.shift_remove("off");
    fewer.diagnostics.push(Diagnostic::error("agents/off/AGENT.md", "broken"));
    *world.source.0.lock().unwrap() = Some(fewer);
    let body = world.post("/v1/reload", ROOT, &Value::Null).await.ok();
    assert_eq!((&body["status"], &body["agents"]), (&json!("ok"), &json!(5)));
    assert!(body["message"].as_str().unwrap().contains("1 errors"), "{body}");
    assert_eq!(world.get("/v1/agents/off", ALICE).await.error(), (404, "agent_not_found"));
    assert_eq!(world.get("/v1/health", "").await.ok()["status"], "degraded");
}

#[tokio::test]
async fn a_reload_that_reads_nothing_changes_nothing() {
    let options = RestOptions::default().reload(Reload::Enabled);
    let world = Setup { options, ..Setup::default() }.start().await;
    *world.source.0.lock().unwrap() = None;
    let answer = world.post("/v1/reload", ROOT, &Value::Null).await;
    assert_eq!(answer.error(), (500, "reload_failed"));
    assert!(!answer.text.contains("/srv/ws"), "{}", answer.text);
    assert_eq!(world.get("/v1/health", "").await.ok()["agent_count"], 6);
}
