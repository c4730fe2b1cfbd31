//! Structured answers.
use agent_gateway_core::{execution::StopReason, message::Message};
use agent_gateway_testkit::scripted::Reply;
use serde_json::json;

use crate::world::World;

fn world(replies: impl IntoIterator<Item = Reply>) -> World {
    let mut world = World::new(replies);
    world.output =
        Some(json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}));
    world
}

#[tokio::test]
async fn a_fenced_answer_that_fits_is_taken() {
    let outcome = world([Reply::text("```json\n{\"city\": \"Oslo\"}\n```")]).outcome().await;
    assert_eq!(outcome.output, Some(json!({"city": "Oslo"})));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_repaired_once() {
    let world = world([Reply::text("Oslo!"), Reply::text("{\"city\": \"Oslo\"}")]);
    let outcome = world.outcome().await;
    assert_eq!((outcome.output, outcome.usage.llm_calls), (Some(json!({"city": "Oslo"})), 2));
    let messages = &world.requests()[1].messages;
    assert_eq!(messages[2], Message::assistant("Oslo!"), "the failed answer is shown");
    assert_eq!(world.log.events.lock().unwrap().len(), 1, "and recorded");
}

#[tokio::test]
async fn two_answers_that_do_not_fit_complete_with_the_reasons() {
    let outcome = world([Reply::text("Oslo!"), Reply::text("{\"town\": \"Oslo\"}")]).outcome().await;
    assert_eq!((outcome.stop_reason, &outcome.output), (StopReason::Completed, &None));
    assert_eq!(outcome.raw_text, "{\"town\": \"Oslo\"}");
    assert!(outcome.validation_errors.unwrap()[0].contains("city"));
}
