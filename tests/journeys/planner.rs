//! An agent with an input and an output schema: the same answer over HTTP, as a stream, from the queue and in the library.
use std::sync::Arc;

use agent_gateway::{
    Gateway,
    core::{
        execution::{Origin, RunOptions},
        id::ModelName,
        vars::Vars,
    },
    prelude::*,
    schemars::JsonSchema,
};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::{Workspace, no_vars};

const PLANNER: &str = "---
description: Plans trips.
input_schema:
  type: object
  required: [city, days]
  properties: {city: {type: string}, days: {type: integer, minimum: 1, default: 3}}
output_schema:
  type: object
  required: [city, stops]
  properties:
    city: {type: string}
    stops: {type: array, items: {type: string}, minItems: 1}
---
You plan trips.
";

#[derive(Debug, PartialEq, serde::Deserialize, JsonSchema)]
#[schemars(crate = "agent_gateway::schemars")]
struct Plan {
    city: String,
    stops: Vec<String>,
}

#[derive(Debug, serde::Deserialize, JsonSchema)]
#[schemars(crate = "agent_gateway::schemars")]
#[expect(dead_code, reason = "only its schema is used")]
struct Trip {
    city: String,
}

fn workspace() -> Workspace {
    Workspace::new(&[
        ("agents/planner/AGENT.md", PLANNER),
        ("gateway.yaml", "persistence: {enabled: false}\n"),
    ])
}

fn replies() -> [Reply; 2] {
    [Reply::text("A day in Oslo!"), Reply::text("```json\n{\"city\": \"Oslo\", \"stops\": [\"Opera\"]}\n```")]
}

async fn gateway(workspace: &Workspace, model: &Arc<ScriptedModel>) -> Gateway {
    let name = ModelName::new("scripted/one").unwrap();
    let builder = Gateway::builder(workspace.path()).use_vars(no_vars() as Arc<dyn Vars>);
    builder.use_memory_queue().use_model(name, model.clone()).without_auth().build().await.unwrap()
}

fn input() -> JsonMap {
    [("city".to_owned(), json!("Oslo")), ("days".to_owned(), json!(1))].into_iter().collect()
}

#[tokio::test]
async fn a_plan_is_the_same_wherever_it_is_asked_for() {
    let workspace = workspace();
    let model = Arc::new(ScriptedModel::new(std::iter::repeat_with(replies).take(4).flatten()));
    let gateway = gateway(&workspace, &model).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = gateway.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let http = crate::embed::client();
    let body = |options: Value| json!({"message": "Plan it.", "input": input(), "options": options});
    let expected = json!({"city": "Oslo", "stops": ["Opera"]});

    let library = gateway
        .invoke_with("planner", "Plan it.", input(), RunOptions::default(), Origin::Library)
        .await
        .unwrap();
    assert_eq!(library.output::<Plan>().unwrap(), Plan { city: "Oslo".into(), stops: vec!["Opera".into()] });
    assert_eq!(library.outcome.output.as_ref(), Some(&expected));

    let invoke = format!("{url}/agents/planner/invoke");
    let post = async |options: Value| {
        http.post(&invoke)
            .header("content-type", "application/json")
            .body(body(options).to_string())
            .send()
            .await
            .unwrap()
    };
    let sync: Value = serde_json::from_str(&post(json!({})).await.text().await.unwrap()).unwrap();
    assert_eq!((&sync["result"]["output"], &sync["usage"]["llm_calls"]), (&expected, &json!(2)), "{sync}");

    let stream = post(json!({"stream": true})).await.text().await.unwrap();
    assert!(stream.contains("{\"city\":\"Oslo\",\"stops\":[\"Opera\"]}"), "{stream}");

    let queued: Value =
        serde_json::from_str(&post(json!({"async": true})).await.text().await.unwrap()).unwrap();
    let poll = format!("{url}/executions/{}", queued["execution_id"].as_str().unwrap());
    let done = loop {
        let text = http.get(&poll).send().await.unwrap().text().await.unwrap();
        let execution: Value = serde_json::from_str(&text).unwrap();
        if execution["status"] == "completed" {
            break execution;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(done["result"]["output"], expected, "{done}");

    assert_eq!(model.requests().len(), 8);
    let asked = format!("{:?}", model.requests()[0].messages);
    assert!(asked.contains("## Input") && asked.contains("Oslo"), "{asked}");
    // A default of the schema is not made up.
    let refused: Value = {
        let body = json!({"message": "Plan it.", "input": {"city": "Oslo"}});
        let request = http.post(&invoke).header("content-type", "application/json").body(body.to_string());
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    };
    assert_eq!(refused["error"]["code"], "input_validation_failed", "{refused}");
    gateway.shutdown().await.unwrap();
    server.abort();
}

#[tokio::test]
async fn types_of_the_application_win_over_the_file_and_are_read_back() {
    let workspace = workspace();
    let planner = || AgentId::new("planner").unwrap();
    let unfit = Reply::text("{\"city\": 1}");
    let model = Arc::new(ScriptedModel::new([replies()[1].clone(), unfit.clone(), unfit]));
    let gateway = Gateway::builder(workspace.path())
        .use_vars(no_vars())
        .use_model(ModelName::new("scripted/one").unwrap(), model.clone())
        .set_input_type::<Trip>(planner())
        .set_output_type::<Plan>(planner())
        .set_output_type::<Plan>(AgentId::new("nobody").unwrap())
        .without_auth()
        .build()
        .await
        .unwrap();
    let city: JsonMap = [("city".to_owned(), json!("Oslo"))].into_iter().collect();
    let run = async || {
        gateway
            .invoke_with("planner", "Plan.", city.clone(), RunOptions::default(), Origin::Library)
            .await
            .unwrap()
    };
    assert_eq!(run().await.output::<Plan>().unwrap().stops, ["Opera"]);
    let told = run().await.output::<Plan>().unwrap_err().to_string();
    assert!(told.contains("completed") && told.contains("stops") && told.contains("city"), "{told}");
    assert!(gateway.invoke("planner", "Plan.").await.is_err(), "the input's type is asked for");
    for _ in 0..2 {
        let snapshot = gateway.snapshot();
        let finding = &snapshot.definitions().diagnostics;
        assert!(finding.iter().any(|finding| finding.message.contains("'nobody'")), "{finding:?}");
        gateway.reload().await.unwrap();
    }
    gateway.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_run_may_ask_for_a_type_of_its_own() {
    let workspace = Workspace::helper();
    let model = Arc::new(ScriptedModel::new([replies()[1].clone(), Reply::text("hello")]));
    let gateway = gateway(&workspace, &model).await;
    let options = RunOptions::default().output_type::<Plan>();
    let run = gateway.invoke_with("helper", "Plan.", JsonMap::new(), options, Origin::Library).await.unwrap();
    assert_eq!(run.output::<Plan>().unwrap().city, "Oslo");
    let plain = gateway.invoke("helper", "hi").await.unwrap();
    assert!(plain.output::<Plan>().unwrap_err().to_string().contains("no structured answer"));
    gateway.shutdown().await.unwrap();
}
