use super::*;
use crate::{
    ErrorKind, Timestamp,
    execution::{
        Execution, ExecutionStatus, Fence, Fingerprint, Idempotency, Outcome, StopReason, Transition, Usage,
    },
    id::{AgentId, ConversationId, ExecutionId, IdempotencyKey, InstanceId},
    message::Message,
    page::PageRequest,
    ports::persistence::{Conversation, ConversationQuery, NewDelivery},
    principal::Principal,
};

fn execution(id: &str, second: i64) -> Execution {
    let at = Timestamp::from_second(second).unwrap();
    let mut execution =
        Execution::new(ExecutionId::new(id).unwrap(), AgentId::new("helper").unwrap(), "hi", at);
    execution.status = ExecutionStatus::Running;
    execution
}

fn finish() -> Transition {
    let outcome = Box::new(Outcome::new(StopReason::Completed, "done", Usage::default()));
    Transition::Finish {
        outcome,
        entries: Vec::new(),
        said: Vec::new(),
        at: Timestamp::from_second(9).unwrap(),
    }
}

#[tokio::test]
async fn a_full_store_forgets_the_oldest_finished_execution() {
    let store = InProcessStore::with_capacity(2);
    let (executions, everyone) = (store.executions(), Principal::system().visibility());
    for (id, second) in [("a", 1), ("b", 2)] {
        executions.create(&execution(id, second)).await.unwrap();
    }
    let full = executions.create(&execution("c", 3)).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::RateLimited);

    executions.advance(&ExecutionId::new("b").unwrap(), Fence::NONE, &finish()).await.unwrap();
    executions.create(&execution("c", 3)).await.unwrap();
    for (id, kept) in [("a", true), ("b", false), ("c", true)] {
        let found = executions.get(&ExecutionId::new(id).unwrap(), &everyone).await.unwrap();
        assert_eq!(found.is_some(), kept, "{id}");
    }
}

/// Its key is free for a new execution, which takes the place of the old one.
#[tokio::test]
async fn a_forgotten_execution_frees_its_key() {
    let store = InProcessStore::with_capacity(2);
    let (executions, key) = (store.executions(), IdempotencyKey::new("k").unwrap());
    let keyed = |id, second| {
        let mut turn = execution(id, second);
        turn.session_id = Some(ConversationId::new("talk").unwrap());
        let fingerprint = Fingerprint::of(&serde_json::Value::Null);
        turn.idempotency = Some(Idempotency { key: key.clone(), fingerprint });
        turn
    };
    let old = keyed("a", 1);
    executions.create(&old).await.unwrap();
    executions.advance(&old.id, Fence::NONE, &finish()).await.unwrap();
    let used = executions.create(&keyed("b", 2)).await.unwrap_err();
    assert_eq!(used.kind(), ErrorKind::AlreadyExists);
    for (id, second) in [("c", 3), ("d", 4)] {
        executions.create(&execution(id, second)).await.unwrap();
    }
    executions.advance(&ExecutionId::new("c").unwrap(), Fence::NONE, &finish()).await.unwrap();
    executions.create(&keyed("b", 5)).await.unwrap();
    let found = executions.find_by_key(&key, None).await.unwrap().unwrap();
    assert_eq!(found.id.as_str(), "b");
}

/// A process that cannot be kept is one that is not known to be alive.
#[tokio::test]
async fn the_process_whose_time_is_up_first_makes_room() {
    let store = InProcessStore::with_capacity(2);
    let executions = store.executions();
    for (name, second) in [("a", 5), ("b", 3), ("a", 6), ("c", 4)] {
        let until = Timestamp::from_second(second).unwrap();
        executions.announce(&InstanceId::new(name).unwrap(), until).await.unwrap();
    }
    let mut left: Vec<_> =
        executions.instances().await.unwrap().into_iter().map(|(name, _)| name.to_string()).collect();
    left.sort();
    assert_eq!(left, ["a", "c"]);
}

