//! The turns of a conversation: one after the other, and what each said joins the conversation when it ends.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{Advanced, Execution, ExecutionStatus, Fence, Fingerprint, Idempotency, Transition},
    id::{ConversationId, IdempotencyKey},
    message::Message,
    ports::persistence::{Conversation, ConversationMessage, PersistenceBackend},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    RIVALS, at,
    conversations::{self, conversation, every_kind},
    everyone, finish, now, outcome, queued, running, stored, turns,
};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// A running execution in a conversation.
fn turn_in(conversation: &ConversationId) -> Result<Execution, Finding> {
    let mut execution = running(0)?;
    execution.session_id = Some(conversation.clone());
    Ok(execution)
}

pub(super) fn finish_saying(said: &[Message], second: i64) -> Result<Transition, Finding> {
    let (outcome, said) = (Box::new(outcome("done")?), said.to_vec());
    Ok(Transition::Finish { outcome, entries: turns([1])?, said, at: at(second)? })
}

async fn messages(
    store: &dyn PersistenceBackend,
    id: &ConversationId,
) -> Result<Vec<ConversationMessage>, Finding> {
    Ok(store.conversations().messages(id, 0, 1_000).await?)
}

async fn begun(store: &dyn PersistenceBackend, number: i64) -> Result<ConversationId, Finding> {
    let conversation = conversation(number)?;
    store.conversations().create(&conversation).await?;
    Ok(conversation.id)
}

/// While one turn is not finished, in whatever state, another is a conflict; conversations do not stop each other.
pub async fn turns_of_a_conversation_follow_each_other(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (talk, other) = (ConversationId::new("talk")?, ConversationId::new("other")?);
    let mut first = queued(0)?;
    first.session_id = Some(talk.clone());
    let first = stored(&*store, first).await?;
    let second = turn_in(&talk)?;
    let refused = async |state: &str| {
        let early = store.executions().create(&second).await;
        expect_kind(early, ErrorKind::Conflict, &format!("a turn while another is {state}"))?;
        let found = store.executions().get(&second.id, &everyone()).await?;
        ensure!(found.is_none(), "the refused turn should not be stored: {found:?}");
        CaseResult::Ok(())
    };
    refused("queued").await?;
    let start = Transition::Start { fence: Fence(1), instance: None, at: at(1)? };
    store.executions().advance(&first.id, Fence::NONE, &start).await?;
    refused("running").await?;
    stored(&*store, turn_in(&other)?).await?;
    stored(&*store, running(0)?).await?;
    stored(&*store, running(0)?).await?;
    // What is stored as finished is nobody's turn.
    let mut past = turn_in(&talk)?;
    past.status = ExecutionStatus::Failed;
    stored(&*store, past).await?;
    refused("running still").await?;
    store.executions().advance(&first.id, Fence(1), &finish("done", Vec::new())?).await?;
    ensure_eq!(now(&*store, &first.id).await?.session_id, Some(talk), "the conversation of the ended turn");
    stored(&*store, second.clone()).await?;
    Ok(())
}

/// The same id or the same key again is a repetition, and no turn that has to wait.
pub async fn a_repeated_request_is_no_second_turn(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let talk = ConversationId::new("talk")?;
    let key = IdempotencyKey::new("k")?;
    let mut first = turn_in(&talk)?;
    first.idempotency = Some(Idempotency { key, fingerprint: Fingerprint::of(&json!(1)) });
    let first = stored(&*store, first).await?;
    let mut same_key = turn_in(&talk)?;
    same_key.idempotency = first.idempotency.clone();
    for (again, what) in [(&same_key, "key"), (&first, "id")] {
        let repeated = store.executions().create(again).await;
        expect_kind(repeated, ErrorKind::AlreadyExists, &format!("a turn with the {what} of another"))?;
    }
    let mut other_key = same_key;
    other_key.idempotency =
        Some(Idempotency { key: IdempotencyKey::new("K")?, fingerprint: Fingerprint::of(&json!(1)) });
    let early = store.executions().create(&other_key).await;
    expect_kind(early, ErrorKind::Conflict, "a turn with a key of its own while another is under way")
}

