//! How a run ends when something stops it.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{ErrorKind, capability::Price, execution::StopReason, message::TokenUsage};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_model_that_never_answers_is_stopped_after_ten_turns() {
    let tool = Arc::new(FnTool::text("again", "ok").unwrap());
    let mut world = World::new([]).tool(&tool);
    world.limits.max_tool_calls = 100;
    world.model = ScriptedModel::always(Reply::calls([("again", json!({}))]));
    let outcome = world.outcome().await;
    assert_eq!((outcome.stop_reason, outcome.usage.llm_calls), (StopReason::MaxIterations, 10));
}

#[tokio::test]
async fn over_the_limit_of_calls_the_rest_is_refused_and_the_model_answers_without_tools() {
    let tool = Arc::new(FnTool::text("act", "ok").unwrap());
    let world =
        World::new([Reply::calls(vec![("act", json!({})); 25]), Reply::text("That is all.")]).tool(&tool);
    let outcome = world.outcome().await;
    assert_eq!((tool.calls().len(), outcome.stop_reason), (20, StopReason::MaxToolCalls));
    assert_eq!(outcome.raw_text, "That is all.");
    assert_eq!(world.results().iter().filter(|result| result.contains("limit of 20")).count(), 5);
    assert!(world.requests()[1].tools.is_empty(), "the last turn has no tools");
}

#[tokio::test]
async fn a_limit_of_no_calls_makes_none() {
    let tool = Arc::new(FnTool::text("act", "ok").unwrap());
    let mut world = World::new([Reply::text("plain")]).tool(&tool);
    world.limits.max_tool_calls = 0;
    assert_eq!(world.outcome().await.stop_reason, StopReason::Completed);
    assert!(world.requests()[0].tools.is_empty());
}

#[tokio::test]
async fn time_runs_out_for_the_model_and_its_call_is_dropped() {
    let mut world = World::new([Reply::hang()]);
    world.limits.timeout = Duration::from_millis(20);
    let outcome = world.outcome().await;
    assert_eq!(outcome.stop_reason, StopReason::Timeout);
    assert!(outcome.error.unwrap().contains("20 ms"));
    world.model.wait_for_dropped(1).await;
}

#[tokio::test]
async fn a_tool_that_is_cut_off_counts_as_called_and_is_dropped() {
    let tool = Arc::new(FnTool::new("hang", |_, _| std::future::pending()).unwrap());
    let mut world = World::new([Reply::calls([("hang", json!({}))])]).tool(&tool);
    world.limits.timeout = Duration::from_millis(20);
    let outcome = world.outcome().await;
    assert_eq!((outcome.stop_reason, outcome.usage.tool_calls), (StopReason::Timeout, 1));
    tool.wait_for_dropped(1).await;
}

#[tokio::test]
async fn cancelling_drops_the_model_call_and_keeps_what_was_reached() {
    let tool = Arc::new(FnTool::text("act", "ok").unwrap());
    let first = Reply::text("Let me see.").call("act", &json!({}));
    let world = World::new([first, Reply::hang()]).tool(&tool);
    let (outcome, ()) = tokio::join!(world.outcome(), async {
        world.model.wait_for_requests(2).await;
        world.cancel.cancel();
    });
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::Cancelled, "Let me see."));
    assert_eq!(outcome.usage.llm_calls, 1);
    world.model.wait_for_dropped(1).await;
}

#[tokio::test]
async fn cancelled_before_it_began_it_asks_nobody() {
    let world = World::new([Reply::text("never")]);
    world.cancel.cancel();
    assert_eq!(world.outcome().await.stop_reason, StopReason::Cancelled);
    assert!(world.requests().is_empty());
}

#[tokio::test]
async fn a_failing_model_ends_the_run_with_its_public_sentence() {
    let world = World::new([Reply::error(ErrorKind::RateLimited, "the provider answered 429")]);
    let outcome = world.outcome().await;
    assert_eq!(outcome.stop_reason, StopReason::Error);
    assert_eq!(outcome.error.as_deref(), Some("the provider answered 429"));
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_no_answer() {
    let outcome = World::new([Reply::cut_off("half an ans")]).outcome().await;
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::Error, ""));
}

#[tokio::test]
async fn the_fallback_answers_when_the_first_model_fails() {
    let mut world =
        World::new([Reply::error(ErrorKind::Unavailable, "down"), Reply::text("from the second")]);
    world.fallback = Some("scripted/two");
    assert_eq!(world.outcome().await.raw_text, "from the second");
    let asked: Vec<String> = world.requests().iter().map(|request| request.model.to_string()).collect();
    assert_eq!(asked, ["scripted/one", "scripted/two"]);
}

#[tokio::test]
async fn an_empty_last_answer_is_not_replaced_by_an_earlier_text() {
    let tool = Arc::new(FnTool::text("act", "ok").unwrap());
    let world = World::new([Reply::text("thinking").call("act", &json!({})), Reply::text("")]).tool(&tool);
    assert_eq!(world.outcome().await.raw_text, "");
}

#[tokio::test]
async fn costs_add_up_and_an_unknown_price_is_flagged() {
    let usage = TokenUsage { input_tokens: 1000, output_tokens: 100, cached_input_tokens: 400 };
    let mut world = World::new([]);
    let price = Price { input: 1.0, cached_input: 0.5, output: 10.0 };
    world.model = ScriptedModel::new([Reply::text("ok").usage(usage)]).priced(price);
    let priced = world.outcome().await.usage;
    assert!((priced.cost_usd - 0.0018).abs() < 1e-9 && !priced.cost_incomplete, "{priced:?}");
    let unpriced = World::new([Reply::text("ok").usage(usage)]).outcome().await.usage;
    assert!(unpriced.cost_usd == 0.0 && unpriced.cost_incomplete, "{unpriced:?}");
}
