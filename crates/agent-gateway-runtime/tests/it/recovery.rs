//! Executions whose process is gone.
use std::sync::Arc;

use agent_gateway_core::{
    clock::{Clock, SystemClock},
    execution::{
        Cursor, Departure, DraftPiece, Event, EventId, Execution, ExecutionEvent, ExecutionStatus, Fence,
        LogEntry, LogEvent, Place, Transition,
    },
    id::{AgentId, ConversationId, ExecutionId, InstanceId, UserId},
    in_process::InProcessStore,
    ports::{
        model::Delivery,
        persistence::{Conversation, PersistenceBackend},
    },
};
use agent_gateway_runtime::Watched;
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};

use crate::world::{World, all, text, user, watch};

/// What a process left behind that was killed.
struct Left {
    execution: Execution,
    events: Vec<LogEvent>,
    draft: &'static str,
}

impl Left {
    fn new(change: impl FnOnce(&mut Execution)) -> Self {
        let mut execution = Execution::new(
            ExecutionId::generate(),
            AgentId::new("helper").unwrap(),
            "hello",
            SystemClock.now(),
        );
        execution.user_id = Some(UserId::new("ann").unwrap());
        execution.instance = Some(InstanceId::new("gone").unwrap());
        change(&mut execution);
        Self { execution, events: Vec::new(), draft: "" }
    }

    fn streamed() -> Self {
        Self::new(|execution| execution.options.delivery = Delivery::Incremental)
    }

    async fn store(&self, store: &InProcessStore) -> ExecutionId {
        let (executions, id, at) = (store.executions(), &self.execution.id, SystemClock.now());
        executions.create(&self.execution).await.unwrap();
        let instance = self.execution.instance.clone();
        let start = Transition::Start { fence: Fence(1), instance, at };
        executions.advance(id, Fence::NONE, &start).await.unwrap();
        let entries: Vec<LogEntry> = self
            .events
            .iter()
            .zip(1..)
            .map(|(event, sequence)| LogEntry { sequence: Cursor(sequence), at, event: event.clone() })
            .collect();
        let after = executions.append(id, Fence(1), &entries).await.unwrap();
        if !self.draft.is_empty() {
            let piece = DraftPiece { after, offset: 0, text: self.draft.into() };
            executions.append_draft(id, Fence(1), &piece).await.unwrap();
        }
        id.clone()
    }
}

/// A gateway that starts when another one's process is gone.
async fn restarted(left: &Left, replies: impl IntoIterator<Item = Reply>) -> (World, ExecutionId) {
    let store = Arc::new(InProcessStore::default());
    let id = left.store(&store).await;
    (World::on(store, ScriptedModel::new(replies)).await, id)
}

#[tokio::test]
async fn a_stream_that_was_cut_off_is_said_anew_to_those_who_come_back() {
    let left = Left { draft: "half an", ..Left::streamed() };
    let (world, id) = restarted(&left, [Reply::text("a whole answer")]).await;
    let executions = world.gateway.executions();
    // The client had seen more than was stored.
    let seen = EventId { execution: id.clone(), place: Place { after: Cursor(0), part: 12 } };
    let ann = user("ann", &[]);
    let watched = executions.events(&id, &ann, Some(&seen)).await.unwrap().unwrap();
    let Watched::Telling(_, events) = watched else { panic!("nothing is told: {watched:?}") };
    let events = all(*events).await;
    assert!(matches!(events[0].event, ExecutionEvent::Reset { keep: Place::START, .. }), "{events:?}");
    assert_eq!(text(&events), "a whole answer");
    assert!(matches!(events.last(), Some(Event { event: ExecutionEvent::Finished(_), .. })));
    let stored = world.stored(&id).await;
    assert_eq!((stored.status, stored.fence), (ExecutionStatus::Completed, Fence(2)));
}

#[tokio::test]
async fn what_nobody_can_come_back_for_ends_with_a_reason() {
    let (world, id) = restarted(&Left::new(|_| {}), []).await;
    let ended = world.ended(&id).await;
    assert_eq!(ended.status, ExecutionStatus::Failed);
    assert!(ended.error.unwrap().contains("interrupted"));
}

#[tokio::test]
async fn a_call_that_may_have_happened_ends_the_run_with_an_error_event() {
    let mut left = Left::streamed();
    left.events = vec![LogEvent::ToolStarted { call_id: "c".into(), name: "pay".into() }];
    let (world, id) = restarted(&left, []).await;
    let executions = world.gateway.executions();
    let events = all(watch(&executions, &id).await).await;
    let [.., Event { event: ExecutionEvent::Failed { message }, .. }, _] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert!(message.contains("interrupted") && message.contains("pay"), "{message}");
}

#[tokio::test]
async fn a_detached_run_and_one_that_was_only_accepted_go_on() {
    let left = Left::new(|execution| execution.options.departure = Departure::Detaches);
    let (world, id) = restarted(&left, [Reply::text("done")]).await;
    assert_eq!(world.ended(&id).await.status, ExecutionStatus::Completed);

    let store = Arc::new(InProcessStore::default());
    let accepted = Left::new(|execution| execution.options.departure = Departure::Detaches).execution;
    store.executions().create(&accepted).await.unwrap();
    let world = World::on(store, ScriptedModel::new([Reply::text("late")])).await;
    let ended = world.ended(&accepted.id).await;
    assert_eq!((ended.status, ended.fence), (ExecutionStatus::Completed, Fence(1)));
}

#[tokio::test]
async fn an_interrupted_turn_is_finished_before_the_next_one() {
    let session = ConversationId::generate();
    let mut left = Left::streamed();
    left.execution.session_id = Some(session.clone());
    let store = Arc::new(InProcessStore::default());
    let agent = AgentId::new("helper").unwrap();
    let owner = left.execution.user_id.clone();
    let conversation = Conversation::new(session.clone(), agent, owner, SystemClock.now());
    store.conversations().create(&conversation).await.unwrap();
    left.store(&store).await;
    let world = World::on(store, ScriptedModel::new([Reply::text("resumed"), Reply::text("next")])).await;
    let thread = agent_gateway_core::execution::Thread::Existing(session.clone());
    let done = world.finish(crate::world::request("helper", "again").thread(thread)).await;
    assert_eq!((done.outcome.raw_text.as_str(), done.outcome.turn_count), ("next", Some(2)));
    let said = world.said(&session).await;
    let said: Vec<&str> = said.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(said, ["hello", "resumed", "again", "next"]);
}

#[tokio::test]
async fn what_another_living_process_runs_is_left_alone() {
    let world = World::helper([Reply::hang()]).await;
    let streaming = world.stream(crate::world::request("helper", "hello")).await;
    let other = world.with_model(Arc::new(ScriptedModel::new([]))).await;
    // Its first round is over when it knows itself.
    other.executions().submit(crate::world::request("nobody", "hello")).await.unwrap_err();
    tokio::task::yield_now().await;
    assert_eq!(world.stored(&streaming.execution_id).await.status, ExecutionStatus::Running);
}

#[tokio::test]
async fn an_execution_that_is_interrupted_again_and_again_is_given_up() {
    let left = Left::streamed();
    let store = Arc::new(InProcessStore::default());
    let id = left.store(&store).await;
    let executions = store.executions();
    for fence in 1..6 {
        let instance = left.execution.instance.clone();
        let start = Transition::Start { fence: Fence(fence + 1), instance, at: SystemClock.now() };
        executions.advance(&id, Fence(fence), &start).await.unwrap();
    }
    let world = World::on(store, ScriptedModel::new([])).await;
    assert!(world.ended(&id).await.error.unwrap().contains("too often"));
}
