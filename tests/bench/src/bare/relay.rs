//! The bare SSE relay: each delta of the model becomes one event, as soon as it is there.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};

use super::{Form, Question, StreamOptions, Upstream};

#[derive(Debug, Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Debug, Serialize)]
struct Token {
    content: String,
}

#[derive(Debug, Serialize)]
struct Done {
    status: &'static str,
}

/// Begins to answer once the model does.
pub(super) async fn chat(
    State(upstream): State<Upstream>,
    Json(question): Json<Question>,
) -> Result<Sse<impl Stream<Item = Result<Event>>>, (StatusCode, String)> {
    let form = Form { stream: Some(true), stream_options: Some(StreamOptions { include_usage: true }) };
    let response = upstream
        .send(&question.message, form)
        .await
        .map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))?;
    let relay = Relay { response, text: Vec::new(), ready: VecDeque::new(), stage: Stage::Reading };
    Ok(Sse::new(stream::try_unfold(relay, |mut relay| async move {
        let event = relay.event().await?;
        Ok(event.map(|event| (event, relay)))
    })))
}

struct Relay {
    response: reqwest::Response,
    /// What has come of the line under way.
    text: Vec<u8>,
    ready: VecDeque<Event>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Reading,
    Ended,
}

impl Relay {
    async fn event(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.stage == Stage::Ended {
                // Read to the end, or the connection could not be used again.
                while self.response.chunk().await?.is_some() {}
                return Ok(None);
            }
            let Some(bytes) = self.response.chunk().await? else { bail!("the model's stream was cut off") };
            self.take(&bytes)?;
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.text.extend_from_slice(bytes);
        let mut lines = std::mem::take(&mut self.text);
        let mut begun = 0;
        while let Some(length) = lines.iter().skip(begun).position(|byte| *byte == b'\n') {
            let line = lines.get(begun..begun + length).unwrap_or_default();
            begun += length + 1;
            let Some(data) = line.strip_prefix(b"data: ") else { continue };
            if data == b"[DONE]" {
                self.stage = Stage::Ended;
                let done = Event::default().event("done").json_data(Done { status: "completed" })?;
                self.ready.push_back(done);
                continue;
            }
            let chunk: Chunk = serde_json::from_slice(data).context("a chunk of the model's stream")?;
            let deltas = chunk.choices.into_iter().filter_map(|choice| choice.delta.content);
            for content in deltas.filter(|content| !content.is_empty()) {
                self.ready.push_back(Event::default().event("token").json_data(Token { content })?);
            }
        }
        lines.drain(..begun);
        self.text = lines;
        Ok(())
    }
}