/// Of many turns that begin at the same time, one does; the rest are told to wait.
pub async fn of_many_turns_at_once_one_begins(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let talk = ConversationId::new("talk")?;
    for round in 0..3 {
        let mut rivals = JoinSet::new();
        for _ in 0..RIVALS {
            let (store, turn) = (Arc::clone(&store), turn_in(&talk)?);
            rivals.spawn(async move { (store.executions().create(&turn).await, turn.id) });
        }
        let mut winner = None;
        while let Some(rival) = rivals.join_next().await {
            match rival.map_err(|error| broken(error.to_string()))? {
                (Ok(()), id) => {
                    ensure!(winner.replace(id).is_none(), "two turns of one conversation began at once");
                }
                (early, _) => expect_kind(early, ErrorKind::Conflict, "a turn beside another")?,
            }
        }
        let winner = winner.ok_or_else(|| broken(format!("no turn began in round {round}")))?;
        store.executions().advance(&winner, Fence(1), &finish("done", Vec::new())?).await?;
    }
    Ok(())
}

/// Behind the last message, in order, with the conversation's counts and time; every kind of message is kept in full.
pub async fn what_was_said_joins_the_conversation(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let talk = begun(&*store, 0).await?;
    store.conversations().append(&talk, 0, &[Message::user("hello")], at(1)?).await?;
    let mut wanted = vec![(1, Message::user("hello"), at(1)?)];
    for second in [20, 30] {
        let turn = stored(&*store, turn_in(&talk)?).await?;
        let ended =
            store.executions().advance(&turn.id, Fence(1), &finish_saying(&every_kind(), second)?).await?;
        ensure_eq!(ended, Advanced::Applied, "the end of a turn");
        for message in every_kind() {
            wanted.push((wanted.len() as u64 + 1, message, at(second)?));
        }
    }
    let found = messages(&*store, &talk).await?;
    let found: Vec<_> =
        found.into_iter().map(|found| (found.sequence, found.message, found.created_at)).collect();
    ensure_eq!(found, wanted, "the messages of the conversation");
    let talk = conversations::now(&*store, &talk).await?;
    ensure_eq!(
        (talk.message_count, talk.turn_count, talk.updated_at),
        (11, 3, at(30)?),
        "messages, turns and time of the conversation"
    );
    Ok(())
}

/// A turn that says nothing leaves its conversation as it was.
pub async fn a_silent_finish_changes_no_conversation(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let talk = begun(&*store, 0).await?;
    let before = conversations::now(&*store, &talk).await?;
    let turn = stored(&*store, turn_in(&talk)?).await?;
    store.executions().advance(&turn.id, Fence(1), &finish("done", Vec::new())?).await?;
    ensure_eq!(conversations::now(&*store, &talk).await?, before, "the conversation after a silent turn");
    Ok(())
}

/// An end that is refused, by its fence, by an earlier end or by a gap in its log, adds nothing.
pub async fn a_refused_finish_says_nothing(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let talk = begun(&*store, 0).await?;
    let turn = stored(&*store, turn_in(&talk)?).await?;
    let said = [Message::user("late")];
    let gap = Transition::Finish {
        outcome: Box::new(outcome("done")?),
        entries: turns([2])?,
        said: said.to_vec(),
        at: at(9)?,
    };
    let gap = store.executions().advance(&turn.id, Fence(1), &gap).await;
    expect_kind(gap, ErrorKind::Conflict, "an end whose entries leave a gap")?;
    let refused = store.executions().advance(&turn.id, Fence(2), &finish_saying(&said, 9)?).await?;
    ensure!(refused != Advanced::Applied, "an end under another fence was applied");
    ensure_eq!(messages(&*store, &talk).await?, [], "the messages after refused ends");
    store.executions().advance(&turn.id, Fence(1), &finish_saying(&[Message::user("in time")], 9)?).await?;
    store.executions().advance(&turn.id, Fence(1), &finish_saying(&said, 10)?).await?;
    let found: Vec<Message> =
        messages(&*store, &talk).await?.into_iter().map(|found| found.message).collect();
    ensure_eq!(found, [Message::user("in time")], "the messages after a second end");
    Ok(())
}

