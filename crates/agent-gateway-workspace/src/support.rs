//! What is read but not built yet, as data: a feature that comes takes its line out.

/// What happens to a key whose feature is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is read and has no effect yet.
    HasNoEffect,
    /// To go on without it would be unsafe, so the gateway does not start.
    StopsTheStart,
}

/// A setting that is not supported yet.
#[derive(Debug)]
pub(crate) struct Unsupported {
    /// The key, or the section that holds it.
    pub(crate) key: &'static str,
    /// The values that ask for the feature; empty: any.
    pub(crate) values: &'static [&'static str],
    /// The switch that turns the whole feature off; when it is off, nobody misses it.
    pub(crate) switch: Option<&'static str>,
    pub(crate) missing: Missing,
}

const fn later(key: &'static str) -> Unsupported {
    Unsupported { key, values: &[], switch: None, missing: Missing::HasNoEffect }
}

const fn later_unless_off(key: &'static str, switch: &'static str) -> Unsupported {
    Unsupported { key, values: &[], switch: Some(switch), missing: Missing::HasNoEffect }
}

const fn refused(
    key: &'static str,
    values: &'static [&'static str],
    switch: Option<&'static str>,
) -> Unsupported {
    Unsupported { key, values, switch, missing: Missing::StopsTheStart }
}

/// Keys of `gateway.yaml`. Backend names are not here: whoever knows the backends refuses the unknown ones.
pub(crate) const CONFIG: &[Unsupported] = &[
    refused("auth.mode", &["oauth2", "composite", "custom"], Some("auth.enabled")),
    refused("rate_limit.enabled", &["true"], None),
    later("timezone"),
    later("server.workers"),
    later("auth.oauth2"),
    later("notifications"),
    later_unless_off("telemetry", "telemetry.enabled"),
    later("queue.default_execution_mode"),
    later_unless_off("scheduler", "scheduler.enabled"),
    later("context_retrieval.retriever_timeout_seconds"),
    later("context_retrieval.max_retrieved_chars"),
    later("mcp"),
    later_unless_off("memory", "memory.enabled"),
    later_unless_off("cors", "cors.enabled"),
    later("proxy"),
    later_unless_off("dashboard", "dashboard.enabled"),
];

/// Keys of `AGENT.md`, and what is said of them.
pub(crate) const AGENT: &[(&str, &str)] = &[
    ("schedules", "it does not run by itself"),
    ("notifications", "nobody is told of its runs"),
    ("memory", "it remembers nothing"),
    ("retrievers", "nothing is retrieved for it"),
    ("mcp_servers", "it has no tools of MCP servers"),
];
