//! Server-sent events as a client reads them: every byte must be one of a frame.
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::Value;

use crate::world::Answer;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// The events of an answer that has ended.
#[track_caller]
pub(crate) fn events(answer: &Answer) -> Vec<Event> {
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "text/event-stream; charset=utf-8")
    );
    parse(&answer.text)
}

#[track_caller]
pub(crate) fn parse(text: &str) -> Vec<Event> {
    assert!(text.is_empty() || text.ends_with("\n\n"), "the last frame is cut: {text:?}");
    text.split_terminator("\n\n").filter(|frame| *frame != ": keep-alive").map(frame).collect()
}

/// Exactly three lines: id, event, data.
#[track_caller]
fn frame(frame: &str) -> Event {
    let lines: Vec<&str> = frame.split('\n').collect();
    let [id, name, data] = lines.as_slice() else { panic!("not a frame: {frame:?}") };
    let part = |line: &str, name: &str| {
        line.strip_prefix(name).unwrap_or_else(|| panic!("no {name:?} in {frame:?}")).to_owned()
    };
    Event {
        id: part(id, "id: "),
        name: part(name, "event: "),
        data: serde_json::from_str(&part(data, "data: ")).unwrap(),
    }
}

pub(crate) fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// The tokens in one text.
pub(crate) fn text(events: &[Event]) -> String {
    let tokens = events.iter().filter(|event| event.name == "token");
    tokens.map(|event| event.data["content"].as_str().unwrap()).collect()
}

/// Reads an open stream until `count` events are there, and leaves it open.
pub(crate) async fn first(response: &mut Response, count: usize) -> Vec<Event> {
    let mut text = String::new();
    loop {
        let found = parse(&text);
        if found.len() >= count {
            return found;
        }
        let frame = response.body_mut().frame().await;
        let frame = frame.unwrap_or_else(|| panic!("the stream ended early: {text}")).unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
}

/// Reads an open stream to its end.
pub(crate) async fn rest(response: Response) -> Vec<Event> {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    parse(std::str::from_utf8(&bytes).unwrap())
}