/// The run has not ended and its conversation has not grown: both can be tried again with less.
#[tokio::test]
async fn an_end_that_says_too_much_changes_nothing() {
    let store = InProcessStore::with_capacity(2);
    let (executions, everyone) = (store.executions(), Principal::system().visibility());
    let (talk, agent) = (ConversationId::new("talk").unwrap(), AgentId::new("helper").unwrap());
    let begun = Conversation::new(talk.clone(), agent, None, Timestamp::from_second(1).unwrap());
    store.conversations().create(&begun).await.unwrap();
    let mut turn = execution("a", 1);
    turn.session_id = Some(talk.clone());
    executions.create(&turn).await.unwrap();
    for (messages, kind) in [(3, Some(ErrorKind::TooLarge)), (2, None)] {
        let mut change = finish();
        if let Transition::Finish { said, .. } = &mut change {
            said.extend((0..messages).map(|_| Message::user("hello")));
        }
        let ended = executions.advance(&turn.id, Fence::NONE, &change).await;
        assert_eq!(ended.err().map(|error| error.kind()), kind);
        let stored = executions.get(&turn.id, &everyone).await.unwrap().unwrap();
        assert_eq!(stored.status.is_final(), kind.is_none());
        let kept = store.conversations().tail(&talk, 9).await.unwrap().len();
        assert_eq!(kept, if kind.is_none() { 2 } else { 0 });
    }
}

#[tokio::test]
async fn pending_deliveries_are_never_forgotten() {
    let store = InProcessStore::with_capacity(2);
    let delivery = |channel: &str| NewDelivery {
        execution_id: ExecutionId::new("a").unwrap(),
        agent_id: AgentId::new("helper").unwrap(),
        user_id: None,
        event_type: "execution.completed".to_owned(),
        channel: channel.to_owned(),
        target: "somewhere".to_owned(),
        payload: crate::JsonMap::new(),
    };
    let at = Timestamp::from_second(1).unwrap();
    let (deliveries, two) = (store.deliveries(), [delivery("slack"), delivery("webhook")]);
    let ids = deliveries.enqueue(&two, at).await.unwrap();
    let full = deliveries.enqueue(&two[..1], at).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::RateLimited);
    deliveries.delivered(ids[1], at).await.unwrap();
    deliveries.enqueue(&two[..1], at).await.unwrap();
    let left = deliveries.claim(at, at, 10).await.unwrap();
    assert_eq!(left.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), [ids[0], ids[1] + 1]);
}

#[tokio::test]
async fn the_longest_idle_conversation_makes_room() {
    let store = InProcessStore::with_capacity(2);
    let everyone = Principal::system().visibility();
    let at = |second| Timestamp::from_second(second).unwrap();
    for (name, second) in [("a", 1), ("b", 2)] {
        let id = ConversationId::new(name).unwrap();
        let agent = AgentId::new("helper").unwrap();
        store.conversations().create(&Conversation::new(id, agent, None, at(second))).await.unwrap();
    }
    let grown = ConversationId::new("a").unwrap();
    store.conversations().append(&grown, 0, &[Message::user("hello")], at(3)).await.unwrap();
    let (id, agent) = (ConversationId::new("c").unwrap(), AgentId::new("helper").unwrap());
    store.conversations().create(&Conversation::new(id, agent, None, at(4))).await.unwrap();
    let page =
        store.conversations().list(&ConversationQuery::default(), &everyone, PageRequest::first(9)).await;
    let left: Vec<_> = page.unwrap().items.into_iter().map(|kept| kept.id.to_string()).collect();
    assert_eq!(left, ["c", "a"]);
    let three = [Message::user("1"), Message::user("2"), Message::user("3")];
    let long = store.conversations().append(&grown, 1, &three, at(5)).await.unwrap_err();
    assert_eq!(long.kind(), ErrorKind::TooLarge);
}
