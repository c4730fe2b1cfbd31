//! Calls that wait for a person, through the API and across kill -9.
use std::{fs, time::Duration};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::process::{Server, Workspace, answer, client};

const TOOL: &str = "---\n\
    description: Pays\n\
    parameters:\n  amount: {type: integer, required: true}\n\
    permissions: {require_approval: true}\n\
    ---\nPays money.";

/// Writes down each call, with what it was called with.
const HANDLER: &str = "#!/bin/sh\narguments=$(cat)\necho \"$arguments\" >> calls.log\necho '\"paid\"'\n";

fn workspace(config: &str) -> Workspace {
    Workspace::new(&[
        ("agents/cashier/AGENT.md", "---\nskills: [payments]\n---\nYou pay."),
        ("skills/payments/SKILL.md", "---\ntools: [pay]\n---\nPay what is asked."),
        ("tools/pay/TOOL.md", TOOL),
        ("tools/pay/handler.sh", HANDLER),
        ("gateway.yaml", config),
    ])
}

const OPEN: &str = "auth: {enabled: false}\npersistence: {url: 'sqlite:test.db'}\n";

/// A model that pays once and then says what came of it.
async fn cashier() -> ModelServer {
    ModelServer::with(|request| {
        let messages = request["messages"].as_array().unwrap();
        match messages.last() {
            Some(last) if last["role"] == "tool" => {
                Reply::text(format!("it said {}", last["content"].as_str().unwrap_or_default()))
            }
            _ => Reply::tool_calls([("pay", json!({"amount": 5}))]),
        }
    })
    .await
}

