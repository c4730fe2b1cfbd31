//! The view `execution_steps` shows what the core's `steps` shows.
use agent_gateway_core::{
    JsonMap,
    execution::{
        Cursor, Fence, LogEvent, Outcome, ResetReason, ResultForm, StopReason, ToolOutcome, ToolTurn, Usage,
        steps,
    },
    message::{Arguments, ToolCall},
    ports::persistence::PersistenceBackend,
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use serde_json::{Value, json};

use super::{
    raw,
    sample::{log, running, turn},
};

fn events() -> Vec<LogEvent> {
    let call = |id: &str, arguments| ToolCall { id: id.into(), name: "search".into(), arguments };
    let Value::Object(arguments) = json!({"q": "Grüße", "a": [1, 2.5, null]}) else { unreachable!() };
    let tool = |outcome, content: &str, cut_from| {
        LogEvent::ToolTurn(ToolTurn {
            call_id: "call_1".into(),
            name: "search".into(),
            arguments: Arguments::Object(JsonMap::new()),
            outcome,
            content: content.into(),
            cut_from,
            whole: None,
            form: ResultForm::Text,
            duration_ms: 12,
            within: None,
        })
    };
    let mut calling = turn("");
    calling.cost_usd = Some(0.000_25);
    calling.tool_calls = vec![
        call("call_1", Arguments::Object(arguments)),
        call("call_2", Arguments::Malformed("{broken".to_owned())),
        call("call_3", Arguments::Object(JsonMap::new())),
    ];
    vec![
        LogEvent::ModelTurn(turn(&"é".repeat(3_000))),
        LogEvent::ModelTurn(calling),
        LogEvent::ToolStarted { call_id: "call_1".into(), name: "search".into() },
        tool(ToolOutcome::Succeeded, "{\"found\": \"x\"}", None),
        tool(ToolOutcome::Failed, &"ü".repeat(2_049), None),
        tool(ToolOutcome::Refused, "short", Some(40_000)),
        LogEvent::Reset(ResetReason::Resumed),
        LogEvent::ModelTurn(turn("done")),
        LogEvent::Finished(Outcome::new(StopReason::Completed, "done", Usage::default())),
    ]
}

#[tokio::test]
async fn the_view_shows_the_steps_of_the_core() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    let entries = log(events());
    let (execution, other) = (running("one"), running("two"));
    for id in [&execution.id, &other.id] {
        let stored = if *id == execution.id { &execution } else { &other };
        store.executions().create(stored).await.unwrap();
        assert_eq!(store.executions().append(id, Fence(1), &entries).await.unwrap(), Cursor(9));
    }
    store.close().await.unwrap();

    let query = format!(
        "SELECT json_object('step_type', step_type, 'sequence', sequence, 'data', json(data), 'duration_ms', duration_ms) \
         FROM execution_steps WHERE execution_id = '{}' ORDER BY sequence",
        execution.id
    );
    let found: Vec<Value> =
        raw::texts(&path, &query).await.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let wanted: Vec<Value> = steps(&entries)
        .iter()
        .map(|step| {
            json!({
                "step_type": step.step_type,
                "sequence": step.sequence,
                "data": step.data,
                "duration_ms": step.duration_ms,
            })
        })
        .collect();
    assert_eq!(found, wanted);
    let plan = raw::texts(&path, "SELECT created_at FROM execution_steps LIMIT 1").await;
    assert_eq!(plan, ["2025-10-09 08:53:21.000000"]);
}
