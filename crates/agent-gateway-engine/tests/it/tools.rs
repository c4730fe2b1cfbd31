//! Tool calls: which are made, with what, and what the model sees.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind,
    execution::StopReason,
    tool::{ToolAccess, ToolOutput},
};
use agent_gateway_testkit::scripted::{FnTool, Reply};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_tool_then_an_answer() {
    let clock = Arc::new(FnTool::text("clock", "noon").unwrap());
    let world = World::new([Reply::calls([("clock", json!({}))]), Reply::text("It is noon.")]).tool(&clock);
    let outcome = world.outcome().await;
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::Completed, "It is noon."));
    assert_eq!((outcome.usage.llm_calls, outcome.usage.tool_calls), (2, 1));
    assert_eq!(world.results(), ["noon"]);
}

#[tokio::test]
async fn results_stand_in_the_order_of_the_calls() {
    let slow = Arc::new(
        FnTool::new("wait", |arguments, _| async move {
            tokio::time::sleep(Duration::from_millis(arguments["ms"].as_u64().unwrap())).await;
            Ok(ToolOutput::Json(arguments["ms"].clone()))
        })
        .unwrap(),
    );
    let calls = [("wait", json!({"ms": 40})), ("wait", json!({"ms": 1})), ("wait", json!({"ms": 20}))];
    let world = World::new([Reply::calls(calls), Reply::text("done")]).tool(&slow);
    world.outcome().await;
    assert_eq!(world.results(), ["40", "1", "20"]);
    assert_eq!(slow.max_concurrency(), 3);
}

#[tokio::test]
async fn at_most_five_calls_run_at_the_same_time() {
    let slow = Arc::new(
        FnTool::new("wait", |_, _| async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(ToolOutput::Text("ok".to_owned()))
        })
        .unwrap(),
    );
    let world = World::new([Reply::calls(vec![("wait", json!({})); 12]), Reply::text("done")]).tool(&slow);
    world.outcome().await;
    assert_eq!((slow.calls().len(), slow.max_concurrency()), (12, 5));
}

#[tokio::test]
async fn calls_that_cannot_be_made_are_answered_with_an_error_and_count_as_none() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let strict = Arc::new(FnTool::text("strict", "ok").unwrap().parameters(schema));
    let secret = FnTool::text("secret", "ok").unwrap();
    let secret = Arc::new(secret.with_spec(|spec| spec.access = ToolAccess::Only(vec!["other".to_owned()])));
    let first = Reply::calls([("nowhere", json!({})), ("secret", json!({})), ("strict", json!({"n": "x"}))])
        .raw_call("strict", "{broken")
        .raw_call("strict", "[1]");
    let world = World::new([first, Reply::text("sorry")]).tool(&strict).tool(&secret);
    let outcome = world.outcome().await;
    let results = world.results();
    assert_eq!(results.len(), 5);
    assert!(results.iter().all(|result| result.starts_with("{\"error\":")), "{results:?}");
    assert!(results[0].contains("nowhere") && results[2].contains("n: "), "{results:?}");
    assert_eq!(outcome.usage.tool_calls, 0);
    assert!(strict.calls().is_empty() && secret.calls().is_empty());
    assert_eq!(world.requests()[0].tools.len(), 1, "a tool of another agent is not offered");
}

#[tokio::test]
async fn defaults_fill_in_before_the_schema_is_checked() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let tool = Arc::new(FnTool::text("count", "ok").unwrap().parameters(schema));
    let mut world = World::new([Reply::calls([("count", json!({}))]), Reply::text("ok")]).tool(&tool);
    world.defaults = json!({"n": 7}).as_object().unwrap().clone();
    world.outcome().await;
    assert_eq!(tool.calls()[0].arguments["n"], 7);
}

#[tokio::test]
async fn a_failing_tool_tells_the_model_what_its_author_wrote_and_nothing_of_our_faults() {
    let failing = |name: &'static str, kind: ErrorKind, text: &'static str| {
        Arc::new(FnTool::new(name, move |_, _| async move { Err(Error::new(kind, text)) }).unwrap())
    };
    let (bad, broken) = (
        failing("bad", ErrorKind::Invalid, "no such city"),
        failing("broken", ErrorKind::Unexpected, "password=hunter2"),
    );
    let world = World::new([Reply::calls([("bad", json!({})), ("broken", json!({}))]), Reply::text("sorry")]);
    let world = world.tool(&bad).tool(&broken);
    let outcome = world.outcome().await;
    let results = world.results();
    assert!(results[0].contains("no such city"), "{results:?}");
    assert!(!results[1].contains("hunter2"), "{results:?}");
    assert_eq!(outcome.usage.tool_calls, 2, "they reached their tools");
}

#[tokio::test]
async fn a_long_result_is_cut_at_a_character_and_says_so() {
    let long = Arc::new(FnTool::text("long", "é".repeat(20_000)).unwrap());
    let world = World::new([Reply::calls([("long", json!({}))]), Reply::text("ok")]).tool(&long);
    world.outcome().await;
    let result = world.results().pop().unwrap();
    let (kept, notice) = result.split_once('\n').unwrap();
    assert_eq!(kept.len(), 32_768);
    assert!(notice.starts_with("[truncated: the first 32768 of 40000 bytes"), "{notice}");
}

#[tokio::test]
async fn each_call_has_a_key_of_its_own_that_a_second_attempt_would_repeat() {
    let tool = Arc::new(FnTool::text("act", "ok").unwrap());
    let twice = || Reply::calls([("act", json!({})), ("act", json!({}))]);
    let world = World::new([twice(), twice(), Reply::text("ok")]).tool(&tool);
    world.outcome().await;
    let mut keys: Vec<String> = tool.calls().into_iter().map(|call| call.context.idempotency_key).collect();
    let id = tool.calls()[0].context.execution_id.to_string();
    keys.sort();
    assert_eq!(keys, ["1-0", "1-1", "2-0", "2-1"].map(|tail| format!("{id}-{tail}")));
}
