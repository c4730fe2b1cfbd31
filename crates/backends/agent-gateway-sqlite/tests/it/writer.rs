//! Group commit: many callers, one transaction, and no caller harmed by another.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    approval::ApprovalStatus,
    execution::{
        Advanced, Cursor, Draft, ExecutionStatus, Fence, Fingerprint, Idempotency, LogEvent, Outcome,
        RunOptions, StopReason, Transition, Usage,
    },
    id::{AgentId, ConversationId, IdempotencyKey},
    message::Message,
    ports::persistence::{Conversation, PersistenceBackend},
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use futures::future::join_all;
use tokio::task::JoinSet;

use super::{
    raw,
    sample::{asked, at, everyone, finish, finish_saying, log, piece, running, turn, turn_in},
};

fn same_key() -> Idempotency {
    let key = IdempotencyKey::new("same").unwrap();
    Idempotency { key, fingerprint: Fingerprint::of(&serde_json::json!("hello")) }
}

async fn memory() -> Arc<SqliteBackend> {
    let store = SqliteBackend::open(SqliteConfig::memory()).await.unwrap();
    store.prepare().await.unwrap();
    Arc::new(store)
}

/// All of these wait at the same time, so they share transactions; each is answered for itself.
#[tokio::test]
async fn every_caller_of_a_batch_gets_its_own_answer() {
    let store = memory().await;
    let taken = running("taken");
    store.executions().create(&taken).await.unwrap();
    let executions: Vec<_> = (0..300)
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
    assert_eq!((stored(0), stored(1), stored(2)), (0, 1, 100));
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
    let store = memory().await;
    for _ in 0..20 {
        let execution = running("hello");
        let entries = log([LogEvent::ToolStarted { call_id: "call_1".into(), name: "search".into() }]);
        let executions = store.executions();
        let end = finish("done");
        let (created, appended, finished, late) = tokio::join!(
            executions.create(&execution),
            executions.append(&execution.id, Fence(1), &entries),
            executions.advance(&execution.id, Fence(1), &end),
            executions.append(&execution.id, Fence(1), &entries),
        );
        created.unwrap();
        assert_eq!(appended.unwrap(), Cursor(1));
        assert_eq!(finished.unwrap(), Advanced::Applied);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

/// Of a batch in which every change comes at once, each finds what those before it left.
#[tokio::test]
async fn a_batch_keeps_the_order_of_pieces_and_turns() {
    let store = memory().await;
    let talk = ConversationId::new("talk").unwrap();
    let begun = Conversation::new(talk.clone(), AgentId::new("helper").unwrap(), None, at(0));
    store.conversations().create(&begun).await.unwrap();
    for round in 1..=20 {
        let execution = turn_in(&talk);
        let (id, executions) = (&execution.id, store.executions());
        let entries = log([LogEvent::ModelTurn(turn("half a turn"))]);
        let end = finish_saying("done", vec![Message::user("hello"), Message::assistant("hi")]);
        let (half, a_turn, late) = (piece(0, 0, "half "), piece(0, 0, "half a turn"), piece(0, 11, "!"));
        let (created, first, more, behind, appended, too_late, finished, over) = tokio::join!(
            executions.create(&execution),
            executions.append_draft(id, Fence(1), &half),
            executions.append_draft(id, Fence(1), &a_turn),
            executions.append_draft(id, Fence(1), &late),
            executions.append(id, Fence(1), &entries),
            executions.append_draft(id, Fence(1), &late),
            executions.advance(id, Fence(1), &end),
            executions.append_draft(id, Fence(1), &late),
        );
        created.and(first).and(more).and(behind).unwrap();
        assert_eq!(appended.unwrap(), Cursor(1));
        too_late.unwrap();
        assert_eq!(finished.unwrap(), Advanced::Applied);
        assert_eq!(over.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(executions.draft(id).await.unwrap(), None);
        let found = store.conversations().get(&talk, &everyone()).await.unwrap().unwrap();
        assert_eq!((found.message_count, found.turn_count), (2 * round, round));
    }
}

/// A run that rests, goes on, rests again and ends within one batch has asked twice, and waits for nothing.
#[tokio::test]
async fn a_batch_keeps_the_order_of_a_run_that_rests() {
    let store = memory().await;
    let execution = running("hello");
    let (id, executions) = (&execution.id, store.executions());
    let rest = |call: &str, entries| Transition::Suspend {
        approvals: vec![asked(&execution, call)],
        options: RunOptions::default(),
        entries,
    };
    let told = log([LogEvent::ModelTurn(turn("I ask")), LogEvent::ModelTurn(turn("I ask again"))]);
    let (first, second) = (rest("call_1", told[..1].to_vec()), rest("call_2", told.clone()));
    let resume = Transition::Resume { instance: None };
    let start = Transition::Start { fence: Fence(2), instance: None, at: at(1) };
    let outcome = Box::new(Outcome::new(StopReason::Cancelled, "", Usage::default()));
    let end = Transition::Finish { outcome, entries: Vec::new(), said: Vec::new(), at: at(2) };
    let (created, rested, early, resumed, started, old, again, ended) = tokio::join!(
        executions.create(&execution),
        executions.advance(id, Fence(1), &first),
        executions.advance(id, Fence(1), &start),
        executions.advance(id, Fence(1), &resume),
        executions.advance(id, Fence(1), &start),
        executions.advance(id, Fence(1), &second),
        executions.advance(id, Fence(2), &second),
        executions.advance(id, Fence(2), &end),
    );
    created.unwrap();
    for applied in [rested, resumed, started, again, ended] {
        assert_eq!(applied.unwrap(), Advanced::Applied);
    }
    let (suspended, running) = (ExecutionStatus::Suspended, ExecutionStatus::Running);
    assert_eq!(early.unwrap(), Advanced::Refused { status: suspended, fence: Fence(1) });
    assert_eq!(old.unwrap(), Advanced::Refused { status: running, fence: Fence(2) });
    assert_eq!(executions.log(id, Cursor::START, 9).await.unwrap(), told);
    let approvals = store.approvals().of_execution(id).await.unwrap();
    let calls: Vec<_> = approvals.iter().map(|approval| (&*approval.call_id, approval.status)).collect();
    assert_eq!(calls, [("call_1", ApprovalStatus::Withdrawn), ("call_2", ApprovalStatus::Withdrawn)]);
}

/// A piece that is sent again with more behind it adds what is new.
#[tokio::test]
async fn a_longer_piece_at_the_same_place_adds_the_rest() {
    let store = memory().await;
    let execution = running("hello");
    let executions = store.executions();
    executions.create(&execution).await.unwrap();
    for (offset, text) in [(0, ""), (0, "half "), (0, "half a "), (0, "half "), (7, "turn")] {
        executions.append_draft(&execution.id, Fence(1), &piece(0, offset, text)).await.unwrap();
    }
    let draft = executions.draft(&execution.id).await.unwrap().unwrap();
    assert_eq!(draft, Draft { after: Cursor::START, text: "half a turn".to_owned() });
}

/// Two processes begin turns of the same conversations: each has one turn at a time, and all of them come to an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_never_begin_two_turns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let mut turns = JoinSet::new();
    for number in 0..20 {
        let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
        store.prepare().await.unwrap();
        let talk = ConversationId::new(format!("talk {}", number % 4)).unwrap();
        let begun = Conversation::new(talk.clone(), AgentId::new("helper").unwrap(), None, at(0));
        let _ = store.conversations().create(&begun).await;
        turns.spawn(async move {
            let turn = turn_in(&talk);
            while let Err(early) = store.executions().create(&turn).await {
                assert_eq!(early.kind(), ErrorKind::Conflict, "{early}");
            }
            let said = vec![Message::user(turn.id.as_str())];
            store.executions().advance(&turn.id, Fence(1), &finish_saying("done", said)).await.unwrap();
        });
    }
    while let Some(turn) = turns.join_next().await {
        turn.unwrap();
    }
    let counts = "SELECT turn_count FROM conversations";
    assert_eq!(raw::texts(&path, counts).await, ["5"; 4]);
}

/// However many keys are freed, other writes come between.
#[tokio::test]
async fn many_keys_are_freed() {
    let store = memory().await;
    let executions: Vec<_> = (0..2_500)
        .map(|number| {
            let mut execution = running("hello");
            let key = IdempotencyKey::new(number.to_string()).unwrap();
            execution.idempotency = Some(Idempotency { key, ..same_key() });
            execution
        })
        .collect();
    let created = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    created.into_iter().for_each(|created| created.unwrap());
    assert_eq!(store.executions().forget_keys(at(0)).await.unwrap(), 0);
    assert_eq!(store.executions().forget_keys(at(1)).await.unwrap(), 2_500);
}

/// A statement that fails, here by another program's trigger, fails its own caller and nobody else of its batch.
#[tokio::test]
async fn a_failing_command_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    raw::run(
        &path,
        &["CREATE TRIGGER poison BEFORE INSERT ON executions WHEN new.message = 'poison' \
           BEGIN SELECT raise(ABORT, 'no'); END"],
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
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = Arc::new(SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap());
    store.prepare().await.unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..500 {
        let (store, execution) = (store.clone(), running("hello"));
        writers.spawn(async move { (store.executions().create(&execution).await, execution.id) });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut stored = Vec::new();
    while let Some(writer) = writers.join_next().await {
        match writer.unwrap() {
            (Ok(()), id) => stored.push(id.to_string()),
            (Err(error), _) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
    stored.sort();
    assert_eq!(raw::texts(&path, "SELECT id FROM executions ORDER BY id").await, stored);
    assert!(!directory.path().join("gateway.db-wal").exists(), "the log of commits should be moved in");
}

/// Two backends on one file write at the same time, as two processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_share_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let mut stores = Vec::new();
    for _ in 0..2 {
        let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
        store.prepare().await.unwrap();
        stores.push(Arc::new(store));
    }
    let mut writers = JoinSet::new();
    for number in 0..200 {
        let (begins, ends) = (stores[number % 2].clone(), stores[(number + 1) % 2].clone());
        writers.spawn(async move {
            let execution = running("hello");
            begins.executions().create(&execution).await.unwrap();
            let ended = ends.executions().advance(&execution.id, Fence(1), &finish("done")).await.unwrap();
            assert_eq!(ended, Advanced::Applied);
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let count = format!("SELECT count(*) FROM executions WHERE status = '{}'", ExecutionStatus::Completed);
    assert_eq!(raw::texts(&path, &count).await, ["200"]);
}
