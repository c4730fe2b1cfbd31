//! A skill with steps: file tools, code tools and a question, with the same result on every path.
use std::sync::Arc;

use agent_gateway::{
    Gateway,
    core::{id::ModelName, in_process::InProcessStore, message::Message, tool::ToolOutput},
};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use axum::Router;
use serde_json::{Value, json};

use crate::{
    embed::client,
    world::{Workspace, no_vars},
};

const SKILL: &str = "\
---
name: Math
description: Adds two numbers and multiplies the sum
tools: [add]
steps:
  - name: sum
    tool: add
    input: {a: $.input.a, b: $.input.b}
  - name: products
    tools:
      - {tool: multiply, input: {a: $.steps.sum.output.result, b: 2}}
      - {tool: multiply, input: {a: $.steps.sum.output.result, b: '$.input.factors[1]'}}
  - name: words
    prompt: Say it in a sentence
    input: {products: $.steps.products.output, first: {of: ['$.steps.products.output[0].result']}}
---
Use it for sums.
";

const ADD: &str = "\
---
description: Adds
parameters:
  a: {type: number, required: true}
  b: {type: number, required: true}
---
";

fn workspace() -> Workspace {
    Workspace::new(&[
        ("agents/teacher/AGENT.md", "---\nskills: [math]\n---\nYou teach."),
        ("skills/math/SKILL.md", SKILL),
        ("tools/add/TOOL.md", ADD),
        (
            "tools/add/handler.py",
            "def handle(arguments, context):\n    return {'result': arguments['a'] + arguments['b']}\n",
        ),
        ("gateway.yaml", "model: {default: scripted/one}\n"),
    ])
}

