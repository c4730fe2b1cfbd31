//! Observers and hooks of an application see the same on every path.
use std::sync::{Arc, Mutex};

use agent_gateway::{
    Gateway, GatewayBuilder,
    core::{
        execution::{Guardrails, RunOptions},
        id::ModelName,
        in_process::InProcessStore,
    },
    prelude::*,
};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{Workspace, no_vars};

type Told = Arc<Mutex<Vec<(Event, Value)>>>;

fn workspace() -> Workspace {
    Workspace::new(&[
        ("agents/helper/AGENT.md", "---\nguardrails: {max_tool_calls: 5}\n---\nYou help."),
        ("agents/slow/AGENT.md", "---\nexecution_mode: async\n---\nYou help later."),
        ("gateway.yaml", "persistence: {enabled: false}\n"),
    ])
}

fn builder(workspace: &Workspace, model: ScriptedModel) -> GatewayBuilder {
    Gateway::builder(workspace.path())
        .use_vars(no_vars())
        .use_persistence(Arc::new(InProcessStore::default()))
        .use_model(ModelName::new("scripted/one").unwrap(), Arc::new(model))
        .tool(FnTool::text("act", "done").unwrap())
}

fn watching(mut builder: GatewayBuilder) -> (GatewayBuilder, Told) {
    let told = Told::default();
    for event in Event::ALL {
        let told = told.clone();
        builder = builder.on(event, move |occurrence| {
            told.lock().unwrap().push((occurrence.event(), serde_json::to_value(&occurrence).unwrap()));
            async {}
        });
    }
    (builder, told)
}

async fn post(router: &Router, path: &str, body: &Value) -> (StatusCode, String) {
    let request = Request::post(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_string())).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

fn script() -> ScriptedModel {
    ScriptedModel::new([Reply::calls([("act", json!({"n": 1}))]), Reply::text("the end")])
}

/// The names of the fields of each event.
fn shape(told: &Told) -> Vec<(&'static str, Vec<String>)> {
    let told = told.lock().unwrap();
    let names = |facts: &Value| facts.as_object().unwrap().keys().cloned().collect();
    told.iter().map(|(event, facts)| (event.as_str(), names(facts))).collect()
}

fn documented() -> Vec<(&'static str, Vec<String>)> {
    let asked = ("llm.call.before", "execution_id agent_id model");
    let answered =
        ("llm.call.after", "execution_id agent_id model duration_ms input_tokens output_tokens success");
    [
        ("gateway.startup", ""),
        ("agent.invoke.before", "execution_id agent_id message"),
        asked,
        answered,
        ("tool.execute.before", "execution_id agent_id tool_name call_id arguments"),
        ("tool.execute.after", "execution_id agent_id tool_name call_id result duration_ms success"),
        asked,
        answered,
        ("agent.invoke.after", "execution_id agent_id message result duration_ms success"),
        ("gateway.shutdown", ""),
    ]
    .into_iter()
    .map(|(name, fields)| (name, fields.split_whitespace().map(str::to_owned).collect()))
    .collect()
}

#[tokio::test]
async fn every_path_tells_the_same_events_with_the_documented_fields() {
    let hello = json!({"message": "hello"});
    let streamed = json!({"message": "hello", "options": {"stream": true}});
    for (path, body) in [
        ("/v1/agents/helper/invoke", &hello),
        ("/v1/agents/helper/invoke", &streamed),
        ("/v1/agents/helper/chat", &hello),
        ("/v1/agents/helper/chat", &streamed),
        ("/v1/agents/slow/invoke", &hello),
    ] {
        let workspace = workspace();
        let (builder, told) = watching(builder(&workspace, script()));
        let gateway = builder.without_auth().build().await.unwrap();
        let (status, answer) = post(&gateway.router(), path, body).await;
        assert!(status.is_success(), "{path}: {answer}");
        // A queued run is waited for by the shutdown, once a worker has taken it.
        while !told.lock().unwrap().iter().any(|(event, _)| *event == Event::AgentInvokeAfter) {
            tokio::task::yield_now().await;
        }
        gateway.shutdown().await.unwrap();
        gateway.shutdown().await.unwrap();
        assert_eq!(shape(&told), documented(), "{path} {body}");
        let told = told.lock().unwrap();
        let ids: std::collections::BTreeSet<String> =
            told.iter().filter_map(|(_, facts)| facts["execution_id"].as_str().map(str::to_owned)).collect();
        assert_eq!(ids.len(), 1);
        let (_, after) = told.iter().find(|(event, _)| *event == Event::AgentInvokeAfter).unwrap();
        assert_eq!((&after["result"]["raw_text"], &after["success"]), (&json!("the end"), &json!(true)));
        assert_eq!(
            (&after["message"], &after["result"]["stop_reason"]),
            (&json!("hello"), &json!("completed"))
        );
    }
}

