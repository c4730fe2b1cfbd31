//! Structured answers.
use std::sync::Arc;

use agent_gateway_core::{
    capability::StructuredOutput, execution::StopReason, message::Message, ports::model::Delivery,
    tool::ToolOutput,
};
use agent_gateway_testkit::scripted::{FnTool, Reply};
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

#[tokio::test]
async fn the_schema_goes_to_models_that_take_it_and_into_the_prompt_of_all() {
    for (able, expected) in [
        (StructuredOutput::None, [false, false, false]),
        (StructuredOutput::AnswerOnly, [false, false, true]),
        (StructuredOutput::Always, [true, true, true]),
    ] {
        let calls = Reply::calls([("look", json!({}))]);
        let look =
            Arc::new(FnTool::new("look", |_, _| async { Ok(ToolOutput::Text("Oslo".into())) }).unwrap());
        let mut world = world([calls, Reply::text("Oslo!"), Reply::text("{\"city\": \"Oslo\"}")]).tool(&look);
        world.model = world.model.clone().structured(able);
        assert_eq!(world.outcome().await.output, Some(json!({"city": "Oslo"})));
        let requests = world.requests();
        let sent: Vec<_> = requests.iter().map(|request| request.output_schema.as_deref()).collect();
        let schema = world.output.as_ref();
        assert_eq!(sent, expected.map(|sent| schema.filter(|_| sent)), "{able:?}");
        let Message::System { content } = &requests[0].messages[0] else { panic!("no system prompt") };
        assert!(content.contains("## Required Output Format"));
    }
}

#[tokio::test]
async fn without_tools_the_first_turn_is_an_answer_and_without_a_schema_none_is_sent() {
    let mut plain = World::new([Reply::text("hi")]);
    plain.model = plain.model.clone().structured(StructuredOutput::Always);
    plain.outcome().await;
    assert_eq!(plain.requests()[0].output_schema, None);

    let mut world = world([Reply::text("{\"city\": \"Oslo\"}")]);
    world.model = world.model.clone().structured(StructuredOutput::AnswerOnly);
    world.outcome().await;
    assert!(world.requests()[0].output_schema.is_some());
}

#[tokio::test]
async fn the_repair_turn_is_the_same_streamed_and_not() {
    for delivery in [Delivery::Whole, Delivery::Incremental] {
        let mut world = world([Reply::text("Oslo!"), Reply::text("{\"city\": \"Oslo\"}")]);
        world.delivery = delivery;
        let outcome = world.outcome().await;
        assert_eq!((outcome.output, outcome.usage.llm_calls), (Some(json!({"city": "Oslo"})), 2));
        let said = world.log.said.lock().unwrap().concat();
        let streamed = if delivery == Delivery::Incremental { "Oslo!{\"city\": \"Oslo\"}" } else { "" };
        assert_eq!(said, streamed);
    }
}

#[tokio::test]
async fn a_huge_answer_that_does_not_fit_is_shown_in_part_and_told_briefly() {
    let huge = format!("{{\"city\": [{}0]}}", "7,".repeat(3_500_000));
    for text in ["no ".repeat(2_500_000), huge] {
        let world = world([Reply::text(&*text), Reply::text(&*text)]);
        let outcome = world.outcome().await;
        assert_eq!((outcome.stop_reason, outcome.usage.llm_calls), (StopReason::Completed, 2));
        assert!(outcome.validation_errors.unwrap().iter().all(|told| told.len() < 700));
        let Message::Assistant { content, .. } = &world.requests()[1].messages[2] else {
            panic!("no answer")
        };
        assert!(content.len() < 70_000 && content.ends_with("[cut]"));
    }
}
