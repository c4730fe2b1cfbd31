//! What well-formed files mean.
use agent_gateway_core::{
    agent::{Activation, AgentScope, Availability, ExecutionMode},
    skill::{StepAction, ToolStep},
};
use serde_json::json;

use crate::support::{findings, workspace};

const FULL: &str = "\
---
description: Plans trips
display_name: Travel
tags: [travel, demo]
version: 1.0
skills: [planning]
model:
  name: openai/gpt-4o-mini
  temperature: 0
  max_tokens: 300
  fallback: anthropic/claude
execution_mode: async
scope: global
setup_schema: {type: object}
input_schema: {type: object, properties: {city: {type: string}}}
output_schema: {type: object}
context: [shared/rules.md]
retrievers: [catalogue]
memory: {enabled: true, auto_extract: yes, max_injected_chars: 10}
delegates_to: [other]
mcp_servers: [files]
schedules:
  - name: daily
    cron: 0 9 * * 1-5
    message: Go
    input: {n: 1}
    timezone: Europe/Berlin
    enabled: off
    instructions: Be brief
notifications:
  on_complete: [{channel: slack, target: '#x'}]
  on_error: [{channel: webhook, url: 'https://example.org/x', payload_template: '{}'}]
enabled: true
---

Plan a trip.

---
And this too.
";

#[test]
fn every_key_of_an_agent_is_read() {
    let found = workspace([
        ("agents/AGENTS.md", "---\nanything: [\n---\nshared prompt\n"),
        ("agents/BEHAVIOR.md", "shared behaviour"),
        ("agents/travel/AGENT.md", FULL),
        ("agents/travel/BEHAVIOR.md", "own behaviour\n"),
        ("agents/travel/context/b.md", "second"),
        ("agents/travel/context/a.md", "---\nkept: true\n---\nfirst"),
        ("agents/other/AGENT.md", "Other"),
        ("shared/rules.md", "rules"),
        ("skills/planning/SKILL.md", "---\ndescription: d\n---\nplan"),
    ])
    .read();
    assert_eq!((&*found.root_prompt, &*found.root_behavior), ("shared prompt", "shared behaviour"));
    assert_eq!(found.agents.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["other", "travel"]);
    let agent = &found.agents["travel"];
    assert_eq!(&*agent.prompt, "Plan a trip.\n\n---\nAnd this too.");
    assert_eq!(&*agent.behavior, "own behaviour");
    let context: Vec<_> = agent.context.iter().map(|text| &**text).collect();
    assert_eq!(context, ["---\nkept: true\n---\nfirst", "second", "rules"]);
    assert_eq!((agent.description.as_str(), agent.display_name.as_deref()), ("Plans trips", Some("Travel")));
    assert_eq!((agent.version.as_deref(), agent.tags.len()), (Some("1.0"), 2));
    assert_eq!(agent.model.name.as_ref().unwrap().as_str(), "openai/gpt-4o-mini");
    assert_eq!((agent.model.temperature, agent.model.max_tokens), (Some(0.0), Some(300)));
    assert_eq!(agent.model.fallback.as_ref().unwrap().as_str(), "anthropic/claude");
    assert_eq!((agent.execution_mode, agent.scope), (ExecutionMode::Async, AgentScope::Global));
    assert_eq!(agent.input_schema.as_ref().unwrap()["properties"]["city"]["type"], "string");
    assert_eq!(
        (agent.retrievers.len(), agent.mcp_servers.len(), agent.delegates_to.named().len()),
        (1, 1, 1)
    );
    assert_eq!(agent.memory.extraction, Some(Activation::Active));
    assert_eq!(agent.availability, Availability::Enabled);
    let schedule = &agent.schedules[0];
    assert_eq!((schedule.cron.as_str(), schedule.activation), ("0 9 * * 1-5", Activation::Inactive));
    assert_eq!(schedule.input["n"], 1);
    assert_eq!(agent.notifications.on_error[0].payload_template.as_deref(), Some("{}"));
    let file = "agents/travel/AGENT.md";
    let expected = [
        format!("W {file}:14 setup_schema"),
        format!("W {file}:18 retrievers"),
        format!("W {file}:19 memory"),
        format!("W {file}:19 memory.auto_extract"),
        format!("W {file}:20 delegates_to"),
        format!("W {file}:21 mcp_servers"),
        format!("W {file}:22 schedules"),
        format!("W {file}:28 schedules[0].enabled"),
        format!("W {file}:30 notifications"),
    ];
    assert_eq!(findings(&found), expected);
}

