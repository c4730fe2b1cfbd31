//! `guardrails` of an `AGENT.md`. They guard: an agent whose limits cannot be read is not served without them.
use agent_gateway_core::execution::Guardrails;
use serde::Deserialize;

use super::{Reading, document::Document};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GuardrailsFile {
    max_iterations: Option<u32>,
    max_tool_calls: Option<u32>,
    max_tokens: Option<u64>,
    max_cost_usd: Option<f64>,
    timeout_ms: Option<u64>,
    max_delegation_depth: Option<u32>,
}

impl Reading<'_> {
    /// The limits; `None` when one of them limits nothing, which is reported.
    pub(super) fn guardrails(&mut self, document: &Document, file: &GuardrailsFile) -> Option<Guardrails> {
        let is_zero = |value: Option<u64>| value == Some(0);
        let cost = file.max_cost_usd.unwrap_or(1.0);
        let faults = [
            ("max_iterations", file.max_iterations == Some(0), "must be at least 1"),
            ("max_tokens", is_zero(file.max_tokens), "must be at least 1"),
            ("timeout_ms", is_zero(file.timeout_ms), "must be at least 1"),
            ("max_cost_usd", !(cost.is_finite() && cost > 0.0), "must be a number above 0"),
        ];
        let mut is_served = true;
        for (name, is_wrong, message) in faults {
            if is_wrong {
                let key = format!("guardrails.{name}");
                self.report(document.place(&key).error(&key, &format!("{message}; not served")));
                is_served = false;
            }
        }
        let GuardrailsFile { max_iterations, max_tool_calls, max_tokens, .. } = *file;
        let GuardrailsFile { max_cost_usd, timeout_ms, max_delegation_depth, .. } = *file;
        let guardrails = Guardrails {
            max_iterations,
            max_tool_calls,
            max_tokens,
            max_cost_usd,
            timeout_ms,
            max_delegation_depth,
        };
        is_served.then_some(guardrails)
    }
}
