//! Reading, listing and cancelling runs.
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::{ALICE, ROOT, Setup, World};

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap();
    list.iter().map(|entry| entry["execution_id"].as_str().unwrap().to_owned()).collect()
}

async fn run(world: &World, agent: &str) -> String {
    world.invoke(agent, ALICE).await.json["execution_id"].as_str().unwrap().to_owned()
}

fn is_instant(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == "2026-01-02T03:04:05.123456+00:00".len() && text.ends_with("+00:00")
}

#[tokio::test]
async fn a_run_is_read_as_it_was_stored() {
    let world = World::new().await;
    let id = run(&world, "echo").await;
    let answer = world.get(&format!("/v1/executions/{id}"), ALICE).await;
    assert_eq!(answer.header("x-execution-id"), id);
    let body = answer.ok();
    for name in ["started_at", "completed_at", "created_at"] {
        assert!(is_instant(&body[name]), "{name}: {body}");
    }
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "execution_id",
            "agent_id",
            "status",
            "stop_reason",
            "message",
            "input",
            "result",
            "error",
            "usage",
            "session_id",
            "parent_execution_id",
            "root_execution_id",
            "delegation_depth",
            "started_at",
            "completed_at",
            "created_at",
        ]
    );
    assert_eq!((&body["execution_id"], &body["status"]), (&json!(id), &json!("completed")));
    assert_eq!(
        (&body["message"], &body["input"], &body["error"]),
        (&json!("hi"), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&body["result"]["raw_text"], &body["result"]["stop_reason"]),
        (&json!("hello"), &json!("completed"))
    );
    assert_eq!((&body["usage"]["llm_calls"], &body["delegation_depth"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn lists_are_newest_first_and_filters_combine() {
    let world = World::new().await;
    let first = run(&world, "echo").await;
    let second = run(&world, "echo").await;
    let queued = run(&world, "later").await;
    let list = |query: &str| {
        let (world, path) = (world.clone(), format!("/v1/executions?{query}"));
        async move { ids(&world.get(&path, ALICE).await.ok()) }
    };
    assert_eq!(list("").await, [queued.clone(), second.clone(), first.clone()]);
    assert_eq!(list("agent_id=echo").await, [second.clone(), first.clone()]);
    assert_eq!(list("agent_id=later&status=queued").await, [&*queued]);
    assert_eq!(list("agent_id=later&status=completed").await, Vec::<String>::new());
    assert_eq!(list(&format!("root_execution_id={first}&agent_id=echo")).await, [&*first]);
    assert_eq!(list(&format!("root_execution_id={first}&agent_id=later")).await, Vec::<String>::new());
    assert_eq!(list("session_id=sess_none").await, Vec::<String>::new());
    assert_eq!(list("agent_id=No%20Agent").await, Vec::<String>::new());
    assert_eq!(list("limit=2").await, [queued, second]);
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page() {
    let world = World::new().await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.insert(0, run(&world, "later").await);
    }
    let (mut read, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = world.get(&format!("/v1/executions?limit=2{cursor}"), ALICE).await;
        let next = answer.headers.get("x-next-cursor").map(|next| next.to_str().unwrap().to_owned());
        let page = ids(&answer.ok());
        assert!(page.len() <= 2);
        read.extend(page);
        match next {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(read, all);
}

#[tokio::test]
async fn a_tree_contains_its_root() {
    let world = World::new().await;
    let id = run(&world, "echo").await;
    let tree = world.get(&format!("/v1/executions/{id}/workflow"), ALICE).await.ok();
    assert_eq!(ids(&tree), [id]);
    let answer = world.get("/v1/executions/none/workflow", ALICE).await;
    assert_eq!(answer.error(), (404, "execution_not_found"));
    assert_eq!(answer.json["error"]["message"], "Execution 'none' not found");
}

#[tokio::test]
async fn a_tree_tells_what_the_steps_of_workflows_did() {
    let replies = [Reply::calls([("research", json!({}))]), Reply::text("{}")];
    let world = Setup { model: ScriptedModel::new(replies), ..Setup::default() }.start().await;
    let id = run(&world, "styled").await;
    let tree = world.get(&format!("/v1/executions/{id}/workflow"), ALICE).await.ok();
    assert_eq!((ids(&tree), tree[0]["status"].clone()), (vec![id.clone()], json!("completed")));
    let mut steps = tree[0]["workflow_steps"].clone();
    let step = steps[0].as_object_mut().unwrap();
    assert!(is_instant(&step.remove("created_at").unwrap()) && step.remove("duration_ms").unwrap().is_u64());
    let expected = json!([{
        "skill": "research", "call_id": "call_0", "step": "fetch", "item": 0, "kind": "tool", "name": "http-fetch",
        "arguments": {}, "success": true, "output": "done",
    }]);
    assert_eq!(steps, expected);
    let alone = world.get(&format!("/v1/executions/{id}"), ALICE).await.ok();
    assert_eq!(alone.get("workflow_steps"), None, "only the tree tells them");
}

#[tokio::test]
async fn a_run_under_way_is_stopped() {
    let world = Setup { model: ScriptedModel::always(Reply::hang()), ..Setup::default() }.start().await;
    let other = world.clone();
    let run = tokio::spawn(async move { other.invoke("echo", ALICE).await });
    world.model.wait_for_requests(1).await;
    let id = ids(&world.get("/v1/executions", ALICE).await.ok()).remove(0);
    let path = format!("/v1/executions/{id}/cancel");
    let answer = world.post(&path, ALICE, &Value::Null).await;
    assert_eq!(answer.header("x-execution-id"), id);
    assert_eq!(answer.ok(), json!({"execution_id": id, "status": "cancel_requested"}));
    let ended = run.await.unwrap().ok();
    assert_eq!((&ended["status"], &ended["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
    world.model.wait_for_dropped(1).await;
    let again = world.post(&path, ALICE, &Value::Null).await;
    assert_eq!(again.error(), (409, "invalid_state"));
    assert_eq!(again.json["error"]["execution_id"], id);
}

#[tokio::test]
async fn what_waits_is_cancelled_and_what_ended_is_not() {
    let world = World::new().await;
    let queued = run(&world, "later").await;
    world.post(&format!("/v1/executions/{queued}/cancel"), ALICE, &Value::Null).await.ok();
    let stored = world.get(&format!("/v1/executions/{queued}"), ALICE).await.ok();
    assert_eq!(stored["status"], "cancelled");
    assert!(is_instant(&stored["completed_at"]), "{stored}");
    let ended = run(&world, "echo").await;
    for (id, expected) in [(&*ended, (409, "invalid_state")), ("none", (404, "execution_not_found"))] {
        let answer = world.post(&format!("/v1/executions/{id}/cancel"), ROOT, &Value::Null).await;
        assert_eq!(answer.error(), expected);
    }
    let stored = world.get(&format!("/v1/executions/{ended}"), ALICE).await.ok();
    assert_eq!(stored["status"], "completed");
}
