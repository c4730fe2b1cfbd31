//! What a caller sends.
use agent_gateway_core::{
    JsonMap,
    execution::{Departure, Mode, RunOptions},
    ports::model::Delivery,
};
use agent_gateway_http::{ApiError, Fields, Handles, JsonObject, PathId, Problems, Word, mount_prefix};
use agent_gateway_runtime::MAX_MESSAGE_CHARS;
use axum::extract::{FromRequest, Request};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    guardrails::{self, GuardrailOptions},
    run::RunHeaders,
};

/// The request as the API's description shows it.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
pub(super) struct InvokeRequest {
    /// What the agent is told.
    #[schema(min_length = 1, max_length = 102_400)]
    message: String,
    /// Structured input; it must fit the agent's `input_schema`, where that exists.
    #[schema(value_type = Object, required = false)]
    input: JsonMap,
    /// Settings of this run.
    options: Option<InvokeOptions>,
}

/// Settings of one run.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
pub(super) struct InvokeOptions {
    /// Queue the run instead of waiting for it.
    #[schema(required = false, default = false)]
    r#async: bool,
    /// Answer with events as they happen. Not together with a queued run.
    #[schema(required = false, default = false)]
    stream: bool,
    /// Let the run go on when the caller goes away; its events stay readable.
    #[schema(required = false, default = false)]
    detach: bool,
    /// How long the run may take.
    #[schema(minimum = 1000, maximum = 300_000)]
    timeout_ms: Option<u64>,
    /// Limits of this run, which lower those of the agent.
    guardrails: Option<GuardrailOptions>,
    /// A JSON Schema that the answer must fit.
    #[schema(value_type = Option<Object>)]
    output_schema: Option<JsonMap>,
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) agent_id: String,
    /// Where the gateway is mounted.
    pub(super) prefix: String,
    pub(super) message: String,
    pub(super) input: JsonMap,
    pub(super) options: RunOptions,
    pub(super) mode: Mode,
    pub(super) headers: RunHeaders,
}

impl FromRequest<Handles> for Invocation {
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
        let input = body.object("input", &mut problems);
        let mut options = body.section(&["body", "options"], &mut problems);
        let detach = options.flag(&["async", "async_"], &mut problems);
        let stream = options.flag(&["stream"], &mut problems);
        let stay = options.flag(&["detach"], &mut problems);
        let guardrails = guardrails::read(&mut options, &mut problems);
        let timeout_ms = options.optional_integer("timeout_ms", 1_000..=300_000, &mut problems);
        let output_schema = options.optional_object("output_schema", &mut problems);
        problems.into_result()?;
        Ok(Self {
            agent_id: agent_id.into_string(),
            prefix,
            message,
            input,
            options: RunOptions {
                timeout_ms: timeout_ms.and_then(|timeout| u64::try_from(timeout).ok()),
                output_schema: output_schema.map(Value::Object),
                guardrails,
                delivery: if stream { Delivery::Incremental } else { Delivery::Whole },
                departure: if stay { Departure::Detaches } else { Departure::Cancels },
                ..RunOptions::default()
            },
            mode: if detach { Mode::Detach } else { Mode::AsAgent },
            headers,
        })
    }
}