#[test]
fn a_bare_prompt_is_an_agent_and_unset_keys_are_inherited() {
    let found = workspace([("agents/a/AGENT.md", "Hello")]).read();
    let agent = &found.agents["a"];
    assert_eq!(agent.model, Default::default());
    assert_eq!(agent.memory.extraction, None);
    assert_eq!(found.diagnostics, []);
}

#[test]
fn the_vectors_of_the_loader_hold() {
    let agent = |text: &str| {
        let found = workspace([("agents/a/AGENT.md", text), ("secret.md", "x")]).read();
        (found.agents.get("a").cloned(), findings(&found))
    };
    let (found, problems) = agent("---\ndescription: only settings\n---\n");
    assert!(found.is_none());
    assert_eq!(problems, ["E agents/a/AGENT.md"]);
    for word in ["no", "No", "OFF", "false", "\"no\""] {
        let (found, _) = agent(&format!("---\nenabled: {word}\n---\nx"));
        assert_eq!(found.unwrap().availability, Availability::Disabled, "{word}");
    }
    let (found, problems) = agent("---\nmodel: foo/bar\n---\nx");
    assert_eq!(found.unwrap().model.name.as_ref().unwrap().as_str(), "foo/bar");
    assert_eq!(problems, Vec::<String>::new());
    let (found, problems) = agent("---\nexecution_mode: batch\n---\nx");
    assert_eq!(found.unwrap().execution_mode, ExecutionMode::Sync);
    assert_eq!(problems, ["W agents/a/AGENT.md:2 execution_mode"]);
    let (found, _) = agent("---\nversion: 1.10\n---\nx");
    assert_eq!(found.unwrap().version.as_deref(), Some("1.10"));
    let (found, problems) = agent("---\ncontext:\n  - ../../etc/passwd\n  - secret.md\n---\nx");
    assert_eq!(found.unwrap().context.len(), 1);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("W agents/a/AGENT.md:3 context[0]"), "{problems:?}");
    let twice = "---\nschedules:\n- {name: s, cron: '0 0 * * 7', message: first}\n- {name: s, cron: '* * * * *', message: m}\n\
                 - {name: t, cron: 'often', message: m}\n- {name: u, message: m}\n- {name: v, cron: '* * * * *', message: m, timezone: ../x}\n---\nx";
    let (found, problems) = agent(twice);
    let schedules = &found.unwrap().schedules;
    assert_eq!(schedules.iter().map(|schedule| schedule.message.as_str()).collect::<Vec<_>>(), ["first"]);
    let file = "agents/a/AGENT.md";
    let expected = [
        format!("E {file}:4 schedules[1].name"),
        format!("E {file}:5 schedules[2].cron"),
        format!("E {file}:7 schedules[3].timezone"),
        format!("W {file}:2 schedules"),
        format!("W {file}:6 schedules[3]"),
    ];
    assert_eq!(problems, expected);
}

#[test]
fn settings_may_be_json() {
    let found =
        workspace([("agents/a/AGENT.md", "{\n\"description\": \"d\",\n\"skils\": []\n}\nbody")]).read();
    assert_eq!(found.agents["a"].description, "d");
    assert_eq!(&*found.agents["a"].prompt, "body");
    assert_eq!(findings(&found), ["W agents/a/AGENT.md:1 skils"]);
}

