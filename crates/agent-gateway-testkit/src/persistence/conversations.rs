//! Conversations and their messages.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind, JsonMap,
    id::ConversationId,
    message::{Arguments, Message, ToolCall},
    page::PageRequest,
    ports::persistence::{Conversation, ConversationMessage, ConversationQuery, PersistenceBackend},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{RIVALS, agent, at, everyone, object, pages, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// An empty conversation that began at second `number`.
pub(super) fn conversation(number: i64) -> Result<Conversation, Finding> {
    let id = ConversationId::new(format!("session {number}"))?;
    Ok(Conversation::new(id, agent("helper")?, None, at(number)?))
}

async fn created(store: &dyn PersistenceBackend, number: i64) -> Result<ConversationId, Finding> {
    let conversation = conversation(number)?;
    store.conversations().create(&conversation).await?;
    Ok(conversation.id)
}

pub(super) async fn now(
    store: &dyn PersistenceBackend,
    id: &ConversationId,
) -> Result<Conversation, Finding> {
    let found = store.conversations().get(id, &everyone()).await?;
    found.ok_or_else(|| broken(format!("the conversation {id} should be there")))
}

async fn all(
    store: &dyn PersistenceBackend,
    id: &ConversationId,
) -> Result<Vec<ConversationMessage>, Finding> {
    Ok(store.conversations().messages(id, 0, 1_000).await?)
}

/// A message of every kind, with something in every field.
pub(super) fn every_kind() -> Vec<Message> {
    let call = |id: &str, arguments| ToolCall { id: id.into(), name: "search".into(), arguments };
    vec![
        Message::system("Be brief."),
        Message::user("What is new?"),
        Message::Assistant {
            content: "".into(),
            tool_calls: vec![
                call("call_1", Arguments::Object(object(json!({"q": "new", "a": 1})))),
                call("call_2", Arguments::Malformed("{broken".to_owned())),
            ],
        },
        Message::Tool { call_id: "call_1".into(), name: "search".into(), content: "{\"found\": 0}".into() },
        Message::assistant("Nothing."),
    ]
}

/// Every field is kept, also the empty ones; the counts are the store's.
pub async fn a_conversation_comes_back_as_it_was(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut full = conversation(1)?;
    full.user_id = Some(user("ann")?);
    full.title = Some("A title".to_owned());
    full.summary = Some("A summary".to_owned());
    full.metadata = object(json!({"b": 1, "a": {"c": null}}));
    full.updated_at = at(9)?;
    for conversation in [full, conversation(2)?] {
        let mut given = conversation.clone();
        (given.message_count, given.turn_count) = (7, 3);
        store.conversations().create(&given).await?;
        ensure_eq!(now(&*store, &conversation.id).await?, conversation, "the stored conversation");
    }
    Ok(())
}

/// A second conversation of the same id changes nothing.
pub async fn a_taken_conversation_id_is_refused(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 1).await?;
    let first = now(&*store, &id).await?;
    let mut second = conversation(1)?;
    second.title = Some("another".to_owned());
    let taken = store.conversations().create(&second).await;
    expect_kind(taken, ErrorKind::AlreadyExists, "creating a conversation with a taken id")?;
    ensure_eq!(now(&*store, &id).await?, first, "the conversation whose id was taken");
    Ok(())
}

/// From 1, without gaps, over several turns; every kind of message is kept in full.
pub async fn messages_are_numbered_in_order(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 0).await?;
    let messages = every_kind();
    let (first, second) = messages.split_at(2);
    ensure_eq!(
        store.conversations().append(&id, 0, first, at(5)?).await?,
        2,
        "the count after the first turn"
    );
    ensure_eq!(
        store.conversations().append(&id, 2, second, at(6)?).await?,
        5,
        "the count after the second turn"
    );
    let wanted: Vec<_> = (1..)
        .zip(messages)
        .zip([5, 5, 6, 6, 6])
        .map(|((sequence, message), second)| {
            Ok(ConversationMessage { sequence, message, created_at: at(second)? })
        })
        .collect::<Result<_, Finding>>()?;
    ensure_eq!(all(&*store, &id).await?, wanted, "the messages");
    let found = now(&*store, &id).await?;
    ensure_eq!((found.message_count, found.updated_at), (5, at(6)?), "count and time of the conversation");
    Ok(())
}

/// The caller's messages are counted, and nobody else's.
pub async fn turns_are_counted(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 0).await?;
    let two = [Message::user("one"), Message::user("two"), Message::assistant("three")];
    for (expected, messages, turns) in
        [(0, &every_kind()[..], 1), (5, &two[..], 3), (8, &two[2..], 3), (9, &[], 3)]
    {
        store.conversations().append(&id, expected, messages, at(5)?).await?;
        ensure_eq!(now(&*store, &id).await?.turn_count, turns, "turns behind {expected} messages and more");
    }
    let late = store.conversations().append(&id, 5, &two, at(6)?).await;
    expect_kind(late, ErrorKind::Conflict, "an outdated count")?;
    let listed =
        store.conversations().list(&ConversationQuery::default(), &everyone(), PageRequest::first(9)).await?;
    let counts: Vec<_> =
        listed.items.iter().map(|listed| (listed.message_count, listed.turn_count)).collect();
    ensure_eq!(counts, [(9, 3)], "messages and turns in the list");
    Ok(())
}

/// Who did not see the last message adds nothing.
pub async fn an_outdated_count_adds_nothing(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 0).await?;
    store.conversations().append(&id, 0, &[Message::user("one"), Message::assistant("two")], at(5)?).await?;
    let before = (now(&*store, &id).await?, all(&*store, &id).await?);
    for expected in [0, 1, 3] {
        let late = store.conversations().append(&id, expected, &[Message::user("late")], at(6)?).await;
        expect_kind(late, ErrorKind::Conflict, &format!("adding behind {expected} messages, there are 2"))?;
    }
    ensure_eq!(
        (now(&*store, &id).await?, all(&*store, &id).await?),
        before,
        "the conversation after late turns"
    );
    Ok(())
}

