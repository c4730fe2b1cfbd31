//! The death of the process: what was answered is stored, whole.
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use agent_gateway_core::{
    execution::Fence,
    id::{AgentId, ConversationId},
    message::Message,
    ports::persistence::{Conversation, PersistenceBackend},
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use tokio::task::JoinSet;

use super::{
    raw,
    sample::{at, finish_saying, piece, turn_in},
};

const CALLERS: usize = 16;
/// The writes that the child answers before it is killed.
const ANSWERED: usize = 600;

/// Not a test of its own: the child of the test below, which gives it the path on its standard input. It writes until it
/// is killed, and prints every answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by a_killed_process_loses_nothing_that_it_answered"]
async fn child() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    if path.trim().is_empty() {
        return;
    }
    let store = Arc::new(SqliteBackend::open(SqliteConfig::file(path.trim())).await.unwrap());
    store.prepare().await.unwrap();
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let store = store.clone();
        let talk = ConversationId::new(format!("talk {number}")).unwrap();
        callers.spawn(async move {
            let begun = Conversation::new(talk.clone(), AgentId::new("helper").unwrap(), None, at(0));
            store.conversations().create(&begun).await.unwrap();
            let executions = store.executions();
            loop {
                let execution = turn_in(&talk);
                let id = &execution.id;
                executions.create(&execution).await.unwrap();
                print_line(&format!("created {id}"));
                executions.append_draft(id, Fence(1), &piece(0, 0, "half ")).await.unwrap();
                executions.append_draft(id, Fence(1), &piece(0, 5, "a turn")).await.unwrap();
                print_line(&format!("drafted {id}"));
                let said = vec![Message::user(id.as_str()), Message::assistant("done")];
                executions.advance(id, Fence(1), &finish_saying("done", said)).await.unwrap();
                print_line(&format!("finished {id}"));
            }
        });
    }
    while callers.join_next().await.is_some() {}
}

fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

/// What the child answered before it was killed in the middle of its work.
fn answers_of_a_killed_child(path: &Path) -> Vec<(String, String)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "it::crash::child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{}", path.display()).unwrap();
    let mut answers = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some((what, id)) = line.split_once(' ') else { continue };
        if matches!(what, "created" | "drafted" | "finished") {
            answers.push((what.to_owned(), id.to_owned()));
        }
        if answers.len() == ANSWERED {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    answers
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let answers = answers_of_a_killed_child(&path);
    assert!(answers.len() >= ANSWERED, "the child answered only {} writes", answers.len());

    let created = raw::texts(&path, "SELECT id FROM executions").await;
    let finished = raw::texts(&path, "SELECT id FROM executions WHERE status = 'completed'").await;
    let half = "SELECT execution_id FROM execution_drafts GROUP BY 1 HAVING group_concat(content, '') = 'half a turn'";
    let (half, said) = (
        raw::texts(&path, half).await,
        raw::texts(&path, "SELECT content FROM conversation_messages WHERE role = 'user'").await,
    );
    for (what, id) in &answers {
        let stored = match what.as_str() {
            "created" => created.contains(id),
            // The end took the draft away.
            "drafted" => half.contains(id) || finished.contains(id),
            _ => finished.contains(id) && said.contains(id),
        };
        assert!(stored, "the child answered {what} {id}, and it is not stored");
    }
    // An end is stored with its result, both of its log entries and what was said, and without its draft, or not at all.
    let halves = "SELECT e.id FROM executions AS e WHERE \
                  (SELECT count(*) FROM execution_log AS l WHERE l.execution_id = e.id) \
                  <> CASE WHEN e.status = 'completed' THEN 2 ELSE 0 END \
                  OR (e.status = 'completed') <> (e.result IS NOT NULL AND e.completed_at IS NOT NULL) \
                  OR (e.status = 'completed') <> (e.turn_of IS NULL) \
                  OR (e.status = 'completed') <> EXISTS (SELECT 1 FROM conversation_messages WHERE content = e.id) \
                  OR (e.status = 'completed' AND EXISTS (SELECT 1 FROM execution_drafts WHERE execution_id = e.id))";
    assert_eq!(raw::texts(&path, halves).await, Vec::<String>::new());
    let miscounted = "SELECT conversation_id FROM conversations AS c WHERE message_count <> 2 * turn_count OR \
                      message_count <> (SELECT count(*) FROM conversation_messages AS m \
                      WHERE m.conversation_id = c.conversation_id)";
    assert_eq!(raw::texts(&path, miscounted).await, Vec::<String>::new());
    assert_eq!(raw::texts(&path, "PRAGMA integrity_check").await, ["ok"]);
}
