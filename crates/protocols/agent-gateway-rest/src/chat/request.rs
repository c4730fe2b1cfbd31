//! What a caller says.
use agent_gateway_core::{
    JsonMap,
    execution::{Departure, RunOptions},
    ports::model::Delivery,
};
use agent_gateway_http::{ApiError, Fields, Handles, JsonObject, PathId, Problems, Word, mount_prefix};
use agent_gateway_runtime::MAX_MESSAGE_CHARS;
use axum::extract::{FromRequest, Request};
use utoipa::ToSchema;

use crate::{
    guardrails::{self, GuardrailOptions},
    run::RunHeaders,
};

/// The most characters of a session id.
const MAX_SESSION_ID: usize = 256;

/// The request as the API's description shows it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
pub(super) struct ChatRequest {
    /// What the agent is told.
    #[schema(min_length = 1, max_length = 102_400)]
    message: String,
    /// The session to go on with; absent, `null` or empty: a new one.
    session_id: Option<String>,
    /// Values that are attached to the session; the agent's tools see them, and the agent where it has an `input_schema`.
    #[schema(value_type = Object, required = false)]
    input: JsonMap,
    /// Settings of this turn.
    options: Option<ChatOptions>,
}

/// Settings of one turn.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
pub(super) struct ChatOptions {
    /// Answer with events as they happen.
    #[schema(required = false, default = false)]
    stream: bool,
    /// Let the turn go on when the caller goes away; its events stay readable.
    #[schema(required = false, default = false)]
    detach: bool,
    /// How long the turn may take.
    #[schema(minimum = 1000, maximum = 300_000)]
    timeout_ms: Option<u64>,
    /// Limits of this run, which lower those of the agent.
    guardrails: Option<GuardrailOptions>,
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Utterance {
    pub(super) agent_id: String,
    pub(super) prefix: String,
    pub(super) session_id: Option<String>,
    pub(super) message: String,
    pub(super) input: JsonMap,
    pub(super) options: RunOptions,
    pub(super) headers: RunHeaders,
}

impl FromRequest<Handles> for Utterance {
    type Rejection = ApiError;

    async fn from_request(request: Request, handles: &Handles) -> Result<Self, ApiError> {
        let mut problems = Problems::default();
        let (mut parts, body) = request.into_parts();
        let agent_id = PathId::<Word>::read(&mut parts, &mut problems).await;
        let prefix = mount_prefix(&parts).to_owned();
        let headers = RunHeaders::read(&parts.headers, &mut problems)?;
        let JsonObject(members) = JsonObject::from_request(Request::from_parts(parts, body), handles).await?;
        let mut body = Fields::new(members, &["body"]);
        let message = body.text("message", 1..=MAX_MESSAGE_CHARS, &mut problems);
        let session_id = body.optional_text("session_id", MAX_SESSION_ID, &mut problems);
        let input = body.object("input", &mut problems);
        let mut options = body.section(&["body", "options"], &mut problems);
        let stream = options.flag(&["stream"], &mut problems);
        let stay = options.flag(&["detach"], &mut problems);
        let guardrails = guardrails::read(&mut options, &mut problems);
        let timeout_ms = options.optional_integer("timeout_ms", 1_000..=300_000, &mut problems);
        problems.into_result()?;
        Ok(Self {
            agent_id: agent_id.into_string(),
            prefix,
            session_id,
            message,
            input,
            options: RunOptions {
                timeout_ms: timeout_ms.and_then(|timeout| u64::try_from(timeout).ok()),
                guardrails,
                delivery: if stream { Delivery::Incremental } else { Delivery::Whole },
                departure: if stay { Departure::Detaches } else { Departure::Cancels },
                ..RunOptions::default()
            },
            headers,
        })
    }
}
