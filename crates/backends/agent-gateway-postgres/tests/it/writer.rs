//! Group commit: many callers, one transaction, and no caller harmed by another.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{Advanced, Cursor, Fence, Fingerprint, Idempotency, LogEvent},
    id::IdempotencyKey,
    message::Message,
    ports::persistence::PersistenceBackend,
};
use agent_gateway_postgres::PostgresBackend;
use agent_gateway_testkit::{Service, needs_service};
use futures::future::join_all;
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    sample::{everyone, finish, finish_saying, log, piece, running, turn},
    world::World,
};

async fn opened(world: &World) -> Arc<PostgresBackend> {
    let store = PostgresBackend::open(world.config()).await.unwrap();
    store.prepare().await.unwrap();
    Arc::new(store)
}

fn same_key() -> Idempotency {
    let key = IdempotencyKey::new("same").unwrap();
    Idempotency { key, fingerprint: Fingerprint::of(&json!("hello")) }
}

#[tokio::test]
async fn every_caller_of_a_batch_gets_its_own_answer() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::every_caller_of_a_batch_gets_its_own_answer"
    );
    let world = World::at(&url);
    let store = opened(&world).await;
    let taken = running("taken");
    store.executions().create(&taken).await.unwrap();
    let executions: Vec<_> = (0..600)
        .map(|number| {
            let mut execution = running(&number.to_string());
            match number % 3 {
                0 => execution.id = taken.id.clone(),
                1 => execution.idempotency = Some(same_key()),
                _ => {}
            }
            execution
        })
        .collect();
    let answers = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    let stored = |remainder: usize| {
        let answers = answers.iter().enumerate().filter(|(number, _)| number % 3 == remainder);
        answers.filter(|(_, answer)| answer.is_ok()).count()
    };
    assert_eq!((stored(0), stored(1), stored(2)), (0, 1, 200));
    for (execution, answer) in executions.iter().zip(&answers) {
        match answer {
            Ok(()) => assert!(store.executions().get(&execution.id, &everyone()).await.unwrap().is_some()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
}

/// Commands for one execution that share a transaction happen in the order in which they came.
#[tokio::test]
async fn a_batch_keeps_the_order_of_one_execution() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::a_batch_keeps_the_order_of_one_execution");
    let world = World::at(&url);
    let store = opened(&world).await;
    for _ in 0..20 {
        let execution = running("hello");
        let entries = log([LogEvent::ToolStarted { call_id: "call_1".into(), name: "search".into() }]);
        let (executions, half, end) = (store.executions(), piece(0, 0, "half"), finish("done"));
        let (created, drafted, appended, finished, late) = tokio::join!(
            executions.create(&execution),
            executions.append_draft(&execution.id, Fence(1), &half),
            executions.append(&execution.id, Fence(1), &entries),
            executions.advance(&execution.id, Fence(1), &end),
            executions.append(&execution.id, Fence(1), &entries),
        );
        created.and(drafted).unwrap();
        assert_eq!(appended.unwrap(), Cursor(1));
        assert_eq!(finished.unwrap(), Advanced::Applied);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(executions.draft(&execution.id).await.unwrap(), None);
    }
}

/// A statement that fails, here by another program's trigger, fails its own caller and nobody else of its batch.
#[tokio::test]
async fn a_failing_command_harms_no_other() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_failing_command_harms_no_other");
    let world = World::at(&url);
    let store = opened(&world).await;
    world
        .run(
            "CREATE FUNCTION {s}.poison() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF new.message = 'poison' THEN RAISE EXCEPTION 'no'; END IF; RETURN new; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON {s}.executions FOR EACH ROW EXECUTE FUNCTION {s}.poison()",
        )
        .await;
    let executions: Vec<_> =
        (0..50).map(|number| running(if number == 25 { "poison" } else { "fine" })).collect();
    let answers = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    for (execution, answer) in executions.iter().zip(answers) {
        let stored = store.executions().get(&execution.id, &everyone()).await.unwrap();
        assert_eq!(stored.is_some(), execution.message == "fine");
        assert_eq!(answer.is_ok(), execution.message == "fine");
    }
}

/// What was accepted before `close` is stored; what comes later hears that the database is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_stores_what_was_accepted() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::closing_stores_what_was_accepted");
    let world = World::at(&url);
    let store = opened(&world).await;
    let mut writers = JoinSet::new();
    for _ in 0..500 {
        let (store, execution) = (store.clone(), running("hello"));
        writers.spawn(async move { store.executions().create(&execution).await });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut stored = 0;
    while let Some(writer) = writers.join_next().await {
        match writer.unwrap() {
            Ok(()) => stored += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
    assert_eq!(world.number("SELECT count(*) FROM {s}.executions").await, stored);
}

/// U+0000, which PostgreSQL does not store, comes back like every other character, and breaks no sum and no view.
#[tokio::test]
async fn nothing_is_lost_of_a_text_with_nul() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::nothing_is_lost_of_a_text_with_nul");
    let world = World::at(&url);
    let store = opened(&world).await;
    for text in ["\0", "a\0\0b", "\u{FDD0}", "\u{FDD0}0\0", "\\u0000\0\\"] {
        let mut execution = running(text);
        execution.error = Some(text.to_owned());
        execution.result = Some(json!({ text: [text] }));
        store.executions().create(&execution).await.unwrap();
        let found = store.executions().get(&execution.id, &everyone()).await.unwrap();
        assert_eq!(found.as_ref(), Some(&execution));
        let part = piece(0, 0, text);
        store.executions().append_draft(&execution.id, Fence(1), &part).await.unwrap();
        assert_eq!(store.executions().draft(&execution.id).await.unwrap().unwrap().text, text);
        let end = finish_saying(text, vec![Message::user(text)]);
        assert_eq!(
            store.executions().advance(&execution.id, Fence(1), &end).await.unwrap(),
            Advanced::Applied
        );
        let log = store.executions().log(&execution.id, Cursor::START, 1).await.unwrap();
        assert_eq!(log[0].event, LogEvent::ModelTurn(turn(text)));
    }
    let seen = "SELECT count(*) FROM {s}.execution_steps WHERE data ->> 'content' <> ''";
    assert_eq!(world.number(seen).await, 5);
}