/// Of many turns that saw the same messages, one is added, whole.
pub async fn of_many_turns_one_is_added(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 0).await?;
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let (store, id, at) = (Arc::clone(&store), id.clone(), at(5)?);
        let turn = [Message::user(format!("{rival} asks")), Message::assistant(format!("{rival} hears"))];
        rivals.spawn(async move { (store.conversations().append(&id, 0, &turn, at).await, turn) });
    }
    let mut added = Vec::new();
    while let Some(rival) = rivals.join_next().await {
        match rival.map_err(|error| broken(error.to_string()))? {
            (Ok(_), turn) => added.extend(turn),
            (late, _) => expect_kind(late, ErrorKind::Conflict, "a turn that came too late")?,
        }
    }
    let found: Vec<Message> = all(&*store, &id).await?.into_iter().map(|found| found.message).collect();
    ensure_eq!(found.len(), 2, "how many messages were added");
    ensure_eq!(found, added, "the messages, which are the winner's");
    Ok(())
}

/// Writing to what was never created is refused; reading it finds nothing.
pub async fn an_unknown_conversation_is_not_found(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let conversations = store.conversations();
    let id = ConversationId::generate();
    let appended = conversations.append(&id, 0, &[Message::user("hello")], at(5)?).await;
    expect_kind(appended, ErrorKind::NotFound, "adding to an unknown conversation")?;
    let described = conversations.set_metadata(&id, &JsonMap::new()).await;
    expect_kind(described, ErrorKind::NotFound, "describing an unknown conversation")?;
    ensure_eq!(conversations.get(&id, &everyone()).await?, None, "an unknown conversation");
    ensure_eq!(conversations.tail(&id, 10).await?, [], "the tail of an unknown conversation");
    ensure_eq!(conversations.messages(&id, 0, 10).await?, [], "the messages of an unknown conversation");
    ensure!(!conversations.delete(&id, &everyone()).await?, "an unknown conversation cannot be deleted");
    Ok(())
}

/// The last messages, or those behind a place, oldest first.
pub async fn a_part_of_a_conversation_can_be_read(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 0).await?;
    let messages: Vec<Message> = (1..=9).map(|number| Message::user(number.to_string())).collect();
    store.conversations().append(&id, 0, &messages, at(5)?).await?;
    let places = |found: Vec<ConversationMessage>| found.iter().map(|m| m.sequence).collect::<Vec<_>>();
    for (limit, wanted) in [(0, vec![]), (3, vec![7, 8, 9]), (100, (1..=9).collect())] {
        let found = places(store.conversations().tail(&id, limit).await?);
        ensure_eq!(found, wanted, "the last {limit} messages");
    }
    for (after, limit, wanted) in
        [(0, 2, vec![1, 2]), (7, 100, vec![8, 9]), (9, 5, vec![]), (u64::MAX, 5, vec![])]
    {
        let found = places(store.conversations().messages(&id, after, limit).await?);
        ensure_eq!(found, wanted, "at most {limit} messages behind {after}");
    }
    Ok(())
}

/// A conversation that grows moves to the head of the list.
pub async fn the_last_to_grow_comes_first(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(created(&*store, number).await?);
    }
    let mut other = conversation(7)?;
    other.agent_id = agent("other")?;
    store.conversations().create(&other).await?;
    store.conversations().append(&ids[1], 0, &[Message::user("again")], at(50)?).await?;
    let wanted = [&ids[1], &ids[4], &ids[3], &ids[2], &ids[0]];
    let (query, who) = (ConversationQuery { agent_id: Some(agent("helper")?) }, everyone());
    for limit in [2, 100] {
        let found = pages(limit, |page| store.conversations().list(&query, &who, page)).await?;
        let found: Vec<_> = found.iter().map(|conversation| &conversation.id).collect();
        ensure_eq!(found, wanted, "the helper's conversations in pages of {limit}");
    }
    let all = store.conversations().list(&ConversationQuery::default(), &who, PageRequest::first(10)).await?;
    ensure_eq!(all.items.len(), 6, "how many conversations there are with all agents");
    Ok(())
}

/// What the caller attached is replaced as a whole; nothing else changes.
pub async fn metadata_is_replaced(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut conversation = conversation(0)?;
    conversation.metadata = object(json!({"old": 1}));
    store.conversations().create(&conversation).await?;
    conversation.metadata = object(json!({"z": 1, "a": [2]}));
    store.conversations().set_metadata(&conversation.id, &conversation.metadata).await?;
    ensure_eq!(now(&*store, &conversation.id).await?, conversation, "the conversation with other metadata");
    Ok(())
}

/// Its id can begin anew, without the old messages.
pub async fn a_deleted_conversation_leaves_no_messages(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = created(&*store, 0).await?;
    let kept = created(&*store, 1).await?;
    for id in [&id, &kept] {
        store.conversations().append(id, 0, &[Message::user("hello")], at(5)?).await?;
    }
    ensure!(store.conversations().delete(&id, &everyone()).await?, "the conversation should be deleted");
    ensure!(!store.conversations().delete(&id, &everyone()).await?, "it cannot be deleted twice");
    ensure_eq!(store.conversations().get(&id, &everyone()).await?, None, "the deleted conversation");
    created(&*store, 0).await?;
    ensure_eq!(all(&*store, &id).await?, [], "the messages of the new conversation");
    ensure_eq!(all(&*store, &kept).await?.len(), 1, "how many messages the other conversation has");
    Ok(())
}
