//! What only the journal has: its file.
use std::{fs, path::PathBuf, sync::Arc};

use agent_gateway_core::{
    Error, ErrorKind, Timestamp,
    id::UserId,
    ports::persistence::{PersistenceBackend, UserProfile},
};
use custom_backend::JournalStore;
use tempfile::TempDir;
use tokio::task::JoinSet;

fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

/// A closed journal of two lines: the header and a user.
async fn journal() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let store = JournalStore::open(&path).await.unwrap();
    store.users().put(&UserProfile::new(ann(), Timestamp::UNIX_EPOCH)).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(lines(&path), 2);
    (directory, path)
}

fn lines(path: &PathBuf) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}

async fn refused(path: &PathBuf) -> Error {
    let error = JournalStore::open(path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    error
}

#[tokio::test]
async fn a_torn_line_is_cut_off() {
    let (_directory, path) = journal().await;
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for torn in 1..whole.len() - last {
        let text = [&whole[..], &whole[last..last + torn]].concat();
        fs::write(&path, text).unwrap();
        let store = JournalStore::open(&path).await.unwrap();
        assert!(store.users().get(&ann()).await.unwrap().is_some());
        assert_eq!(fs::read(&path).unwrap(), whole, "after {torn} bytes of a line");
    }
}

#[tokio::test]
async fn a_torn_header_is_written_anew() {
    let (_directory, path) = journal().await;
    fs::write(&path, "{\"jour").unwrap();
    let store = JournalStore::open(&path).await.unwrap();
    assert_eq!(store.users().get(&ann()).await.unwrap(), None);
    assert_eq!(lines(&path), 1);
}

#[tokio::test]
async fn a_damaged_line_is_named() {
    let (_directory, path) = journal().await;
    let mut text = fs::read_to_string(&path).unwrap();
    let user = text.lines().last().unwrap().to_owned();
    text.push_str("no json\n");
    text.push_str(&user);
    text.push('\n');
    fs::write(&path, &text).unwrap();
    let error = refused(&path).await;
    assert!(error.context().contains(&("line", "3".to_owned())), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing was cut");
}

#[tokio::test]
async fn a_line_that_does_not_follow_is_named() {
    let (_directory, path) = journal().await;
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str(r#"{"deliveries":{"delivered":{"id":7,"at":"2026-01-01T00:00:00Z"}}}"#);
    text.push('\n');
    fs::write(&path, text).unwrap();
    let error = refused(&path).await;
    assert!(error.context().contains(&("line", "3".to_owned())), "{error}");
}

#[tokio::test]
async fn what_a_newer_build_wrote_is_refused() {
    let (_directory, path) = journal().await;
    fs::write(&path, "{\"journal\":2,\"capacity\":10000}\n").unwrap();
    assert!(refused(&path).await.message().contains("newer"));
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_misconfigured() {
    let directory = tempfile::tempdir().unwrap();
    refused(&directory.path().join("missing").join("journal")).await;
    refused(&directory.path().to_owned()).await;
}

#[tokio::test]
async fn a_refused_change_is_not_written() {
    let (_directory, path) = journal().await;
    let store = JournalStore::open(&path).await.unwrap();
    let unknown = store.deliveries().delivered(7, Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    let none = store.deliveries().claim(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, 9).await.unwrap();
    assert!(none.is_empty());
    assert_eq!(lines(&path), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_handles_write_at_once_is_one_history() {
    let (_directory, path) = journal().await;
    let handles: [Arc<JournalStore>; 2] = [
        Arc::new(JournalStore::open(&path).await.unwrap()),
        Arc::new(JournalStore::open(&path).await.unwrap()),
    ];
    let mut writers = JoinSet::new();
    for number in 0..60_usize {
        let store = handles[number % 2].clone();
        writers.spawn(async move {
            let user = UserProfile::new(UserId::new(number.to_string()).unwrap(), Timestamp::UNIX_EPOCH);
            store.users().put(&user).await.unwrap();
        });
    }
    writers.join_all().await;
    assert_eq!(lines(&path), 62);
    for store in handles.iter().chain([&Arc::new(JournalStore::open(&path).await.unwrap())]) {
        for number in 0..60 {
            let user = UserId::new(number.to_string()).unwrap();
            assert!(store.users().get(&user).await.unwrap().is_some(), "{number}");
        }
    }
}
