//! A client of streams: what it has seen, and where it comes back.
use agent_gateway_testkit::model_server::Reply;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::process::{Server, client};

/// The key of the caller in [`KEYED`].
const KEY: &str = "key-of-ann";
/// Lets one caller in and keeps everything in `test.db`.
pub(crate) const KEYED: &str =
    "auth: {api_keys: [{name: ann, key: key-of-ann}]}\npersistence: {url: 'sqlite:test.db'}\n";

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Everything that a client has seen of one run, over all its connections.
#[derive(Debug, Default)]
pub(crate) struct Seen(pub(crate) Vec<Event>);

/// A connection that carries events.
#[derive(Debug)]
pub(crate) struct Connection {
    response: Response,
    rest: Vec<u8>,
}

pub(crate) fn get(server: &Server, path: &str) -> RequestBuilder {
    client().get(server.url(path)).bearer_auth(KEY)
}

pub(crate) fn post(server: &Server, path: &str, body: &Value) -> RequestBuilder {
    client().post(server.url(path)).bearer_auth(KEY).json(body)
}

/// What a path answers with 200.
pub(crate) async fn read(server: &Server, path: &str) -> Value {
    crate::process::answer(get(server, path)).await.1
}

impl Connection {
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        if response.status() != 200 {
            panic!("{}: {}", response.status(), response.text().await.unwrap());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Self { response, rest: Vec::new() }
    }

    /// The next piece of the answer as whole events; `None` when the answer has ended or broke off.
    async fn next(&mut self) -> Option<Vec<Event>> {
        let piece = self.response.chunk().await.ok()??;
        self.rest.extend_from_slice(&piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let frame: Vec<u8> = self.rest.drain(..end + 2).collect();
            events.extend(event(std::str::from_utf8(&frame).unwrap()));
        }
        Some(events)
    }
}

/// A frame as an event; comments are none.
fn event(frame: &str) -> Option<Event> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).unwrap();
    Some(Event { id: field("id")?.to_owned(), name: field("event")?.to_owned(), data })
}

impl Seen {
    /// The whole events of what a client printed.
    pub(crate) fn read(printed: &[u8]) -> Self {
        let printed = std::str::from_utf8(printed).unwrap();
        let whole = printed.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        Self(whole.split("\n\n").filter_map(event).collect())
    }

    /// Reads on until there is enough.
    pub(crate) async fn until(&mut self, connection: &mut Connection, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            let events = connection.next().await;
            self.0.extend(events.unwrap_or_else(|| panic!("the stream ended early: {self:?}")));
        }
    }

    /// Reads on until the answer ends or breaks off.
    pub(crate) async fn drain(&mut self, mut connection: Connection) {
        while let Some(events) = connection.next().await {
            self.0.extend(events);
        }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.0.iter().map(|event| event.name.as_str()).collect()
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|event| event.name == name).count()
    }

    /// The text that stands: what a `reset` takes back is dropped.
    pub(crate) fn text(&self) -> String {
        let mut pieces: Vec<(&str, &str)> = Vec::new();
        for event in &self.0 {
            match event.name.as_str() {
                "token" => pieces.push((&event.id, event.data["content"].as_str().unwrap())),
                "reset" => {
                    let keep = event.data["keep"].as_str().unwrap();
                    let is_void = |id: &str| id.strip_prefix(keep).is_some_and(|part| part.starts_with('.'));
                    pieces.retain(|(id, _)| !is_void(id));
                }
                _ => {}
            }
        }
        pieces.into_iter().map(|(_, text)| text).collect()
    }

    pub(crate) fn last_id(&self) -> &str {
        &self.0.last().unwrap().id
    }

    pub(crate) fn execution(&self) -> &str {
        self.0[0].data["execution_id"].as_str().unwrap()
    }

    /// The status of `done`, which comes last and once.
    pub(crate) fn status(&self) -> &str {
        let last = self.0.last().unwrap();
        assert_eq!((last.name.as_str(), self.count("done")), ("done", 1), "{self:#?}");
        last.data["status"].as_str().unwrap()
    }

    /// Asks for the run behind the last id that was seen.
    pub(crate) fn back(&self, server: &Server) -> RequestBuilder {
        let path = format!("/v1/executions/{}/events", self.execution());
        get(server, &path).header("last-event-id", self.last_id())
    }

    /// Comes back to the run, and reads it to its end.
    pub(crate) async fn resume(&mut self, server: &Server) {
        let connection = Connection::open(self.back(server)).await;
        self.drain(connection).await;
    }
}

/// What the model is asked last: the role and the text. Of what a user said in several turns without an answer, the last.
pub(crate) fn last_message(body: &Value) -> (String, String) {
    let last = body["messages"].as_array().unwrap().last().unwrap();
    let text = |name: &str| last[name].as_str().unwrap_or_default();
    let said = text("content").rsplit("\n\n").next().unwrap_or_default();
    (text("role").to_owned(), said.to_owned())
}

/// A streamed answer that goes silent after so many words.
pub(crate) fn silent_after(words: usize, text: &str) -> Reply {
    // The first piece of the body says the role.
    Reply::text(text).stall(words + 1)
}

/// Options of a streamed request.
pub(crate) fn streamed(message: &str) -> Value {
    json!({"message": message, "options": {"stream": true}})
}
