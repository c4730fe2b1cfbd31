//! kill -9 while streams run: after the restart every client comes back and ends with the whole text, or is told why not.
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    process::{Server, Workspace, answer},
    sse::{Connection, KEYED, Seen, last_message, post, read, silent_after, streamed},
};

/// Writes that it was called, in the directory of the gateway.
const NOTE: &str = "def handle(arguments, context):
    with open(arguments['path'], 'a') as file:
        file.write('called\\n')
    return 'noted'
";
/// Writes that it was called and by which process, and is not done before the test is.
const PAY: &str = "import os, time

def handle(arguments, context):
    with open(arguments['path'] + '.pid', 'w') as file:
        file.write(str(os.getpid()))
    with open(arguments['path'], 'a') as file:
        file.write('called\\n')
    time.sleep(30)
";

fn workspace() -> Workspace {
    let tool = "---\ndescription: Does it\nparameters:\n  path: {type: string, required: true}\n---\n";
    Workspace::new(&[
        ("gateway.yaml", KEYED),
        ("agents/helper/AGENT.md", "---\nskills: [work]\n---\nYou help."),
        ("skills/work/SKILL.md", "---\ndescription: Works\ntools: [note, pay]\n---\nWork."),
        ("tools/note/TOOL.md", tool),
        ("tools/note/handler.py", NOTE),
        ("tools/pay/TOOL.md", &tool.replace("description", "retry: never\ndescription")),
        ("tools/pay/handler.py", PAY),
    ])
}

/// A stream of the test, by its number.
struct Stream {
    number: usize,
    session: Option<String>,
    seen: Seen,
}

/// The stream that calls a tool and is cut off behind it.
const BEHIND_TOOL: usize = 4;
/// The stream that is cut off in the middle of a tool.
const IN_TOOL: usize = 9;
/// The stream of which nothing was said when it is cut off.
const SILENT: usize = 0;

impl Stream {
    fn is_chat(&self) -> bool {
        !(5..9).contains(&self.number)
    }

    fn message(&self) -> String {
        let verb = match self.number {
            BEHIND_TOOL => "note",
            IN_TOOL => "pay",
            _ => "go",
        };
        format!("{verb} {}", self.number)
    }

    /// A session of an earlier turn, where it is to be in one.
    async fn prepare(&mut self, server: &Server) {
        if self.is_chat() {
            let first = post(server, "/v1/agents/helper/chat", &json!({"message": "first"}));
            self.session = answer(first).await.1["session_id"].as_str().map(str::to_owned);
        }
    }

    /// Begins, and reads all that comes before the model or the tool goes silent.
    async fn begin(&mut self, server: &Server) -> Connection {
        let mut body = streamed(&self.message());
        let path = if self.is_chat() { "chat" } else { "invoke" };
        body["session_id"] = json!(self.session);
        body["options"]["detach"] = json!(self.number == 8);
        let mut connection =
            Connection::open(post(server, &format!("/v1/agents/helper/{path}"), &body)).await;
        let (words, calls) = match self.number {
            IN_TOOL => (0, 1),
            number => (number, 0),
        };
        let enough = |seen: &Seen| {
            seen.count("session") == 1 && seen.count("token") >= words && seen.count("tool_call") >= calls
        };
        self.seen.until(&mut connection, enough).await;
        connection
    }

    fn check(&self) {
        let seen = &self.seen;
        if self.number == IN_TOOL {
            let [.., error, _done] = seen.0.as_slice() else { panic!("{seen:?}") };
            let message = error.data["message"].as_str().unwrap_or_default();
            assert_eq!((error.name.as_str(), seen.status()), ("error", "error"), "{seen:?}");
            assert!(message.contains("interrupted") && message.contains("pay"), "{message}");
            return;
        }
        assert_eq!((seen.text(), seen.status()), (AFTER.to_owned(), "completed"), "{seen:#?}");
        let resets = usize::from(self.number != SILENT);
        assert_eq!((seen.count("reset"), seen.count("error")), (resets, 0), "{seen:#?}");
        let results = usize::from(self.number == BEHIND_TOOL);
        assert_eq!((seen.count("tool_call"), seen.count("tool_result")), (results, results), "{seen:#?}");
    }

    /// Nothing is missing from the conversation, nothing stands there twice, and it goes on.
    async fn check_session(&self, server: &Server) {
        let Some(session) = &self.session else { return };
        let path = format!("/v1/users/me/conversations/{session}/messages");
        let messages = read(server, &path).await;
        let said: Vec<(&str, &str)> = messages
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| (entry["role"].as_str().unwrap(), entry["content"].as_str().unwrap()))
            .collect();
        let message = self.message();
        let mut expected = vec![("user", "first"), ("assistant", "done"), ("user", &message)];
        if self.number != IN_TOOL {
            expected.push(("assistant", AFTER));
        }
        assert_eq!(said, expected, "stream {}", self.number);
        let body = json!({"message": "next", "session_id": session});
        let (status, next) = answer(post(server, "/v1/agents/helper/chat", &body)).await;
        assert_eq!((status, &next["status"], &next["turn_count"]), (200, &json!("completed"), &json!(3)));
    }
}

