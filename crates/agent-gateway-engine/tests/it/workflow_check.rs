//! What is told of workflows that cannot be run as they are written.
use std::sync::Arc;

use agent_gateway_core::{
    diagnostic::Severity,
    skill::{SkillDefinition, StepAction},
};
use agent_gateway_engine::{BoundTool, MadeWorkflow, Named};
use agent_gateway_testkit::scripted::FnTool;
use serde_json::{Value, json};

use crate::workflow::{skill, step, tool};

/// Makes it ready where there are the tools `add` and `search`, and a workflow `other`.
fn made(skill: &SkillDefinition) -> MadeWorkflow {
    let bound = |name: &str| {
        Arc::new(BoundTool::new(Arc::new(FnTool::text(name, "ok").unwrap()), Default::default()).unwrap())
    };
    MadeWorkflow::new(skill, &|name| match name {
        "add" | "search" => Named::Tool(bound(name)),
        "other" => Named::Workflow,
        _ => Named::Nothing,
    })
}

/// `E key: message` or `W key: message` of each finding, after checking that errors keep the workflow from being offered.
fn findings(skill: &SkillDefinition) -> Vec<String> {
    let made = made(skill);
    let is_faulty = made.findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(made.tool.is_none(), is_faulty);
    made.findings
        .iter()
        .map(|finding| {
            assert_eq!(finding.file, "skills/flow/SKILL.md");
            let severity = if finding.severity == Severity::Error { 'E' } else { 'W' };
            format!("{severity} {}: {}", finding.key, finding.message.split("; the skill").next().unwrap())
        })
        .collect()
}

fn calls(name: &str, tool_name: &str, input: &Value) -> agent_gateway_core::skill::SkillStep {
    step(name, StepAction::Tool(tool(tool_name, input)))
}

#[test]
fn steps_that_name_nothing_that_is_there_are_told_with_their_key() {
    let flow = skill(
        "flow",
        [
            calls("one", "ad", &json!({"x": {"y": ["$.steps.two.output", "$.steps.one.output"]}})),
            step(
                "two",
                StepAction::FanOut(vec![
                    tool("add", &json!({"x": "$.steps.none.output"})),
                    tool("other", &json!({})),
                ]),
            ),
            step(
                "three",
                StepAction::Prompt {
                    prompt: "$.steps.none.output".to_owned(),
                    system_prompt: None,
                    input: json!({"x": "$.steps.two.output[0].deep", "y": "$.steps.three.output"})
                        .as_object()
                        .unwrap()
                        .clone(),
                },
            ),
        ],
    );
    assert_eq!(
        findings(&flow),
        [
            "E steps[0].tool: no tool named `ad` is served",
            "E steps[1].tools[1].tool: `other` is a workflow; a step calls tools alone",
            "E steps[0].input.x.y[0]: the step `two` comes later",
            "E steps[0].input.x.y[1]: the step `one` refers to itself",
            "E steps[1].tools[0].input.x: there is no step `none`",
            "E steps[2].input.y: the step `three` refers to itself",
        ]
    );
}

#[test]
fn what_is_never_what_its_author_means_is_warned_of_and_served() {
    let flow = skill(
        "flow",
        [
            calls(
                "one",
                "add",
                &json!({"x": "$.input", "y": "$.inputs.a", "z": "costs $.input.a", "u": "$ 5"}),
            ),
            calls(
                "two",
                "add",
                &json!({"a": "$.steps.one[0].output", "b": "$.steps.one.result", "c": "$.steps.one"}),
            ),
        ],
    );
    assert_eq!(
        findings(&flow),
        [
            "W steps[0].input.x: looks like a reference and is passed on as a text",
            "W steps[0].input.y: looks like a reference and is passed on as a text",
            "W steps[1].input.a: is always null",
            "W steps[1].input.b: is always null",
        ]
    );
}

#[test]
fn too_much_at_once_and_names_twice_are_refused() {
    let wide = skill("flow", [step("all", StepAction::FanOut(vec![tool("add", &json!({})); 11]))]);
    assert_eq!(findings(&wide), ["E steps[0].tools: calls 11 tools at once; 10 are the most"]);
    let long = skill("flow", (0..101).map(|place| calls(&format!("s{place}"), "add", &json!({}))));
    assert_eq!(findings(&long), ["E steps: has more than 100 steps"]);
    let twice = skill("flow", [calls("a", "add", &json!({})), calls("a", "add", &json!({}))]);
    assert_eq!(findings(&twice), ["E steps[1].name: a step `a` came before"]);
    for name in ["two\nlines".to_owned(), "n".repeat(101)] {
        let named = skill("flow", [calls(&name, "add", &json!({}))]);
        assert_eq!(findings(&named), ["E steps[0].name: must be one line of at most 100 bytes"]);
    }
    let bad = skill("flow", (0..100).map(|place| calls(&format!("s{place}"), "none", &json!({}))));
    assert_eq!(findings(&bad).len(), 50, "no flood of findings");
}

#[test]
fn an_input_schema_is_one_and_describes_an_object() {
    let with = |schema: Value| {
        let mut flow = skill("flow", [calls("one", "add", &json!({"x": "$.input.x"}))]);
        flow.input_schema = Some(Arc::new(schema));
        flow
    };
    let bad = [
        json!({"type": "array"}),
        json!({"type": ["object", "null"]}),
        json!({"type": "object", "properties": {"x": {"type": "objekt"}}}),
        json!({"type": "object", "properties": {"x": {"pattern": "("}}}),
        json!({"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:1/x.json"}}}),
        json!({"type": "object", "description": "x".repeat(300_000)}),
        json!(true),
    ];
    for schema in bad {
        let found = findings(&with(schema.clone()));
        assert!(found.len() == 1 && found[0].starts_with("E input_schema: "), "{found:?}");
    }
    let good = made(&with(json!({"properties": {"x": {"type": "integer"}}}))).tool.unwrap();
    assert_eq!(good.spec().parameters["type"], "object", "models want to be told");
    let recursive = json!({"$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}}}}, "properties": {"x": {"$ref": "#/$defs/n"}}});
    assert!(made(&with(recursive)).tool.is_some());
}

#[test]
fn lines_are_those_of_the_key_or_of_what_holds_it() {
    let mut flow = skill("flow", [calls("one", "none", &json!({"x": "$.steps.later.output"}))]);
    flow.lines = [("steps[0]".to_owned(), 4), ("steps[0].tool".to_owned(), 5)].into_iter().collect();
    let lines: Vec<_> = made(&flow).findings.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [Some(5), Some(4)]);
}

#[test]
fn a_skill_without_steps_is_no_workflow_and_one_without_input_takes_none() {
    assert!(made(&skill("flow", [])).tool.is_none());
    let plain = made(&skill("flow", [calls("one", "add", &json!({"x": 1}))])).tool.unwrap();
    assert_eq!(*plain.spec().parameters, json!({"type": "object", "properties": {}}));
    let mut long = skill("flow", [calls("one", "add", &json!({}))]);
    long.body = "é".repeat(5000).into();
    assert_eq!(made(&long).tool.unwrap().spec().description.chars().count(), 4000);
}