/// A conversation that was deleted, one that never was, and none at all: the run ends, and its words go nowhere.
pub async fn a_conversation_that_is_gone_stops_no_finish(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (gone, kept) = (begun(&*store, 0).await?, begun(&*store, 1).await?);
    let deleted = stored(&*store, turn_in(&gone)?).await?;
    let never = stored(&*store, turn_in(&ConversationId::new("never")?)?).await?;
    let alone = stored(&*store, running(0)?).await?;
    ensure!(store.conversations().delete(&gone, &everyone()).await?, "the conversation should be deleted");
    for execution in [deleted, never, alone] {
        let change = finish_saying(&[Message::user("is anybody there?")], 9)?;
        let ended = store.executions().advance(&execution.id, Fence(1), &change).await?;
        ensure_eq!(ended, Advanced::Applied, "the end of a run whose conversation is not there");
        ensure!(now(&*store, &execution.id).await?.status.is_final(), "the run should have ended");
    }
    ensure_eq!(store.conversations().get(&gone, &everyone()).await?, None, "the deleted conversation");
    ensure_eq!(messages(&*store, &gone).await?, [], "the messages of the deleted conversation");
    ensure_eq!(messages(&*store, &kept).await?, [], "the messages of another conversation");
    Ok(())
}

/// Of many that end the same turn, one is heard, whole and once.
pub async fn of_many_finishers_one_is_heard(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let talk = begun(&*store, 0).await?;
    let turn = stored(&*store, turn_in(&talk)?).await?;
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let said = [Message::user(format!("{rival} asks")), Message::assistant(format!("{rival} hears"))];
        let (store, id, change) = (Arc::clone(&store), turn.id.clone(), finish_saying(&said, 9)?);
        rivals.spawn(async move { (store.executions().advance(&id, Fence(1), &change).await, said) });
    }
    let mut heard = Vec::new();
    while let Some(rival) = rivals.join_next().await {
        let (ended, said) = rival.map_err(|error| broken(error.to_string()))?;
        if ended? == Advanced::Applied {
            heard.extend(said);
        }
    }
    let found: Vec<Message> =
        messages(&*store, &talk).await?.into_iter().map(|found| found.message).collect();
    ensure_eq!(found, heard, "the messages, which are the winner's");
    ensure_eq!(found.len(), 2, "how many messages there are");
    Ok(())
}

/// Whoever sees the end of a turn sees what was said in it, and the other way round.
pub async fn an_end_and_its_words_are_seen_together(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for number in 0..20 {
        let talk = begun(&*store, number).await?;
        let turn = stored(&*store, turn_in(&talk)?).await?;
        let mut readers = JoinSet::new();
        for end_first in [true, false] {
            let (store, talk, id) = (Arc::clone(&store), talk.clone(), turn.id.clone());
            readers.spawn(async move {
                loop {
                    let (ended, said) = if end_first {
                        let ended = now(&*store, &id).await?.status.is_final();
                        (ended, !messages(&*store, &talk).await?.is_empty())
                    } else {
                        let said = !messages(&*store, &talk).await?.is_empty();
                        (now(&*store, &id).await?.status.is_final(), said)
                    };
                    let (first, second) = if end_first { (ended, said) } else { (said, ended) };
                    ensure!(
                        second || !first,
                        "the end was seen first: {end_first}, and the other was not there"
                    );
                    if first {
                        return CaseResult::Ok(());
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        store.executions().advance(&turn.id, Fence(1), &finish_saying(&[Message::user("hello")], 9)?).await?;
        while let Some(reader) = readers.join_next().await {
            reader.map_err(|error| broken(error.to_string()))??;
        }
    }
    Ok(())
}

/// Many conversations that grow at the same time keep apart.
pub async fn turns_that_end_together_keep_apart(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut talks = JoinSet::new();
    for number in 0..50 {
        let talk = begun(&*store, number).await?;
        let said: Vec<Message> =
            (0..number % 4 + 1).map(|place| Message::user(format!("{number}.{place}"))).collect();
        let (store, change) = (Arc::clone(&store), finish_saying(&said, 9)?);
        let turn = stored(&*store, turn_in(&talk)?).await?;
        talks.spawn(
            async move { (store.executions().advance(&turn.id, Fence(1), &change).await, talk, said) },
        );
    }
    while let Some(ended) = talks.join_next().await {
        let (ended, talk, said) = ended.map_err(|error| broken(error.to_string()))?;
        ensure_eq!(ended?, Advanced::Applied, "the end of one of many turns");
        let found: Vec<Message> =
            messages(&*store, &talk).await?.into_iter().map(|found| found.message).collect();
        ensure_eq!(found, said, "the messages of one of many conversations");
        let Conversation { message_count, turn_count, .. } = conversations::now(&*store, &talk).await?;
        let count = said.len() as u64;
        ensure_eq!((message_count, turn_count), (count, count), "the counts of one of many conversations");
    }
    Ok(())
}
