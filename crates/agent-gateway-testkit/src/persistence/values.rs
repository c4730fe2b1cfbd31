//! What a value is when it comes back.
use agent_gateway_core::{
    execution::{Cursor, Fence},
    id::ConversationId,
    message::Message,
    ports::persistence::{Conversation, PersistenceBackend},
};
use serde_json::{Value, json};

use super::{agent, at, at_micros, now, object, queued, running, stored, turn, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure_eq},
};

/// Texts that a careless store changes.
const TEXTS: [&str; 8] = [
    "",
    " spaces \t at both ends ",
    "two\nlines\r\nand more\n",
    "it's \"quoted\" and `ticked` and back\\slashed",
    "Grüße, Привет, 你好, مرحبا, 👩‍👩‍👧 e\u{301}",
    "'; DROP TABLE executions; -- $1 ? :name @x %s {} \u{0}1",
    "null",
    "2025-01-01 10:00:00",
];

/// As they were written, in every kind of place.
pub async fn texts_come_back_byte_for_byte(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for text in TEXTS.map(|text| text.replace('\u{0}', "")) {
        let mut execution = running(0)?;
        execution.message.clone_from(&text);
        execution.error = Some(text.clone());
        execution.input = Some(object(json!({ "text": text, text.as_str(): [text] })));
        execution.schedule_name = Some(text.clone());
        let execution = stored(&*store, execution).await?;
        ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution with {text:?}");
        let entry = turn(1, &text)?;
        store.executions().append(&execution.id, Fence(1), std::slice::from_ref(&entry)).await?;
        let log = store.executions().log(&execution.id, Cursor::START, 1).await?;
        ensure_eq!(log, [entry], "the log entry with {text:?}");
        let conversation = Conversation::new(
            ConversationId::generate(),
            agent("helper")?,
            Some(user("Zoë \u{1F600}")?),
            at(0)?,
        );
        store.conversations().create(&conversation).await?;
        let message = Message::user(text.as_str());
        store.conversations().append(&conversation.id, 0, std::slice::from_ref(&message), at(1)?).await?;
        let tail = store.conversations().tail(&conversation.id, 1).await?;
        ensure_eq!(tail.first().map(|found| &found.message), Some(&message), "the message {text:?}");
    }
    Ok(())
}

/// As large as the gateway lets them be.
pub async fn large_values_come_back_whole(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let text = "0123456789abcdé\n".repeat(128 * 1024);
    let mut execution = running(0)?;
    execution.message.clone_from(&text);
    execution.result = Some(json!({ "raw_text": text }));
    let execution = stored(&*store, execution).await?;
    ensure_eq!(now(&*store, &execution.id).await? == execution, true, "whether 2 MiB come back as they were");
    let entry = turn(1, &text)?;
    store.executions().append(&execution.id, Fence(1), std::slice::from_ref(&entry)).await?;
    let log = store.executions().log(&execution.id, Cursor::START, 1).await?;
    ensure_eq!(log == [entry], true, "whether a log entry of 2 MiB comes back as it was");
    Ok(())
}

/// Objects within objects too.
pub async fn objects_keep_the_order_of_their_keys(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let value = json!({"z": 1, "a": {"y": 1, "b": 2, "10": 3, "9": 4}, "m": [{"q": 1, "c": 2}]});
    let mut execution = queued(0)?;
    execution.input = Some(object(value.clone()));
    execution.result = Some(value.clone());
    let execution = stored(&*store, execution).await?;
    let found = now(&*store, &execution.id).await?;
    for (what, found) in [("input", found.input.map(Value::Object)), ("result", found.result)] {
        let found = found.map(|value| value.to_string());
        ensure_eq!(found, Some(value.to_string()), "the {what} as JSON text");
    }
    Ok(())
}

/// Also at the edges of a second.
pub async fn instants_keep_microseconds(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for micros in [0, 1, 999_999, 1_000_000, 1_760_000_000_000_001, 4_102_444_799_999_999] {
        let mut execution = running(0)?;
        execution.created_at = at_micros(micros)?;
        execution.started_at = Some(at_micros(micros + 1)?);
        let execution = stored(&*store, execution).await?;
        ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution of microsecond {micros}");
    }
    Ok(())
}

/// Whole ones to the last digit, others to the last bit.
pub async fn numbers_keep_their_value(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let numbers =
        json!([0, -1, i64::MAX, i64::MIN, u64::MAX, 0.1, 1e-7, 1.5e300, 0.1 + 0.2, 123_456.789, 1.0]);
    let mut execution = queued(0)?;
    execution.result = Some(numbers);
    let execution = stored(&*store, execution).await?;
    ensure_eq!(now(&*store, &execution.id).await?.result, execution.result, "the numbers");
    Ok(())
}