fn calls(workspace: &Workspace) -> Vec<Value> {
    let log = fs::read_to_string(workspace.path().join("tools/pay/calls.log")).unwrap_or_default();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn pending(server: &Server) -> Vec<Value> {
    let (status, found) = server.get("/v1/approvals?status=pending").await;
    assert_eq!(status, 200, "{found}");
    found.as_array().unwrap().clone()
}

async fn until(server: &Server, execution: &str, wanted: &str) -> Value {
    for _ in 0..600 {
        let (_, found) = server.get(&format!("/v1/executions/{execution}")).await;
        if found["status"] == wanted {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{execution} is not {wanted}: {}", server.get(&format!("/v1/executions/{execution}")).await.1);
}

/// The frames of an event stream as (event, data).
fn frames(text: &str) -> Vec<(String, Value)> {
    let frame = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((field("event:")?.to_owned(), serde_json::from_str(field("data:")?).unwrap()))
    };
    text.split("\n\n").filter_map(frame).collect()
}

/// Asks for a run in every way there is; the answers are the ids of runs that rest.
async fn begin_in_every_way(server: &Server) -> Vec<String> {
    let mut ids = Vec::new();
    let (invoke, chat) = ("/v1/agents/cashier/invoke", "/v1/agents/cashier/chat");
    for path in [invoke, chat] {
        let (status, body) = server.post(path, &json!({"message": "pay"})).await;
        assert_eq!(
            (status, &body["status"], &body["stop_reason"]),
            (202, &json!("suspended"), &json!("suspended"))
        );
        assert!(body["poll_url"].as_str().unwrap().ends_with(body["execution_id"].as_str().unwrap()));
        let (status, listed) = server.get(body["approvals_url"].as_str().unwrap()).await;
        assert_eq!((status, listed.as_array().unwrap().len()), (200, 1), "{listed}");
        ids.push(body["execution_id"].as_str().unwrap().to_owned());

        let streamed = client().post(server.url(path));
        let streamed =
            streamed.json(&json!({"message": "pay", "options": {"stream": true}})).send().await.unwrap();
        let frames = frames(&streamed.text().await.unwrap());
        let names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["session", "tool_call", "approval_required", "suspended", "done"]);
        assert_eq!(frames[2].1["name"], "pay");
        assert_eq!(frames[2].1["arguments"], json!({"amount": 5}));
        assert_eq!(frames[4].1["status"], "suspended");
        ids.push(frames[0].1["execution_id"].as_str().unwrap().to_owned());
    }
    let queued = json!({"message": "pay", "options": {"async": true}});
    let (status, body) = server.post(invoke, &queued).await;
    assert_eq!((status, &body["status"]), (202, &json!("queued")));
    let id = body["execution_id"].as_str().unwrap().to_owned();
    until(server, &id, "suspended").await;
    ids.push(id);
    ids
}

#[tokio::test]
async fn what_was_asked_for_in_any_way_goes_on_after_a_kill_where_it_stopped() {
    let (model, workspace) = (cashier().await, workspace(OPEN));
    let mut first = workspace.serve_with_model(&model.url());
    let ids = begin_in_every_way(&first).await;
    assert!(calls(&workspace).is_empty());
    first.kill();
    let asked = model.request_count();

    let second = workspace.serve_with_model(&model.url());
    let waiting = pending(&second).await;
    assert_eq!(waiting.len(), ids.len(), "{waiting:?}");
    for (number, approval) in waiting.iter().enumerate() {
        let path = format!("/v1/approvals/{}", approval["approval_id"].as_str().unwrap());
        // Some are decided and the process is killed before the run can have gone on.
        let (status, decided) = match number % 2 {
            0 => second.post(&format!("{path}/approve"), &json!({})).await,
            _ => second.post(&format!("{path}/edit"), &json!({"arguments": {"amount": 6}})).await,
        };
        assert_eq!((status, &decided["status"]), (200, &json!("approved")), "{decided}");
    }
    for id in &ids {
        let ended = until(&second, id, "completed").await;
        assert_eq!(ended["result"]["raw_text"], "it said paid", "{ended}");
        assert_eq!(ended["result"]["usage"]["tool_calls"], 1);
    }
    let mut amounts: Vec<_> =
        calls(&workspace).iter().map(|call| call["arguments"]["amount"].clone()).collect();
    amounts.sort_by_key(Value::to_string);
    assert_eq!(json!(amounts), json!([5, 5, 5, 6, 6]));
    assert_eq!(model.request_count() - asked, ids.len(), "no turn is asked for a second time");
    second.stop().await;
}

#[tokio::test]
async fn a_decision_outlives_the_process_that_took_it() {
    let (model, workspace) = (cashier().await, workspace(OPEN));
    let mut server = workspace.serve_with_model(&model.url());
    let mut ids = Vec::new();
    for _ in 0..5 {
        let (_, body) = server.invoke("cashier", "pay").await;
        ids.push(body["execution_id"].as_str().unwrap().to_owned());
    }
    for approval in pending(&server).await {
        let path = format!("/v1/approvals/{}/approve", approval["approval_id"].as_str().unwrap());
        assert_eq!(server.post(&path, &json!({})).await.0, 200);
        server.kill();
        server = workspace.serve_with_model(&model.url());
    }
    for id in &ids {
        assert_eq!(until(&server, id, "completed").await["result"]["raw_text"], "it said paid");
    }
    // A call that was under way when its process died may be made again: this tool says so.
    assert!(calls(&workspace).len() >= ids.len());
}

#[tokio::test]
async fn decisions_without_the_right_twice_or_misfit_are_refused_and_change_nothing() {
    let (model, workspace) = (cashier().await, workspace(KEYS));
    let server = workspace.serve_with_model(&model.url());
    let call = |key: &str, method: &str, path: &str, body: Value| {
        let request = match method {
            "get" => client().get(server.url(path)),
            _ => client().post(server.url(path)).json(&body),
        };
        answer(request.bearer_auth(key.to_owned()))
    };
    let (status, body) =
        call("user-key", "post", "/v1/agents/cashier/invoke", json!({"message": "pay"})).await;
    assert_eq!(status, 202, "{body}");
    let execution = body["execution_id"].as_str().unwrap().to_owned();
    let (_, listed) = call("user-key", "get", "/v1/approvals", Value::Null).await;
    let id = listed[0]["approval_id"].as_str().unwrap().to_owned();
    let approve = format!("/v1/approvals/{id}/approve");
    let (edit, deny) = (format!("/v1/approvals/{id}/edit"), format!("/v1/approvals/{id}/deny"));

    let (status, body) = call("user-key", "post", &approve, json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (403, &json!("insufficient_scope")), "{body}");
    let (_, listed) = call("other-key", "get", "/v1/approvals", Value::Null).await;
    assert_eq!(listed, json!([]));
    assert_eq!(call("other-key", "get", &format!("/v1/approvals/{id}"), Value::Null).await.0, 404);
    for (body, code) in [
        (json!({"arguments": {"amount": "much"}}), "input_validation_failed"),
        (json!({"arguments": {}}), "input_validation_failed"),
        (json!({"arguments": [1]}), "validation_failed"),
        (json!({}), "validation_failed"),
        (json!({"arguments": {"amount": 1}, "reason": "x".repeat(2001)}), "validation_failed"),
    ] {
        let (status, answer) = call("boss-key", "post", &edit, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!(code)), "{body}: {answer}");
    }
    assert_eq!(call("boss-key", "post", "/v1/approvals/none/approve", json!({})).await.0, 404);
    let (status, decided) = call("boss-key", "post", &deny, json!({"reason": "too much"})).await;
    assert_eq!((status, &decided["decided_by"]), (200, &json!("apikey:boss")), "{decided}");
    let (status, body) = call("boss-key", "post", &approve, json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("approval_settled")), "{body}");
    let ended = loop {
        let (_, found) = call("user-key", "get", &format!("/v1/executions/{execution}"), Value::Null).await;
        if found["status"] == "completed" {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(ended["result"]["raw_text"].as_str().unwrap().contains("too much"), "{ended}");
    assert!(calls(&workspace).is_empty());
}

const KEYS: &str = "
auth:
  enabled: true
  mode: api_key
  api_keys:
    - {name: user, key: user-key, scopes: ['agents:invoke', 'executions:read', 'approvals:read']}
    - {name: other, key: other-key, scopes: ['approvals:read']}
    - {name: boss, key: boss-key, scopes: ['approvals:decide', 'approvals:read']}
persistence: {url: 'sqlite:test.db'}
";

#[tokio::test]
async fn a_call_that_nobody_decides_on_expires_and_is_not_made() {
    let model = cashier().await;
    let workspace = workspace(&format!("{OPEN}approvals: {{expires_after_s: 1}}\n"));
    let server = workspace.serve_with_model(&model.url());
    let (_, body) = server.invoke("cashier", "pay").await;
    let execution = body["execution_id"].as_str().unwrap();
    let id = pending(&server).await[0]["approval_id"].as_str().unwrap().to_owned();
    let ended = until(&server, execution, "completed").await;
    assert!(ended["result"]["raw_text"].as_str().unwrap().contains("in time"), "{ended}");
    let (status, body) = server.post(&format!("/v1/approvals/{id}/approve"), &json!({})).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("approval_expired")), "{body}");
    assert_eq!(server.get(&format!("/v1/approvals/{id}")).await.1["status"], "expired");
    assert!(calls(&workspace).is_empty());
}
