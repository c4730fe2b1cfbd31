//! Running agents.
use agent_gateway_core::ErrorKind;
use agent_gateway_runtime::{Authenticator, Limits};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::json;

use crate::world::{ALICE, ROOT, Setup, World};

#[tokio::test]
async fn an_answer_has_every_member() {
    let world = World::new().await;
    let answer = world.invoke("echo", ALICE).await;
    let id = answer.header("x-execution-id").to_owned();
    let body = answer.ok();
    let duration = body["usage"]["duration_ms"].clone();
    assert!(duration.is_u64(), "{body}");
    assert_eq!(
        body,
        json!({
            "execution_id": id,
            "agent_id": "echo",
            "status": "completed",
            "stop_reason": "completed",
            "result": {"output": null, "raw_text": "hello", "validation_errors": null},
            "usage": {
                "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.0, "cost_incomplete": true, "llm_calls": 1,
                "tool_calls": 0, "models_used": ["scripted/one"], "duration_ms": duration,
            },
            "error": null,
        })
    );
}

#[tokio::test]
async fn what_was_asked_reaches_the_model_and_the_store() {
    let world = World::new().await;
    let body = json!({
        "message": "hi", "unknown": 1,
        "input": {"when": "now", "extra": [1]},
        "options": {"timeout_ms": "5000", "async": "no", "output_schema": {}, "other": true},
    });
    let answer = world.post("/v1/agents/shaped/invoke", ALICE, &body).await.ok();
    let path = format!("/v1/executions/{}", answer["execution_id"].as_str().unwrap());
    let stored = world.get(&path, ALICE).await.ok();
    assert_eq!(stored["message"], "hi");
    assert_eq!(stored["input"], json!({"when": "now", "extra": [1]}));
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test]
async fn a_failed_run_is_an_answer() {
    let model = ScriptedModel::always(Reply::error(ErrorKind::Invalid, "no"));
    let world = Setup { model, ..Setup::default() }.start().await;
    let body = world.invoke("echo", ALICE).await.ok();
    assert_eq!(body["status"], "failed");
    assert_eq!(body["stop_reason"], "error");
    assert!(!body["error"].as_str().unwrap().is_empty(), "{body}");
    assert_eq!(body["result"]["raw_text"], "");
}

#[tokio::test]
async fn a_structured_answer_is_held_against_the_callers_schema() {
    let model = ScriptedModel::always(Reply::text("{\"n\": 1}"));
    let world = Setup { model, ..Setup::default() }.start().await;
    let body = json!({"message": "hi", "options": {"output_schema": {"type": "object", "required": ["n"]}}});
    let answer = world.post("/v1/agents/echo/invoke", ALICE, &body).await.ok();
    assert_eq!(answer["result"]["output"], json!({"n": 1}));
}

#[tokio::test]
async fn queued_runs_say_where_their_end_is_read() {
    let world = World::new().await;
    let asked = json!({"message": "hi", "options": {"async": true}});
    let alias = json!({"message": "hi", "options": {"async_": "on"}});
    let plain = json!({"message": "hi"});
    for (agent, body) in [("echo", &asked), ("echo", &alias), ("later", &plain)] {
        let answer = world.post(&format!("/v1/agents/{agent}/invoke"), ALICE, body).await;
        assert_eq!(answer.status.as_u16(), 202, "{answer:?}");
        let id = answer.header("x-execution-id").to_owned();
        let poll_url = format!("/v1/executions/{id}");
        assert_eq!(
            answer.json,
            json!({"execution_id": id, "agent_id": agent, "status": "queued", "poll_url": poll_url})
        );
        assert_eq!(world.get(&poll_url, ALICE).await.ok()["status"], "queued");
    }
    assert!(world.model.requests().is_empty());
}

#[tokio::test]
async fn below_a_prefix_the_poll_url_still_leads_there() {
    let world = World::new().await.mounted("/ai");
    let answer = world.post("/ai/v1/agents/later/invoke", ALICE, &json!({"message": "hi"})).await;
    let poll_url = answer.json["poll_url"].as_str().unwrap();
    assert!(poll_url.starts_with("/ai/v1/executions/"), "{poll_url}");
    world.get(poll_url, ALICE).await.ok();
    world.get("/ai/v1/health", "").await.ok();
    assert_eq!(world.get("/ai/v1/nothing", "").await.error(), (401, "auth_required"));
}

#[tokio::test]
async fn a_queued_run_is_run_by_a_worker() {
    let limits = Limits { workers: 1, ..Limits::default() };
    let world = Setup { limits, ..Setup::default() }.start().await;
    let answer = world.post("/v1/agents/later/invoke", ALICE, &json!({"message": "hi"})).await;
    world.model.wait_for_requests(1).await;
    // A shutdown waits for what is under way.
    let poll_url = answer.json["poll_url"].as_str().unwrap();
    let stored = loop {
        let stored = world.get(poll_url, ALICE).await.ok();
        if stored["status"] != "running" && stored["status"] != "queued" {
            break stored;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(stored["status"], "completed");
    assert_eq!(stored["result"]["raw_text"], "hello");
}

#[tokio::test]
async fn a_queued_run_cannot_be_streamed() {
    let world = World::new().await;
    let both = json!({"message": "hi", "options": {"async": true, "stream": true}});
    let stream = json!({"message": "hi", "options": {"stream": true}});
    for (agent, body) in [("echo", &both), ("later", &stream)] {
        let answer = world.post(&format!("/v1/agents/{agent}/invoke"), ALICE, body).await;
        assert_eq!(answer.error(), (400, "streaming_not_supported"), "{agent}");
    }
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]));
    world.post("/v1/agents/echo/invoke", ALICE, &stream).await.ok();
}

#[tokio::test]
async fn agents_that_cannot_be_run_say_why() {
    let world = World::new().await;
    for agent in ["none", "NONE", "no_such-agent"] {
        let answer = world.invoke(agent, ALICE).await;
        assert_eq!(answer.error(), (404, "agent_not_found"));
        assert_eq!(answer.json["error"]["message"], format!("Agent '{agent}' not found"));
    }
    assert_eq!(world.invoke("off", ALICE).await.error(), (503, "agent_disabled"));
    assert_eq!(world.invoke("personal", ALICE).await.error(), (409, "setup_required"));
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]));
    let open = Setup { authenticator: Authenticator::open(), ..Setup::default() }.start().await;
    assert_eq!(open.invoke("personal", "").await.error(), (401, "auth_required"));
}

#[tokio::test]
async fn input_is_held_against_the_agents_schema() {
    let world = World::new().await;
    let body = json!({"message": "hi", "input": {"count": "many"}});
    let answer = world.post("/v1/agents/shaped/invoke", ALICE, &body).await;
    assert_eq!(answer.error(), (422, "input_validation_failed"));
    let message = answer.json["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Input validation failed: ") && message.contains("body.input.when"),
        "{message}"
    );
    let details = answer.json["error"]["details"].as_array().unwrap();
    let places: Vec<_> = details.iter().map(|entry| (&entry["loc"], &entry["type"])).collect();
    assert!(places.contains(&(&json!(["body", "input", "when"]), &json!("missing"))), "{places:?}");
    assert!(places.contains(&(&json!(["body", "input", "count"]), &json!("type"))), "{places:?}");
    assert_eq!(answer.json["detail"].as_array().unwrap().len(), details.len());
}

#[tokio::test]
async fn a_message_may_have_its_full_length() {
    let world = World::new().await;
    let body = json!({"message": "ä".repeat(102_400)});
    world.post("/v1/agents/echo/invoke", ALICE, &body).await.ok();
}