/// Turns everything away that is said in capitals.
#[derive(Debug)]
struct Quiet;

#[async_trait]
impl ExecutionHook for Quiet {
    async fn before_execution(&self, _: &HookContext, start: &HookedStart) -> Result<BeforeExecution> {
        Ok(match start.message.chars().all(char::is_uppercase) {
            true => BeforeExecution::Reject("please do not shout".to_owned()),
            false => BeforeExecution::Continue,
        })
    }
}

#[tokio::test]
async fn what_a_hook_stops_says_so_on_every_path() {
    let workspace = workspace();
    let gateway = builder(&workspace, script()).hook(Quiet).without_auth().build().await.unwrap();
    let shout = json!({"message": "HELLO"});
    for path in ["/v1/agents/helper/invoke", "/v1/agents/helper/chat"] {
        let (status, answer) = post(&gateway.router(), path, &shout).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["status"]), (StatusCode::OK, &json!("failed")));
        assert_eq!(
            (&answer["stop_reason"], &answer["error"]),
            (&json!("stopped"), &json!("please do not shout"))
        );
        let streamed = json!({"message": "HELLO", "options": {"stream": true}});
        let (_, events) = post(&gateway.router(), path, &streamed).await;
        assert!(events.contains(r#""stop_reason":"stopped""#), "{events}");
    }
    let outcome = gateway.invoke("helper", "HELLO").await.unwrap().outcome;
    assert_eq!(
        (outcome.stop_reason, outcome.error.as_deref()),
        (StopReason::Stopped, Some("please do not shout"))
    );
    gateway.shutdown().await.unwrap();
}

#[tokio::test]
async fn limits_of_a_request_are_read_strictly_and_hold() {
    let workspace = workspace();
    let gateway = builder(&workspace, script()).without_auth().build().await.unwrap();
    for (limits, field) in [
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_iterations": -1}), "max_iterations"),
        (json!({"max_tool_calls": "many"}), "max_tool_calls"),
        (json!({"max_cost_usd": 0}), "max_cost_usd"),
        (json!({"max_cost_usd": [1]}), "max_cost_usd"),
        (json!({"max_dollars": 1}), "max_dollars"),
        (json!([1]), "guardrails"),
    ] {
        for path in ["/v1/agents/helper/invoke", "/v1/agents/helper/chat"] {
            let body = json!({"message": "hello", "options": {"guardrails": limits}});
            let (status, answer) = post(&gateway.router(), path, &body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{limits}: {answer}");
            assert!(answer.contains(field), "{answer}");
        }
    }
    let body = json!({"message": "hello", "options": {"guardrails": {"max_iterations": 1}}});
    let (_, answer) = post(&gateway.router(), "/v1/agents/helper/invoke", &body).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["stop_reason"], &answer["status"]), (&json!("max_iterations"), &json!("completed")));
    let stored = gateway.router();
    let path = format!("/v1/executions/{}", answer["execution_id"].as_str().unwrap());
    let found = stored.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let found = axum::body::to_bytes(found.into_body(), 1 << 20).await.unwrap();
    let found: Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(found["result"]["stop_reason"], "max_iterations");
    gateway.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_library_may_choose_the_model_of_a_run() {
    let workspace = workspace();
    let model = ScriptedModel::always(Reply::text("fine"));
    let gateway = builder(&workspace, model.clone()).without_auth().build().await.unwrap();
    let options = RunOptions {
        model: Some(ModelName::new("scripted/two").unwrap()),
        temperature: Some(0.9),
        max_tokens: Some(77),
        ..RunOptions::default()
    };
    let origin = agent_gateway::core::execution::Origin::Library;
    gateway.invoke_with("helper", "hello", JsonMap::new(), options, origin.clone()).await.unwrap();
    let asked = model.requests().remove(0);
    assert_eq!((asked.model.as_str(), asked.max_tokens), ("scripted/two", Some(77)));
    assert!(asked.temperature.is_some_and(|temperature| (temperature - 0.9).abs() < 1e-9));
    let guardrails = Guardrails { max_tokens: Some(0), ..Guardrails::default() };
    let options = RunOptions { guardrails, ..RunOptions::default() };
    let refused = gateway.invoke_with("helper", "hello", JsonMap::new(), options, origin).await;
    assert!(refused.is_err());
    gateway.shutdown().await.unwrap();
}
