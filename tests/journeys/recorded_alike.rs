//! The same script, buffered and streamed: what is recorded is the same, and what was streamed is what is recorded.
use std::{collections::BTreeMap, sync::Arc};

use agent_gateway::{
    Gateway,
    core::{
        execution::{Cursor, Event, ExecutionEvent, ExecutionRequest, LogEntry, LogEvent, Origin, Thread},
        id::{AgentId, ConversationId, ExecutionId, ModelName},
        in_process::InProcessStore,
        ports::{model::Delivery, persistence::PersistenceBackend},
        principal::Principal,
        tool::ToolOutput,
    },
    prelude::*,
    runtime::Submitted,
};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Workspace, no_vars};

/// What the model says to one request.
#[derive(Clone, Debug)]
struct Line {
    words: Vec<&'static str>,
    calls: Vec<(&'static str, &'static str)>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Fine,
    Refused,
    BrokenOff,
    CutOff,
}

/// Three runs of one gateway: two turns of a session and one run by itself.
#[derive(Clone, Debug)]
struct Case {
    lines: Vec<Line>,
    max_tool_calls: u32,
    max_iterations: u32,
    schema: Option<&'static str>,
}

fn line() -> impl Strategy<Value = Line> {
    let word = prop::sample::select(vec![
        "so ",
        "ä",
        "\u{1f600} ",
        "{\"n\": ",
        "1}",
        "\n",
        "a longer piece of text ",
    ]);
    let name = prop::sample::select(vec!["answers", "counts", "fails", "nothing"]);
    let arguments = prop::sample::select(vec!["{}", "{\"n\": 1}", "{\"n\": \"ä\"}", "{\"n\": ", "[1]", ""]);
    let end = prop_oneof![
        12 => Just(End::Fine),
        1 => Just(End::Refused),
        1 => Just(End::BrokenOff),
        1 => Just(End::CutOff),
    ];
    let calls = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec((name, arguments), 1..4)];
    (prop::collection::vec(word, 0..5), calls, end).prop_map(|(words, calls, end)| Line { words, calls, end })
}

fn case() -> impl Strategy<Value = Case> {
    let schemas = vec![None, Some(r#"{"type": "object", "required": ["n"]}"#), Some(r#"{"type": "string"}"#)];
    (prop::collection::vec(line(), 0..12), 0..6_u32, 1..6_u32, prop::sample::select(schemas)).prop_map(
        |(lines, max_tool_calls, max_iterations, schema)| Case {
            lines,
            max_tool_calls,
            max_iterations,
            schema,
        },
    )
}

impl Line {
    fn reply(&self) -> Reply {
        let text = self.words.concat();
        let reply = match self.end {
            End::Refused => return Reply::error(ErrorKind::Unavailable, "the model is away"),
            End::CutOff => Reply::cut_off(text),
            End::Fine | End::BrokenOff => Reply::text(text),
        };
        let reply =
            self.calls.iter().fold(reply, |reply, (name, arguments)| reply.raw_call(*name, *arguments));
        match self.end {
            End::BrokenOff => reply.then_error(ErrorKind::Unavailable, "the model broke off"),
            _ => reply,
        }
    }
}

fn tools() -> [FnTool; 3] {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    [
        FnTool::text("answers", "an answer").unwrap(),
        FnTool::new("counts", |arguments, _| async move { Ok(ToolOutput::Json(json!({"got": arguments}))) })
            .unwrap()
            .parameters(schema),
        FnTool::new("fails", |_, _| async { Err(Error::unavailable("the tool is away")) }).unwrap(),
    ]
}

/// What is recorded of one run, without times and ids.
#[derive(Debug, PartialEq)]
struct Record {
    status: String,
    error: Option<String>,
    result: Value,
    log: Vec<Value>,
}

struct World {
    gateway: Gateway,
    store: Arc<InProcessStore>,
}

impl World {
    async fn new(case: &Case) -> Self {
        let workspace = Workspace::helper();
        workspace.write("agents/helper/AGENT.md", "---\nskills: [work]\n---\nYou help.");
        std::fs::create_dir_all(workspace.path().join("skills/work")).unwrap();
        workspace.write(
            "skills/work/SKILL.md",
            "---\ndescription: Works\ntools: [answers, counts, fails]\n---\nWork.",
        );
        let Case { max_tool_calls, max_iterations, .. } = case;
        let guardrails =
            format!("guardrails: {{max_tool_calls: {max_tool_calls}, max_iterations: {max_iterations}}}\n");
        workspace.write("gateway.yaml", &guardrails);
        let model = ScriptedModel::new(case.lines.iter().map(Line::reply)).afterwards(Reply::text("the end"));
        let store = Arc::new(InProcessStore::default());
        let builder = Gateway::builder(workspace.path()).use_vars(no_vars()).use_persistence(store.clone());
        let builder = builder.use_model(ModelName::new("scripted/one").unwrap(), Arc::new(model));
        let builder = tools().into_iter().fold(builder, |builder, tool| builder.tool(tool));
        Self { gateway: builder.without_auth().build().await.unwrap(), store }
    }

    /// Runs it to its end, and checks what was streamed.
    async fn run(&self, request: ExecutionRequest) -> (ExecutionId, Option<ConversationId>) {
        match self.gateway.runtime().executions().submit(request).await.unwrap() {
            Submitted::Finished(run) => (run.execution_id, run.session_id),
            Submitted::Streaming(mut run) => {
                let mut events = Vec::new();
                while let Some(more) = run.events.next().await.unwrap() {
                    events.extend(more);
                }
                check_stream(&events, &self.log(&run.execution_id).await);
                (run.execution_id, run.session_id)
            }
            Submitted::Queued(execution) => unreachable!("nobody asked for that: {execution:?}"),
        }
    }

    async fn log(&self, id: &ExecutionId) -> Vec<LogEntry> {
        self.store.executions().log(id, Cursor::START, 500).await.unwrap()
    }

    async fn record(&self, id: &ExecutionId) -> Record {
        let everything = Principal::system().visibility();
        let stored = self.store.executions().get(id, &everything).await.unwrap().unwrap();
        let log = self.log(id).await;
        Record {
            status: stored.status.to_string(),
            error: stored.error,
            result: timeless(stored.result.unwrap()),
            log: log.iter().map(|entry| timeless(serde_json::to_value(entry).unwrap())).collect(),
        }
    }
}

/// Without when it happened and how long it took.
fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| name != "at" && name != "duration_ms");
            members.values_mut().for_each(|member| *member = timeless(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = timeless(item.take())),
        _ => {}
    }
    value
}

