//! Server-sent events: frames, heartbeats, and the answer that carries them.
use std::{fmt::Display, io::Write as _, time::Duration};

use agent_gateway_core::id::ExecutionId;
use axum::{
    body::{Body, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use bytes::{BufMut, BytesMut};
use futures::{future::BoxFuture, stream};
use serde::Serialize;

use crate::EXECUTION_ID;

/// How long a stream is silent at most. Proxies close connections that are silent for longer.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A comment, which clients skip.
const COMMENT: &[u8] = b": keep-alive\n\n";
/// Tells proxies such as nginx to pass every frame on at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Frames on their way to a client.
#[derive(Debug, Default)]
pub struct Frames(BytesMut);

impl Frames {
    /// Adds an event. Without an id, the client keeps the last one that it has seen.
    pub fn event<T: Serialize>(&mut self, id: Option<&dyn Display>, name: &str, data: &T) {
        let start = self.0.len();
        let mut writer = (&mut self.0).writer();
        let head = match id {
            Some(id) => write!(writer, "id: {id}\nevent: {name}\ndata: "),
            None => write!(writer, "event: {name}\ndata: "),
        };
        // JSON has no line breaks of its own, so that a frame cannot be cut by what it carries.
        let written = head.is_ok() && serde_json::to_writer(&mut writer, data).is_ok();
        if written {
            self.0.put_slice(b"\n\n");
        } else {
            self.0.truncate(start);
            tracing::error!(event = name, "an event could not be written as JSON");
        }
    }
}

/// Where frames come from.
pub trait FrameSource: Send + 'static {
    /// The next frames; `None` at the end. Dropping the future loses nothing.
    fn next(&mut self) -> BoxFuture<'_, Option<Frames>>;
}

/// Answers with a stream of events. The source is dropped when the client goes away.
pub fn sse<S: FrameSource>(execution: &ExecutionId, source: S) -> Response {
    let frames = stream::unfold(source, |mut source| async move {
        let frames = match tokio::time::timeout(HEARTBEAT, source.next()).await {
            Ok(frames) => frames?.0.freeze(),
            Err(_) => Bytes::from_static(COMMENT),
        };
        Some((Ok::<_, std::convert::Infallible>(frames), source))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    if let Ok(value) = HeaderValue::from_str(execution.as_str()) {
        headers.insert(EXECUTION_ID, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_holds_what_it_carries_together() {
        let mut frames = Frames::default();
        frames.event(Some(&"x:1"), "token", &json!({"content": "a\nb\r\n\u{2028}"}));
        frames.event(None, "error", &json!({}));
        let text = String::from_utf8(frames.0.to_vec()).unwrap();
        let expected = "id: x:1\nevent: token\ndata: {\"content\":\"a\\nb\\r\\n\u{2028}\"}\n\nevent: error\ndata: {}\n\n";
        assert_eq!(text, expected);
    }
}
