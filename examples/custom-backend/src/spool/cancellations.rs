//! Requests to stop: small files, which listeners look for.
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use agent_gateway_core::{
    Result,
    clock::{Clock, SystemClock},
    id::ExecutionId,
};
use futures::{StreamExt, stream, stream::BoxStream};
use uuid::Uuid;

use super::place::{Directory, Place};
use crate::blocking::blocking;

/// How many seconds a request can be heard, which is many times as long as a listener takes to look again.
const KEPT: u64 = 60;

/// Tells whoever listens. The name says when, the content says what.
pub(super) fn request(directory: &Directory, id: &ExecutionId) -> Result<()> {
    let now = u64::try_from(SystemClock.now().as_second()).unwrap_or_default();
    for name in directory.names(Place::Cancelled)? {
        let made = name.parse::<Uuid>().ok().and_then(|name| name.get_timestamp());
        if made.is_some_and(|made| made.to_unix().0 + KEPT < now) {
            directory.remove(Place::Cancelled, &name)?;
        }
    }
    directory.write(Place::Cancelled, &Uuid::now_v7().to_string(), id.as_str().as_bytes())
}

/// The requests that are made from now on. It ends when the handle is closed.
pub(super) fn listen(directory: Arc<Directory>, poll: Duration) -> BoxStream<'static, ExecutionId> {
    let listener = Listener {
        directory,
        since: Uuid::now_v7().to_string(),
        heard: HashSet::new(),
        waiting: VecDeque::new(),
    };
    let next = move |mut listener: Listener| async move {
        loop {
            listener.directory.check_open().ok()?;
            if let Some(id) = listener.waiting.pop_front() {
                return Some((id, listener));
            }
            // A disk that fails for a moment makes the listener miss some, which it may.
            listener = blocking(move || Ok(listener.look())).await.ok()?;
            if listener.waiting.is_empty() {
                tokio::time::sleep(poll).await;
            }
        }
    };
    stream::unfold(listener, next).boxed()
}

struct Listener {
    directory: Arc<Directory>,
    /// The name that a request made at the beginning would have had.
    since: String,
    /// What was heard and is still there. Of two processes, the later name may come first.
    heard: HashSet<String>,
    waiting: VecDeque<ExecutionId>,
}

impl Listener {
    fn look(mut self) -> Self {
        let Ok(mut names) = self.directory.names(Place::Cancelled) else { return self };
        names.retain(|name| *name > self.since);
        for name in names.iter().filter(|name| !self.heard.contains(*name)) {
            let content = self.directory.read(Place::Cancelled, name).ok().flatten().unwrap_or_default();
            let id = String::from_utf8(content).ok().and_then(|text| ExecutionId::new(text).ok());
            self.waiting.extend(id);
        }
        self.heard = names.into_iter().collect();
        self
    }
}
