//! What reaches the model: layers in order, tools, parameters, settings.
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::process::{OPEN, Workspace};

const AGENT: &str = "---
description: Plans
skills: [math, notes]
context: [shared.md]
model: {name: openai/special, temperature: 0.7, max_tokens: 321}
input_schema: {type: object, properties: {city: {type: string}}}
---

AGENT PROMPT
";

fn workspace() -> Workspace {
    Workspace::new(&[
        ("gateway.yaml", OPEN),
        ("agents/AGENTS.md", "ROOT PROMPT"),
        ("agents/BEHAVIOR.md", "ROOT BEHAVIOR"),
        ("agents/planner/AGENT.md", AGENT),
        ("agents/planner/BEHAVIOR.md", "AGENT BEHAVIOR"),
        ("agents/planner/context/b.md", "CONTEXT B"),
        ("agents/planner/context/a.md", "CONTEXT A"),
        ("shared.md", "CONTEXT SHARED"),
        (
            "skills/math/SKILL.md",
            "---\nname: Mathematics\ndescription: Counts\ntools: [zz-sum, aa-echo]\n---\nSKILL MATH",
        ),
        ("skills/notes/SKILL.md", "---\ndescription: Notes\n---\nSKILL NOTES"),
        (
            "tools/zz-sum/TOOL.md",
            "---\ndescription: Adds\nparameters:\n  a: {type: number, required: true}\n  b: {type: number, default: 2}\n---\nTOOL BODY",
        ),
        (
            "tools/zz-sum/handler.py",
            "import json\n\ndef handle(arguments, context):\n    print('noise')\n    return {'sum': arguments['a'] + arguments['b'], 'agent': context.agent_id, 'city': context.metadata.get('city')}\n",
        ),
        (
            "tools/aa-echo/TOOL.md",
            "---\ndescription: Echoes\nparameters: {type: object, properties: {text: {type: string}}}\n---\n",
        ),
        ("tools/aa-echo/handler.sh", "#!/bin/sh\ncat\n"),
        ("tools/unused/TOOL.md", "---\ndescription: Nobody has it\n---\n"),
    ])
}

fn system(request: &Value) -> &str {
    request["messages"][0]["content"].as_str().unwrap()
}

#[tokio::test]
async fn the_request_is_built_as_the_files_say() {
    agent_gateway_testkit::needs_python!("prompt::the_request_is_built_as_the_files_say");
    let model = ModelServer::start().await;
    model.reply(Reply::tool_calls([("zz-sum", json!({"a": 40}))])).reply(Reply::text("42"));
    let workspace = workspace();
    let server = workspace.serve_with_model(&model.url());
    let body = json!({"message": "add", "input": {"city": "Oslo"}});
    let (status, answer) = server.post("/v1/agents/planner/invoke", &body).await;
    assert_eq!((status, &answer["result"]["raw_text"]), (200, &json!("42")), "{answer}");

    let asked: Vec<Value> = model.requests().into_iter().map(|request| request.body).collect();
    let first = &asked[0];
    assert_eq!((&first["model"], &first["max_tokens"]), (&json!("special"), &json!(321)));
    assert!((first["temperature"].as_f64().unwrap() - 0.7).abs() < 1e-9);
    let layers = [
        "ROOT PROMPT",
        "ROOT BEHAVIOR",
        "AGENT PROMPT",
        "AGENT BEHAVIOR",
        "## Reference Material",
        "CONTEXT A",
        "CONTEXT B",
        "CONTEXT SHARED",
        "## Available Skills",
        "### Skill: Mathematics",
        "SKILL MATH",
        "### Skill: notes",
        "SKILL NOTES",
    ];
    let places: Vec<usize> = layers
        .iter()
        .map(|layer| system(first).find(layer).unwrap_or_else(|| panic!("no {layer}")))
        .collect();
    assert!(places.is_sorted(), "{}", system(first));
    let user = first["messages"][1]["content"].as_str().unwrap();
    assert!(user.starts_with("add\n\n## Input\n```json\n{\n  \"city\": \"Oslo\"\n}"), "{user}");
    let tools: Vec<&str> = first["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(tools, ["aa-echo", "zz-sum"], "the tools of the skills, by name, and no others");
    let sum = &first["tools"][1]["function"];
    assert!(sum["description"].as_str().unwrap().contains("TOOL BODY"), "{sum}");
    assert_eq!(sum["parameters"]["required"], json!(["a"]));

    let result = asked[1]["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&result["role"], &result["tool_call_id"]),
        (&json!("tool"), &asked[1]["messages"][2]["tool_calls"][0]["id"])
    );
    let content: Value = serde_json::from_str(result["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({"sum": 42, "agent": "planner", "city": "Oslo"}));
}

#[tokio::test]
async fn an_agent_without_settings_gets_the_defaults() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("ok"));
    let server = Workspace::helper();
    let server = server.serve_with_model(&model.url());
    server.invoke("helper", "hi").await;
    let request = &model.requests()[0].body;
    assert_eq!((&request["model"], &request["max_tokens"]), (&json!("test-model"), &json!(50_000)));
    assert!((request["temperature"].as_f64().unwrap() - 0.1).abs() < 1e-9);
    assert!(request.get("tools").is_none(), "{request}");
}