fn multiply() -> FnTool {
    let number = json!({"type": "number"});
    let schema = json!({"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]});
    let tool = FnTool::new("multiply", |arguments, _| async move {
        let number = |name: &str| arguments[name].as_f64().unwrap_or_default();
        Ok(ToolOutput::Json(json!({"result": number("a") * number("b")})))
    });
    tool.unwrap().parameters(schema)
}

/// What one run says to the model.
fn script() -> [Reply; 3] {
    [
        Reply::calls([("math", json!({"a": 1.5, "b": 2, "factors": [0, 10]}))]),
        Reply::text("Seven and thirty-five."),
        Reply::text("That is 7 and 35."),
    ]
}

struct World {
    gateway: Gateway,
    model: ScriptedModel,
    client: reqwest::Client,
    url: String,
    _workspace: Workspace,
}

impl World {
    async fn start() -> Self {
        let workspace = workspace();
        let model = ScriptedModel::new((0..4).flat_map(|_| script()));
        let builder = Gateway::builder(workspace.path()).use_vars(no_vars());
        let builder = builder.use_persistence(Arc::new(InProcessStore::default()));
        let builder = builder.use_model(ModelName::new("scripted/one").unwrap(), Arc::new(model.clone()));
        let gateway = builder.tool(multiply()).without_auth().build().await.unwrap();
        let app = gateway.mount_to(Router::new(), "/ai").unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ai/v1", listener.local_addr().unwrap());
        drop(tokio::task::spawn(async move { axum::serve(listener, app).await }));
        let client = client();
        Self { gateway, model, client, url, _workspace: workspace }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}/{path}", self.url)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> String {
        let request = self.client.post(format!("{}/agents/teacher/{path}", self.url)).json(body);
        request.send().await.unwrap().text().await.unwrap()
    }

    /// What the workflow told the model, and what its steps did; the same on every path.
    async fn told(&self, id: &str) -> (Value, Vec<Value>) {
        let last = self.model.requests().pop().unwrap();
        let result = last.messages.iter().rev().find_map(|message| match message {
            Message::Tool { content, .. } => serde_json::from_str(content).ok(),
            _ => None,
        });
        let tree = self.get(&format!("executions/{id}/workflow")).await;
        let steps = tree[0]["workflow_steps"].as_array().unwrap().iter().cloned();
        let timeless = |mut step: Value| {
            let members = step.as_object_mut().unwrap();
            members.retain(|name, _| name != "duration_ms" && name != "created_at");
            step
        };
        assert_eq!(tree[0]["usage"]["tool_calls"], 4, "{tree}");
        assert_eq!(tree[0]["usage"]["llm_calls"], 3, "{tree}");
        (result.unwrap(), steps.map(timeless).collect())
    }
}

#[tokio::test]
async fn a_workflow_comes_to_the_same_on_every_path() {
    let world = World::start().await;
    assert_eq!(world.get("health").await["error_count"], 0);
    assert_eq!(world.get("agents/teacher").await["tools"], json!(["add", "math"]));
    let message = json!({"message": "Sum up"});

    let run = world.gateway.invoke("teacher", "Sum up").await.unwrap();
    assert_eq!(run.text(), "That is 7 and 35.");
    let expected = world.told(&world.last().await).await;
    let products = json!([{"result": 7.0}, {"result": 35.0}]);
    assert_eq!(expected.0["output"], "Seven and thirty-five.");
    assert_eq!(expected.0["steps"]["sum"]["output"], json!({"result": 3.5}));
    assert_eq!(expected.0["steps"]["products"]["output"], products);
    let names: Vec<_> =
        expected.1.iter().map(|step| format!("{} {} {}", step["step"], step["item"], step["kind"])).collect();
    let shown = [
        "\"sum\" 0 \"tool\"",
        "\"products\" 0 \"tool\"",
        "\"products\" 1 \"tool\"",
        "\"words\" 0 \"prompt\"",
    ];
    assert_eq!(names, shown);
    assert!(expected.1.iter().all(|step| step["success"] == true && step["skill"] == "math"), "{expected:?}");

    let waited: Value = serde_json::from_str(&world.post("invoke", &message).await).unwrap();
    assert_eq!(waited["result"]["raw_text"], "That is 7 and 35.", "{waited}");
    assert_eq!(world.told(waited["execution_id"].as_str().unwrap()).await, expected);

    let streamed = json!({"message": "Sum up", "options": {"stream": true}});
    let streamed = world.post("invoke", &streamed).await;
    assert!(streamed.contains("event: done"), "{streamed}");
    assert!(!streamed.contains("\"Seven \""), "what a step asks is no answer: {streamed}");
    assert_eq!(world.told(&world.last().await).await, expected);

    let queued = json!({"message": "Sum up", "options": {"async": true}});
    let queued: Value = serde_json::from_str(&world.post("invoke", &queued).await).unwrap();
    let id = queued["execution_id"].as_str().unwrap();
    let watched = world.client.get(format!("{}/executions/{id}/events", world.url)).send().await.unwrap();
    assert!(watched.text().await.unwrap().contains("event: done"));
    assert_eq!(world.told(id).await, expected);
    world.gateway.shutdown().await.unwrap();
}

impl World {
    /// The run that was accepted last.
    async fn last(&self) -> String {
        self.get("executions?limit=1").await[0]["execution_id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_workflow_that_cannot_be_run_is_told_and_its_instructions_stay() {
    let workspace = workspace();
    workspace.write("skills/math/SKILL.md", &SKILL.replace("tool: multiply", "tool: multipli"));
    let model = ScriptedModel::new([Reply::text("ok")]);
    let builder = Gateway::builder(workspace.path()).use_vars(no_vars());
    let builder = builder.use_persistence(Arc::new(InProcessStore::default()));
    let builder = builder.use_model(ModelName::new("scripted/one").unwrap(), Arc::new(model.clone()));
    let gateway = builder.tool(multiply()).without_auth().build().await.unwrap();
    let snapshot = gateway.runtime().catalogue().snapshot();
    let told: Vec<String> = snapshot.definitions().diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("skills/math/SKILL.md:11: steps[1].tools[0].tool: no tool named `multipli`"),
        "{told:?}"
    );
    gateway.invoke("teacher", "hi").await.unwrap();
    let request = model.requests().remove(0);
    let names: Vec<_> = request.tools.iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, ["add", "multiply"]);
    assert!(format!("{:?}", request.messages).contains("Use it for sums."));
    gateway.shutdown().await.unwrap();
}
