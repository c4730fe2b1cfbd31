//! What a run may use.
use std::time::Duration;

/// The guardrails of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Model turns.
    pub max_iterations: u32,
    /// Tool calls, refused ones included.
    pub max_tool_calls: u32,
    /// Time for everything: prompt, model, tools.
    pub timeout: Duration,
    /// Tool calls that run at the same time.
    pub parallel_tools: usize,
    /// Bytes of one tool result that the model sees.
    pub max_result_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_iterations: 10,
            max_tool_calls: 20,
            timeout: Duration::from_secs(60),
            parallel_tools: 5,
            max_result_bytes: 32 * 1024,
        }
    }
}
