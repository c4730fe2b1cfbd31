//! What the raw pieces of an answer tell and the library leaves out: that something came at all, the model's name, an error
//! among the pieces, and whether the end was said.
use std::{
    borrow::Cow,
    sync::{Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::id::ModelName;
use genai::chat::{ChatFrameSink, FrameCtx, RawFrameRef};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

/// The most bytes of one piece.
pub(crate) const MAX_FRAME_BYTES: usize = 1024 * 1024;

/// Watches the raw pieces of one answer.
#[derive(Debug, Default)]
pub(crate) struct Frames(Mutex<Seen>);

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// When the latest piece came.
    pub(crate) latest: Option<Instant>,
    /// The model, as the provider names it.
    pub(crate) model: Option<ModelName>,
    /// The provider said that the answer is complete.
    pub(crate) ended: bool,
    /// The provider's filter refused the question.
    pub(crate) blocked: bool,
    /// An error among the pieces.
    pub(crate) error: Option<Value>,
    /// A piece was over the bound.
    pub(crate) oversized: bool,
}

/// The fields that matter here, of all wires.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(default)]
    prompt_feedback: Option<Feedback>,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    error: Option<Value>,
}

/// An object in most wires; a text in the errors of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message<'a> {
    Object {
        #[serde(borrow, default)]
        model: Option<Cow<'a, str>>,
    },
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    #[serde(default)]
    block_reason: Option<String>,
}

impl Frames {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn take(&mut self, data: &str) {
        // What is no JSON is the library's to refuse.
        let Ok(frame) = serde_json::from_str::<Frame<'_>>(data) else { return };
        let inner = match frame.message {
            Some(Message::Object { model }) => model,
            Some(Message::Other(_)) | None => None,
        };
        if self.model.is_none() {
            let named = frame.model_version.or(frame.model).or(inner);
            self.model = named.and_then(|name| ModelName::new(&*name).ok());
        }
        self.ended |= frame.done || frame.kind.as_deref() == Some("message_stop");
        self.blocked |= frame.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        if let Some(error) = frame.error.filter(|error| !error.is_null()) {
            self.error.get_or_insert(error);
        }
    }
}

impl ChatFrameSink for Frames {
    fn on_frame(&self, _: &FrameCtx, frame: RawFrameRef<'_>) {
        let mut seen = self.seen();
        seen.latest = Some(Instant::now());
        if frame.data.len() > MAX_FRAME_BYTES {
            seen.oversized = true;
        } else {
            seen.take(frame.data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(data: &[&str]) -> Seen {
        let mut seen = Seen::default();
        data.iter().for_each(|data| seen.take(data));
        seen
    }

    fn model(data: &str) -> Option<String> {
        seen(&[data]).model.map(|name| name.to_string())
    }

    #[test]
    fn every_wire_names_its_model() {
        for data in [
            r#"{"type": "message_start", "message": {"model": "m-1", "content": []}}"#,
            r#"{"modelVersion": "m-1", "candidates": []}"#,
            r#"{"model": "m-1", "message": {"role": "assistant", "content": "x"}, "done": false}"#,
        ] {
            assert_eq!(model(data).as_deref(), Some("m-1"), "{data}");
        }
        assert_eq!(model("nonsense"), None);
    }

    #[test]
    fn ends_blocks_and_errors_are_seen() {
        assert!(seen(&["{}", r#"{"type": "message_stop"}"#]).ended);
        assert!(seen(&[r#"{"done": true}"#]).ended && !seen(&[r#"{"done": false}"#]).ended);
        assert!(seen(&[r#"{"promptFeedback": {"blockReason": "SAFETY"}}"#]).blocked);
        assert!(!seen(&[r#"{"promptFeedback": {}}"#]).blocked);
        let error =
            seen(&[r#"{"message": "a text", "error": "out of memory"}"#, r#"{"error": "later"}"#]).error;
        assert_eq!(error, Some(Value::from("out of memory")));
    }
}
