//! A scripted server that speaks the OpenAI-compatible wire on a loopback port.
//!
//! It answers what the test told it to, whole or as an event stream, as the request asks; it can also answer badly in every
//! way that a provider can. It remembers what it was asked. Dropping it closes every connection.
//!
//! ```
//! # async fn example() {
//! use agent_gateway_testkit::model_server::{ModelServer, Reply};
//!
//! let server = ModelServer::start().await;
//! server.reply(Reply::status(429).header("retry-after", "1")).reply(Reply::text("hello"));
//! // ... point a client at server.url() ...
//! let asked = server.wait_for_requests(2).await;
//! assert_eq!(asked[0].body["model"], "some-model");
//! # }
//! ```
mod reply;
mod serve;
#[cfg(test)]
mod tests;
mod wire;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};

pub use reply::Reply;

/// The most requests that are remembered; older ones are forgotten.
pub const MAX_RECORDED: usize = 2_000;
/// How long a `wait_for_..` waits before it fails the test.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server. See the [module](self).
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    // Aborts the accept loop, and with it every connection, when dropped.
    _tasks: JoinSet<()>,
}

/// What one request was.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// The path, such as `/v1/chat/completions`.
    pub path: String,
    /// What stands behind the `?`, empty when there is none.
    pub query: String,
    /// The headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body; null when it was no JSON.
    pub body: Value,
}

impl Recorded {
    /// A header's text, by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The messages of the body, empty when it has none.
    #[must_use]
    pub fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
}

/// What the accept loop and the test share.
struct Shared {
    script: Mutex<Script>,
    counts: watch::Sender<Counts>,
}

type Closure = Box<dyn Fn(&Value) -> Reply + Send>;

#[derive(Default)]
struct Script {
    queue: VecDeque<Reply>,
    closure: Option<Closure>,
    default: Option<Reply>,
    recorded: VecDeque<Recorded>,
    paths: Paths,
}

/// What the server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Paths {
    /// Chat completions.
    #[default]
    Chat,
    /// Whatever is posted: wires of their own have paths of their own.
    Any,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    connections: usize,
    requests: usize,
    abandoned: usize,
}

impl ModelServer {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When no port can be opened: a test cannot go on without its server.
    pub async fn start() -> Self {
        Self::open(None).await
    }

    /// Listens, and asks `script` for each reply that was not queued by [`reply`](Self::reply).
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn with(script: impl Fn(&Value) -> Reply + Send + 'static) -> Self {
        Self::open(Some(Box::new(script))).await
    }

    #[expect(clippy::expect_used, reason = "a test cannot go on without its server")]
    async fn open(closure: Option<Closure>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let script = Mutex::new(Script { closure, ..Script::default() });
        let shared = Arc::new(Shared { script, counts: watch::Sender::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve::accept(listener, shared.clone()));
        Self { address, shared, _tasks: tasks }
    }

    /// The base URL for clients, `http://127.0.0.1:<port>/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The server without a path, `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers on every path, for wires that are not the OpenAI-compatible one; script them with [`Reply::pieces`].
    pub fn any_path(&self) -> &Self {
        self.shared.script().paths = Paths::Any;
        self
    }

    /// Queues a reply; each is given once, in order.
    pub fn reply(&self, reply: Reply) -> &Self {
        self.shared.script().queue.push_back(reply);
        self
    }

    /// Sets the reply for when nothing is queued. Without one such a request is refused with 400.
    pub fn default_reply(&self, reply: Reply) -> &Self {
        self.shared.script().default = Some(reply);
        self
    }

    /// What was asked so far, oldest first, at most [`MAX_RECORDED`].
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.script().recorded.iter().cloned().collect()
    }

    /// How many requests came so far, forgotten ones included.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.shared.counts.borrow().requests
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.counts.borrow().connections
    }

    /// Waits until `count` requests have come, and gives them all.
    ///
    /// # Panics
    /// When they have not come within ten seconds.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Recorded> {
        self.wait("requests", |counts| counts.requests >= count).await;
        self.requests()
    }

    /// Waits until the clients of `count` requests have gone away before their answers were complete.
    ///
    /// # Panics
    /// When that has not happened within ten seconds.
    pub async fn wait_for_abandoned(&self, count: usize) {
        self.wait("abandoned requests", |counts| counts.abandoned >= count).await;
    }

    #[expect(clippy::panic, reason = "this is an assertion")]
    async fn wait(&self, what: &str, enough: impl FnMut(&Counts) -> bool) {
        let mut counts = self.shared.counts.subscribe();
        if timeout(PATIENCE, counts.wait_for(enough)).await.is_err() {
            let seen = *self.shared.counts.borrow();
            panic!("the scripted model server waited {PATIENCE:?} for {what} and saw {seen:?}");
        }
    }
}

impl Shared {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a request and picks its reply, together with the request's number from 1.
    fn take(&self, recorded: Recorded) -> (Reply, usize) {
        let mut script = self.script();
        let reply = match (script.queue.pop_front(), &script.closure, &script.default) {
            (Some(queued), _, _) => queued,
            (None, Some(closure), _) => closure(&recorded.body),
            (None, None, Some(default)) => default.clone(),
            (None, None, None) => Reply::status(400).message("the test's script has no reply left"),
        };
        if script.recorded.len() == MAX_RECORDED {
            script.recorded.pop_front();
        }
        script.recorded.push_back(recorded);
        let mut number = 0;
        self.counts.send_modify(|counts| {
            counts.requests += 1;
            number = counts.requests;
        });
        (reply, number)
    }
}

impl fmt::Debug for ModelServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelServer").field("url", &self.url()).finish_non_exhaustive()
    }
}
