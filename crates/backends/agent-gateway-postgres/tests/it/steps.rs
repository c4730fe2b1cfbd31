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
use agent_gateway_postgres::PostgresBackend;
use agent_gateway_testkit::{Service, needs_service};
use serde_json::{Value, json};

use super::{
    sample::{log, running, turn},
    world::World,
};

fn events() -> Vec<LogEvent> {
    let call = |id: &str, arguments| ToolCall { id: id.into(), name: "search".into(), arguments };
    let Value::Object(arguments) = json!({"q": "Grüße", "a": [1, 2.5, null]}) else { unreachable!() };
    let Value::Object(odd) = json!({"_malformed": "x", "more": 1}) else { unreachable!() };
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
        call("call_4", Arguments::Object(odd)),
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
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::the_view_shows_the_steps_of_the_core");
    let world = World::at(&url);
    let store = PostgresBackend::open(world.config()).await.unwrap();
    store.prepare().await.unwrap();
    let entries = log(events());
    let (execution, other) = (running("one"), running("two"));
    for stored in [&execution, &other] {
        store.executions().create(stored).await.unwrap();
        assert_eq!(store.executions().append(&stored.id, Fence(1), &entries).await.unwrap(), Cursor(9));
    }
    let query = format!(
        "SELECT CAST(json_build_object('step_type', step_type, 'sequence', sequence, 'data', data, \
         'duration_ms', duration_ms) AS TEXT) FROM {{s}}.execution_steps WHERE execution_id = '{}' ORDER BY sequence",
        execution.id
    );
    let found: Vec<Value> =
        world.texts(&query).await.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
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
}