/// The tokens of each turn are the turn's text, whether it came to its end or not.
fn check_stream(events: &[Event], log: &[LogEntry]) {
    let mut told: BTreeMap<u64, String> = BTreeMap::new();
    for event in events {
        if let ExecutionEvent::Text(text) = &event.event {
            let turn = event.place.after.0 + u64::from(event.place.part > 0);
            told.entry(turn).or_default().push_str(text);
        }
    }
    let mut calls = 0;
    for entry in log {
        let told = told.remove(&entry.sequence.0).unwrap_or_default();
        match &entry.event {
            LogEvent::ModelTurn(turn) => {
                assert_eq!(told, &*turn.text);
                calls += turn.tool_calls.len();
            }
            LogEvent::CutOff { text } => assert_eq!(told, &**text),
            other => assert_eq!(told, "", "{other:?}"),
        }
    }
    assert!(told.is_empty(), "{told:?}");
    let count =
        |wanted: fn(&ExecutionEvent) -> bool| events.iter().filter(|event| wanted(&event.event)).count();
    assert_eq!(count(|event| matches!(event, ExecutionEvent::ToolCall(_))), calls);
    assert_eq!(count(|event| matches!(event, ExecutionEvent::Finished(_))), 1);
    let results = log.iter().filter(|entry| matches!(entry.event, LogEvent::ToolTurn(_))).count();
    assert_eq!(count(|event| matches!(event, ExecutionEvent::ToolResult { .. })), results);
}

/// Everything that a case leaves behind.
async fn play(case: &Case, delivery: Delivery) -> (Vec<Record>, Vec<Value>) {
    let world = World::new(case).await;
    let request = |message: &str| {
        let agent = AgentId::new("helper").unwrap();
        ExecutionRequest::new(agent, message, Principal::system(), Origin::Library)
    };
    let (first, session) = world.run(request("one").thread(Thread::New).delivery(delivery)).await;
    let session = session.unwrap();
    let next = request("two").thread(Thread::Existing(session.clone())).delivery(delivery);
    let (second, _) = world.run(next).await;
    let mut alone = request("three").delivery(delivery);
    alone.options.output_schema = case.schema.map(|schema| serde_json::from_str(schema).unwrap());
    let (third, _) = world.run(alone).await;
    let mut records = Vec::new();
    for id in [first, second, third] {
        records.push(world.record(&id).await);
    }
    let said = world.store.conversations().messages(&session, 0, 100).await.unwrap();
    let said = said.iter().map(|stored| serde_json::to_value(&stored.message).unwrap()).collect();
    world.gateway.shutdown().await.unwrap();
    (records, said)
}

#[test]
fn buffered_and_streamed_runs_of_a_script_are_recorded_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(case in case())| {
        runtime.block_on(async {
            let buffered = play(&case, Delivery::Whole).await;
            let streamed = play(&case, Delivery::Incremental).await;
            prop_assert_eq!(buffered, streamed);
            Ok(())
        })?;
    });
}