/// What the model says before the kill, as far as it gets, and after it.
const BEFORE: &str = "one two three four five six seven eight nine ten";
const AFTER: &str = "said anew, and to the end";

fn script(directory: &Path, restarted: Arc<AtomicBool>) -> impl Fn(&Value) -> Reply + use<> {
    let path = |name: &str| directory.join(name).display().to_string();
    let (note, pay) = (path("note"), path("pay"));
    move |body| {
        let (role, text) = last_message(body);
        let mut words = text.split(' ');
        match (role.as_str(), words.next().unwrap_or_default()) {
            ("user", "note") => Reply::tool_calls([("note", json!({ "path": note }))]),
            ("user", "pay") => Reply::tool_calls([("pay", json!({ "path": pay }))]),
            ("user", "first" | "next") => Reply::text("done"),
            _ if restarted.load(Ordering::SeqCst) => Reply::text(AFTER),
            ("tool", _) => silent_after(BEHIND_TOOL, BEFORE),
            _ => silent_after(words.next().unwrap().parse().unwrap(), BEFORE),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_ten_streams_come_back_after_a_kill_and_miss_nothing() {
    agent_gateway_testkit::needs_python!(
        "resume::clients_of_ten_streams_come_back_after_a_kill_and_miss_nothing"
    );
    let (workspace, restarted) = (workspace(), Arc::new(AtomicBool::new(false)));
    let directory = workspace.directory.path();
    let model = ModelServer::with(script(directory, restarted.clone())).await;
    let mut server = workspace.serve_with_model(&model.url());
    let mut streams: Vec<Stream> =
        (0..10).map(|number| Stream { number, session: None, seen: Seen::default() }).collect();
    join_all(streams.iter_mut().map(|stream| stream.prepare(&server))).await;
    let before = model.request_count();
    let connections = join_all(streams.iter_mut().map(|stream| stream.begin(&server))).await;
    // Ten streams and the second turn behind a tool; and the tool is under way.
    model.wait_for_requests(before + 11).await;
    until(|| directory.join("pay").exists(), "the tool was never called").await;
    server.kill();
    let worker = fs::read_to_string(directory.join("pay.pid")).unwrap();
    let worker = Path::new("/proc").join(worker);
    until(|| !worker.exists(), "the tool outlives the gateway").await;
    let breaks = streams.iter_mut().zip(connections);
    join_all(breaks.map(|(stream, connection)| stream.seen.drain(connection))).await;
    assert!(streams.iter().all(|stream| stream.seen.count("done") == 0));

    restarted.store(true, Ordering::SeqCst);
    let server = workspace.serve_with_model_at(server.port(), &model.url());
    join_all(streams.iter_mut().map(|stream| stream.seen.resume(&server))).await;
    streams.iter().for_each(Stream::check);
    join_all(streams.iter().map(|stream| stream.check_session(&server))).await;
    for status in ["running", "queued"] {
        assert_eq!(read(&server, &format!("/v1/executions?status={status}")).await, json!([]));
    }
    for tool in ["note", "pay"] {
        assert_eq!(fs::read_to_string(directory.join(tool)).unwrap(), "called\n", "{tool} was called once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_comes_back_as_often_as_the_gateway_dies() {
    let model = ModelServer::start().await;
    // Nothing is said before the first kill, a little before the second, more before the third.
    model.reply(silent_after(0, BEFORE)).reply(silent_after(2, BEFORE)).reply(silent_after(5, BEFORE));
    model.default_reply(Reply::text(AFTER));
    let workspace = Workspace::new(&[("gateway.yaml", KEYED), ("agents/helper/AGENT.md", "You help.")]);
    let mut server = workspace.serve_with_model(&model.url());
    let mut seen = Seen::default();
    let begin = post(&server, "/v1/agents/helper/chat", &streamed("go"));
    let mut connection = Connection::open(begin).await;
    for (number, tokens) in [(1, 0), (2, 2), (3, 7)] {
        seen.until(&mut connection, |seen| seen.count("session") == 1 && seen.count("token") >= tokens).await;
        model.wait_for_requests(number).await;
        server.kill();
        seen.drain(connection).await;
        server = workspace.serve_with_model_at(server.port(), &model.url());
        connection = Connection::open(seen.back(&server)).await;
    }
    seen.drain(connection).await;
    assert_eq!((seen.text().as_str(), seen.status()), (AFTER, "completed"), "{seen:#?}");
    assert_eq!(seen.count("reset"), 2, "{seen:#?}");
}

/// Waits until something has happened that tells nobody.
async fn until(happened: impl Fn() -> bool, otherwise: &str) {
    for _ in 0..500 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{otherwise}");
}