#[test]
fn steps_keep_the_types_of_their_values() {
    let skill = "\
---
name: Flow
description: d
tools: [search, http-get]
input_schema: {type: object}
steps:
  - name: one
    tool: search
    input: {n: 5, flag: true, nested: {a: [1, '2']}, ref: $.input.city}
  - name: many
    tools:
      - {tool: a, input: {x: 1.5}}
      - {input: {x: 1}}
      - {tool: b}
  - name: ask
    prompt: Sum up
    system_prompt: Be brief
    input: {text: '$.steps.one.output'}
  - name: both
    tool: a
    prompt: b
  - name: one
    tool: c
  - tool: nameless
  - just text
---
Do it.
";
    let found = workspace([("skills/flow/SKILL.md", skill)]).read();
    let skill = &found.skills["flow"];
    assert_eq!((skill.name.as_str(), &*skill.body), ("Flow", "Do it."));
    assert_eq!(skill.tools, ["search", "http-get"]);
    assert_eq!(skill.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["one", "many", "ask"]);
    let StepAction::Tool(ToolStep { input, .. }) = &skill.steps[0].action else { panic!("a tool") };
    let expected = json!({"n": 5, "flag": true, "nested": {"a": [1, "2"]}, "ref": "$.input.city"});
    assert_eq!(json!(input), expected);
    let StepAction::FanOut(calls) = &skill.steps[1].action else { panic!("a fan-out") };
    assert_eq!(calls.iter().map(|call| call.tool.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(calls[0].input["x"], 1.5);
    let StepAction::Prompt { prompt, system_prompt, .. } = &skill.steps[2].action else { panic!("a prompt") };
    assert_eq!((prompt.as_str(), system_prompt.as_deref()), ("Sum up", Some("Be brief")));
    let file = "skills/flow/SKILL.md";
    let expected = [
        format!("E {file}:19 steps[3]"),
        format!("E {file}:22 steps[4]"),
        format!("E {file}:24 steps[5]"),
        format!("W {file}:13 steps[1].tools[1]"),
        format!("W {file}:25 steps[6]"),
        format!("W {file}:6 steps"),
    ];
    assert_eq!(findings(&found), expected);
}

#[test]
fn names_that_lead_nowhere_are_warned_of() {
    let found = workspace([
        ("agents/a/AGENT.md", "---\nskills: [planing, planning]\ndelegates_to:\n- b\n- c\n---\nx"),
        ("agents/b/AGENT.md", "x"),
        ("skills/planning/SKILL.md", "---\ndescription: d\ntools: [code_tool]\n---\nx"),
        ("tools/t/TOOL.md", "---\ndescription: d\npermissions: {allowed_agents: [z]}\n---\n"),
        ("tools/t/handler.py", ""),
    ])
    .read();
    let expected = [
        "W agents/a/AGENT.md:2 skills[0]",
        "W agents/a/AGENT.md:3 delegates_to",
        "W agents/a/AGENT.md:5 delegates_to[1]",
        "W tools/t/TOOL.md:3 permissions.allowed_agents[0]",
    ];
    assert_eq!(findings(&found), expected);
    assert!(crate::support::text(&found).contains("did you mean `planning`?"));
}

#[test]
fn the_revision_changes_with_the_files_and_only_with_them() {
    let folder = workspace([("agents/a/AGENT.md", "x"), ("agents/a/context/c.md", "c")]);
    let first = folder.read().revision;
    assert_eq!(first.len(), 64);
    assert_eq!(folder.read().revision, first);
    folder.write("agents/a/context/c.md", "d");
    let second = folder.read().revision;
    assert_ne!(second, first);
    folder.write("tools/t/TOOL.md", "does");
    let third = folder.read().revision;
    folder.write("tools/t/handler.py", "");
    let fourth = folder.read().revision;
    assert_ne!(third, second);
    assert_ne!(fourth, third);
}
