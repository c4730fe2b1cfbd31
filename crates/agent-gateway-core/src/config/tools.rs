//! `tools` and `mcp`: what agents may call.
use serde::{Deserialize, Serialize};

/// The section `tools`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolsConfig {
    /// Which tools an agent is offered.
    pub visibility: ToolVisibility,
    /// Whether HTTP tools may call private and loopback addresses.
    pub allow_private_network: bool,
    /// The most Python processes that serve `handler.py` files; each starts when a call needs it.
    pub python_workers: usize,
    /// Milliseconds of one call, for tools that set none.
    pub timeout_ms: u64,
    /// The most memory of a handler process, in MiB.
    pub max_memory_mb: u64,
}

impl Default for ToolsConfig {
    fn default() -> Self {
        Self {
            visibility: ToolVisibility::Skills,
            allow_private_network: false,
            python_workers: 16,
            timeout_ms: 30_000,
            max_memory_mb: 512,
        }
    }
}

/// Which tools an agent is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolVisibility {
    /// Those of its skills and MCP servers, and the code tools that allow it.
    Skills,
    /// Every tool that allows it.
    All,
}

/// The section `mcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct McpConfig {
    /// Milliseconds of one call.
    pub tool_call_timeout_ms: u64,
    /// Milliseconds to connect.
    pub connection_timeout_ms: u64,
    /// Whether the API may register servers that are local programs.
    pub allow_stdio_from_api: bool,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self { tool_call_timeout_ms: 30_000, connection_timeout_ms: 10_000, allow_stdio_from_api: false }
    }
}
