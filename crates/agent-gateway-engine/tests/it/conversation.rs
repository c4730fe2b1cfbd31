//! Turns of a conversation, and text that comes in pieces.
use agent_gateway_core::{
    ErrorKind,
    execution::{LogEvent, ResetReason, StopReason},
    message::Message,
    ports::model::Delivery,
};
use agent_gateway_engine::Setting;
use agent_gateway_testkit::scripted::Reply;

use crate::world::World;

#[tokio::test]
async fn the_model_is_shown_what_was_said_before() {
    let mut world = World::new([Reply::text("fine")]);
    let history = vec![Message::user("hi"), Message::assistant("hello"), Message::user("are you there?")];
    world.setting = Setting::Conversation(history);
    world.run().await;
    let asked = world.requests().pop().unwrap().messages;
    let expected =
        [Message::user("hi"), Message::assistant("hello"), Message::user("are you there?\n\nhello")];
    assert_eq!(asked[1..], expected, "what nobody answered stands before what is said now");
}

#[tokio::test]
async fn pieces_are_passed_on_as_they_come_and_only_where_they_are_wanted() {
    let mut world = World::new([Reply::text("one two three"), Reply::text("one two three")]);
    world.run().await;
    assert!(world.log.said.lock().unwrap().is_empty());
    world.delivery = Delivery::Incremental;
    let (outcome, _) = world.finished().await;
    assert_eq!(*world.log.said.lock().unwrap(), ["one ", "two ", "three"]);
    assert_eq!(outcome.raw_text, "one two three");
}

#[tokio::test]
async fn a_fallback_that_takes_over_in_the_middle_begins_anew() {
    let broken = Reply::text("half an answer").then_error(ErrorKind::Unavailable, "gone");
    let mut world = World::new([broken, Reply::text("whole")]);
    world.fallback = Some("scripted/two");
    world.delivery = Delivery::Incremental;
    let (outcome, _) = world.finished().await;
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::Completed, "whole"));
    let log = world.log.events.lock().unwrap().clone();
    assert_eq!(log, [LogEvent::Reset(ResetReason::Fallback)]);
}

#[tokio::test]
async fn a_fallback_that_is_asked_at_once_resets_nothing() {
    let refused = Reply::error(ErrorKind::Unavailable, "gone");
    let mut world = World::new([refused, Reply::text("whole")]);
    world.fallback = Some("scripted/two");
    world.delivery = Delivery::Incremental;
    world.run().await;
    assert!(world.log.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_said_before_the_end_came_is_kept() {
    for delivery in [Delivery::Whole, Delivery::Incremental] {
        let mut world =
            World::new([Reply::text("half an answer").then_error(ErrorKind::Unavailable, "gone")]);
        world.delivery = delivery;
        let (outcome, unrecorded) = world.finished().await;
        assert_eq!(outcome.stop_reason, StopReason::Error);
        assert_eq!(unrecorded, Some(LogEvent::CutOff { text: "half an answer".into() }));
    }
}
