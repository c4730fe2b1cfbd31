//! Streams of events, their ends and their resumption.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{
        Departure, Event, EventId, ExecutionEvent, ExecutionStatus, Mode, Place, StopReason, Thread,
    },
    id::ExecutionId,
};
use agent_gateway_runtime::{Refusal, Watched};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};

use crate::world::{World, all, request, text, user, watch};

fn names(events: &[Event]) -> Vec<&'static str> {
    let name = |event: &Event| match &event.event {
        ExecutionEvent::Started => "started",
        ExecutionEvent::Text(_) => "text",
        ExecutionEvent::ToolCall(_) => "call",
        ExecutionEvent::ToolResult { .. } => "result",
        ExecutionEvent::Reset { .. } => "reset",
        ExecutionEvent::Failed { .. } => "failed",
        ExecutionEvent::Finished(_) => "finished",
        _ => "?",
    };
    events.iter().map(name).collect()
}

async fn behind(world: &World, id: &ExecutionId, place: Place) -> Result<Vec<Event>, Refusal> {
    let seen = EventId { execution: id.clone(), place };
    match world.gateway.executions().events(id, &user("ann", &[]), Some(&seen)).await?.unwrap() {
        Watched::Telling(_, events) => Ok(all(*events).await),
        Watched::Told(_) => Ok(Vec::new()),
    }
}

#[tokio::test]
async fn a_stream_tells_what_the_buffered_answer_says() {
    let reply = || Reply::text("one two three");
    let world = World::helper([reply(), reply()]).await;
    let buffered = world.finish(request("helper", "hello")).await;
    let streaming = world.stream(request("helper", "hello")).await;
    let id = streaming.execution_id.clone();
    let events = all(streaming.events).await;
    assert_eq!(names(&events), ["started", "text", "text", "text", "finished"]);
    assert_eq!(text(&events), buffered.outcome.raw_text);
    let (one, two) = (world.stored(&buffered.execution_id).await, world.stored(&id).await);
    assert_eq!((one.status, one.error), (two.status, two.error));
    let kinds = |log: Vec<agent_gateway_core::execution::LogEntry>| {
        log.iter().map(|entry| entry.event.kind()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(world.log(&one.id).await), kinds(world.log(&id).await));
}

#[tokio::test]
async fn an_unknown_tool_and_a_failure_are_told_in_order() {
    let world = World::helper([
        Reply::calls([("nothing", serde_json::json!({}))]),
        Reply::error(ErrorKind::Unavailable, "away"),
    ])
    .await;
    let events = all(world.stream(request("helper", "hello")).await.events).await;
    assert_eq!(names(&events), ["started", "call", "result", "failed", "finished"]);
    let ExecutionEvent::ToolResult { output, .. } = &events[2].event else { panic!("{events:?}") };
    assert!(output["error"].as_str().unwrap().contains("nothing"), "{output}");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_run_unless_it_detaches() {
    let world = World::helper([Reply::text("so").then_hang(), Reply::text("so far").then_hang()]).await;
    let mut streaming = world.stream(request("helper", "hello")).await;
    let id = streaming.execution_id.clone();
    streaming.events.next().await.unwrap();
    world.model.wait_for_requests(1).await;
    drop(streaming);
    world.model.wait_for_dropped(1).await;
    assert_eq!(world.ended(&id).await.status, ExecutionStatus::Cancelled);

    let stays = world.stream(request("helper", "hello").departure(Departure::Detaches)).await;
    let id = stays.execution_id.clone();
    world.model.wait_for_requests(2).await;
    drop(stays);
    let executions = world.gateway.executions();
    let mut events = watch(&executions, &id).await;
    let mut seen = Vec::new();
    while text(&seen) != "so far" {
        seen.extend(events.next().await.unwrap().unwrap());
    }
    assert_eq!(world.stored(&id).await.status, ExecutionStatus::Running);
    executions.cancel(&id, &user("ann", &[])).await.unwrap();
    let rest = all(events).await;
    assert_eq!(names(&rest), ["finished"]);
}

#[tokio::test]
async fn every_event_can_be_come_back_to() {
    let world =
        World::helper([Reply::text("a b c").call("nothing", &serde_json::json!({})), Reply::text("d e")])
            .await;
    let streaming = world.stream(request("helper", "hello")).await;
    let id = streaming.execution_id.clone();
    let whole = all(streaming.events).await;
    for cut in 0..whole.len() {
        let rest = behind(&world, &id, whole[cut].place).await.unwrap();
        let mut joined = whole[..=cut].to_vec();
        joined.extend(rest);
        assert_eq!(text(&joined), text(&whole), "cut behind {cut}");
        let others =
            |events: &[Event]| names(events).into_iter().filter(|name| *name != "text").collect::<Vec<_>>();
        assert_eq!(others(&joined), others(&whole), "cut behind {cut}");
    }
}

#[tokio::test]
async fn places_that_are_not_there_are_refused() {
    let world = World::helper([Reply::text("abc")]).await;
    let id = world.finish(request("helper", "hello")).await.execution_id;
    let executions = world.gateway.executions();
    let ann = user("ann", &[]);
    for text in ["3", "99", "0.4", "18446744073709551615.3"] {
        let seen: EventId = format!("{id}:{text}").parse().unwrap();
        let refused = executions.events(&id, &ann, Some(&seen)).await.unwrap_err();
        assert!(matches!(refused, Refusal::EventIdAhead), "{text}: {refused}");
    }
    let foreign: EventId = format!("{}:0", ExecutionId::generate()).parse().unwrap();
    let refused = executions.events(&id, &ann, Some(&foreign)).await.unwrap_err();
    assert!(matches!(refused, Refusal::EventIdForeign), "{refused}");
    assert!(executions.events(&id, &user("bob", &[]), None).await.unwrap().is_none());
    assert!(executions.events(&ExecutionId::generate(), &ann, None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_queued_run_can_be_watched_from_its_beginning_to_its_end() {
    let world = World::helper([Reply::text("one two")]).await;
    let queued = match world.submit(request("helper", "hello").mode(Mode::Detach)).await.unwrap() {
        agent_gateway_runtime::Submitted::Queued(queued) => queued.id,
        other => panic!("{other:?}"),
    };
    let executions = world.gateway.executions();
    let events = watch(&executions, &queued).await;
    let events = all(events).await;
    assert_eq!((names(&events)[0], text(&events).as_str()), ("started", "one two"));
    let Some(Event { event: ExecutionEvent::Finished(outcome), .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(outcome.stop_reason, StopReason::Completed);
}

#[tokio::test]
async fn another_process_sees_a_run_through_the_store() {
    let world = World::helper([Reply::text("first half").then_hang()]).await;
    let streaming = world.stream(request("helper", "hello").thread(Thread::New)).await;
    let other = world.with_model(Arc::new(ScriptedModel::new([]))).await;
    let mut events = watch(&other.executions(), &streaming.execution_id).await;
    let mut seen = Vec::new();
    while text(&seen) != "first half" {
        seen.extend(events.next().await.unwrap().unwrap());
    }
    drop(streaming);
    assert_eq!(names(&all(events).await), ["finished"]);
}
