//! The bare handler: what an application would write by hand for one question and one model call.
//! No authentication, no storage, no prompt; it is the floor that the gateway is measured against.

mod relay;

use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

#[derive(Debug, Clone)]
struct Upstream {
    client: reqwest::Client,
    url: String,
}

#[derive(Debug, Deserialize)]
struct Question {
    message: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    agent_id: String,
    status: &'static str,
    result: Text,
}

#[derive(Debug, Serialize)]
struct Text {
    raw_text: String,
}

#[derive(Debug, Serialize)]
struct Chat<'a> {
    model: &'static str,
    messages: [Message<'a>; 1],
    #[serde(flatten)]
    answer: Form,
}

/// How the model is to answer.
#[derive(Debug, Default, Serialize)]
struct Form {
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Deserialize)]
struct Completion {
    choices: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    message: Said,
}

#[derive(Debug, Deserialize)]
struct Said {
    content: String,
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: TcpListener, upstream: &str) -> Result<()> {
    // The client asks for a provider even where it never speaks TLS; a second call finds it there.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let client = reqwest::Client::builder()
        .no_proxy()
        .tcp_nodelay(true)
        .pool_max_idle_per_host(1024)
        .timeout(Duration::from_secs(300))
        .build()?;
    let url = format!("{}/chat/completions", upstream.trim_end_matches('/'));
    let router = Router::new()
        .route("/healthz", get(|| async { StatusCode::OK }))
        .route("/v1/agents/{id}/invoke", post(invoke))
        .route("/v1/agents/{id}/chat", post(relay::chat))
        .with_state(Upstream { client, url });
    // Without it a small answer may wait 40 ms; a socket that refuses is closed anyway.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await.context("serving")
}

async fn invoke(
    State(upstream): State<Upstream>,
    Path(agent_id): Path<String>,
    Json(question): Json<Question>,
) -> Result<Json<Answer>, (StatusCode, String)> {
    let raw_text = upstream
        .ask(&question.message)
        .await
        .map_err(|error| (StatusCode::BAD_GATEWAY, error.to_string()))?;
    Ok(Json(Answer { agent_id, status: "completed", result: Text { raw_text } }))
}

impl Upstream {
    async fn ask(&self, message: &str) -> Result<String> {
        let completion: Completion = self.send(message, Form::default()).await?.json().await?;
        let choice = completion.choices.into_iter().next().context("a completion without a choice")?;
        Ok(choice.message.content)
    }

    async fn send(&self, message: &str, answer: Form) -> Result<reqwest::Response> {
        let messages = [Message { role: "user", content: message }];
        let chat = Chat { model: "bench-model", messages, answer };
        let response = self.client.post(&self.url).bearer_auth("bench").json(&chat).send().await?;
        Ok(response.error_for_status()?)
    }
}
