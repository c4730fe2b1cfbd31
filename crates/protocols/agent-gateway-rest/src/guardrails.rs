//! Limits that a caller sets for one run.
use agent_gateway_core::execution::Guardrails;
use agent_gateway_http::{Fields, Problems};
use utoipa::ToSchema;

/// Limits of one run. They lower those of the agent, and raise none.
#[derive(Debug, ToSchema)]
#[schema(as = Guardrails)]
#[expect(dead_code, reason = "only its schema is read")]
pub(crate) struct GuardrailOptions {
    /// Model turns.
    #[schema(minimum = 1)]
    max_iterations: Option<u32>,
    /// Tool calls; 0 allows none.
    #[schema(minimum = 0)]
    max_tool_calls: Option<u32>,
    /// Tokens read and written, of the runs that it delegates to as well.
    #[schema(minimum = 1)]
    max_tokens: Option<u64>,
    /// Cost in USD, of the runs that it delegates to as well.
    #[schema(exclusive_minimum = 0)]
    max_cost_usd: Option<f64>,
    /// Milliseconds.
    #[schema(minimum = 1)]
    timeout_ms: Option<u64>,
    /// How deep runs may delegate; 0 allows no delegation.
    #[schema(minimum = 0)]
    max_delegation_depth: Option<u32>,
}

/// Reads `guardrails` out of a request's options.
pub(crate) fn read(options: &mut Fields, problems: &mut Problems) -> Guardrails {
    let mut fields = options.section(&["body", "options", "guardrails"], problems);
    let small = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
    let large = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
    let most = i64::from(u32::MAX);
    let guardrails = Guardrails {
        max_iterations: small(fields.optional_integer("max_iterations", 1..=most, problems)),
        max_tool_calls: small(fields.optional_integer("max_tool_calls", 0..=most, problems)),
        max_tokens: large(fields.optional_integer("max_tokens", 1..=i64::MAX, problems)),
        max_cost_usd: fields.optional_amount("max_cost_usd", problems),
        timeout_ms: large(fields.optional_integer("timeout_ms", 1..=i64::MAX, problems)),
        max_delegation_depth: small(fields.optional_integer("max_delegation_depth", 0..=most, problems)),
    };
    fields.refuse_others(problems);
    guardrails
}
