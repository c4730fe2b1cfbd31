//! What types cannot say: ranges, empty secrets, and settings that contradict each other.
use std::{collections::BTreeSet, fmt};

use super::GatewayConfig;
use crate::id::{ModelName, UserId};

/// One rule that the configuration breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key, as a dotted path; list items by their index.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

impl GatewayConfig {
    /// Every rule that the values break; empty when there is none. The time zone is checked by whoever has a zone
    /// database, backend names by whoever knows the backends.
    #[must_use]
    pub fn validate(&self) -> Vec<Finding> {
        let mut report = Report::default();
        self.check_amounts(&mut report);
        self.check_models(&mut report);
        self.check_keys(&mut report);
        self.check_access(&mut report);
        self.check_storage(&mut report);
        report.0
    }

    fn check_amounts(&self, report: &mut Report) {
        report.at_least_one("server.workers", self.server.workers);
        report.at_least_one("server.max_body_bytes", self.server.max_body_bytes);
        report.at_least_one("server.max_connections", self.server.max_connections);
        report.at_least_one("guardrails.max_iterations", self.guardrails.max_iterations);
        report.at_least_one("guardrails.timeout_ms", self.guardrails.timeout_ms);
        report.at_least_one("approvals.expires_after_s", self.approvals.expires_after_s);
        if let Some(tokens) = self.guardrails.max_tokens {
            report.at_least_one("guardrails.max_tokens", tokens);
        }
        if self.guardrails.max_cost_usd.is_some_and(|cost| !(cost.is_finite() && cost > 0.0)) {
            report.add("guardrails.max_cost_usd", "must be a number above 0", "leave it out for no limit");
        }
        report.at_least_one("queue.workers", self.queue.workers);
        report.at_least_one("queue.visibility_timeout_s", self.queue.visibility_timeout_s);
        report.at_least_one("scheduler.max_instances", self.scheduler.max_instances);
        report.at_least_one(
            "scheduler.distributed_lock.lock_ttl_seconds",
            self.scheduler.distributed_lock.lock_ttl_seconds,
        );
        report.at_least_one("mcp.tool_call_timeout_ms", self.mcp.tool_call_timeout_ms);
        report.at_least_one("mcp.connection_timeout_ms", self.mcp.connection_timeout_ms);
        report.at_least_one("sessions.max_history", self.sessions.max_history);
        report.at_least_one("tools.python_workers", self.tools.python_workers);
        report.at_least_one("tools.timeout_ms", self.tools.timeout_ms);
        report.at_least_one("tools.max_memory_mb", self.tools.max_memory_mb);
        report.ratio("telemetry.sample_rate", self.telemetry.sample_rate);
        let compaction = &self.memory.compaction;
        report.ratio("memory.compaction.compact_ratio", compaction.compact_ratio);
        report.ratio("memory.compaction.importance_threshold", compaction.importance_threshold);
        report.ratio("memory.compaction.decay_factor", compaction.decay_factor);
        let seconds = self.context_retrieval.retriever_timeout_seconds;
        if !(seconds.is_finite() && seconds > 0.0) {
            let key = "context_retrieval.retriever_timeout_seconds";
            report.add(key, "must be a number above 0", "10.0 is the default");
        }
    }

    fn check_models(&self, report: &mut Report) {
        if !(0.0..=2.0).contains(&self.model.temperature) {
            report.add("model.temperature", "must be between 0 and 2", "0.1 is the default");
        }
        report.at_least_one("model.max_tokens", self.model.max_tokens);
        let fallback = self.model.fallback.as_ref().map(|name| ("model.fallback", name));
        let extraction = self.memory.extraction_model.as_ref().map(|name| ("memory.extraction_model", name));
        for (key, name) in
            [Some(("model.default", &self.model.default)), fallback, extraction].into_iter().flatten()
        {
            if ModelName::new(name).is_err() {
                report.add(
                    key,
                    "is not a model's name",
                    "write `provider/model`, such as `openai/gpt-4o-mini`",
                );
            }
        }
        for (model, price) in &self.model.prices {
            let amounts = [Some(price.input), price.cached_input, Some(price.output)];
            if amounts.into_iter().flatten().any(|amount| !amount.is_finite() || amount < 0.0) {
                let key = format!("model.prices.{model}");
                report.add(key, "a price must be 0 or more", "write US dollars per million tokens");
            }
        }
    }

    fn check_keys(&self, report: &mut Report) {
        let mut names = BTreeSet::new();
        for (index, key) in self.auth.api_keys.iter().enumerate() {
            let at = |field: &str| format!("auth.api_keys[{index}].{field}");
            if key.name.trim().is_empty() || UserId::new(format!("apikey:{}", key.name)).is_err() {
                report.add(at("name"), "must be one line of text", "the name tells callers apart");
            } else if !names.insert(&key.name) {
                report.add(
                    at("name"),
                    format!("a second key is named `{}`", key.name),
                    "give each its own name",
                );
            }
            if key.key.expose().trim().is_empty() {
                report.add(
                    at("key"),
                    "is empty",
                    "an empty key would let anyone in; set it or remove the entry",
                );
            }
        }
        let mut endpoints = BTreeSet::new();
        for (index, webhook) in self.notifications.webhooks.iter().enumerate() {
            if webhook.name.is_empty() || !endpoints.insert(&webhook.name) {
                let key = format!("notifications.webhooks[{index}].name");
                report.add(key, "is empty or taken", "agents refer to an endpoint by its name");
            }
        }
    }

    fn check_access(&self, report: &mut Report) {
        if self.server.host.trim().is_empty() {
            report.add("server.host", "is empty", "0.0.0.0 listens everywhere, 127.0.0.1 on this machine");
        }
        if self.cors.allow_credentials && self.cors.allow_origins.iter().any(|origin| origin == "*") {
            let message = "credentials cannot be allowed for every origin";
            report.add("cors.allow_credentials", message, "name the origins in `cors.allow_origins`");
        }
        for (index, path) in self.auth.public_paths.iter().enumerate() {
            if !path.starts_with('/') {
                let key = format!("auth.public_paths[{index}]");
                report.add(key, "a path begins with `/`", "such as `/v1/health`");
            }
        }
    }

    fn check_storage(&self, report: &mut Report) {
        report.at_least_one("persistence.pool_size", self.persistence.pool_size);
        let prefix = &self.persistence.table_prefix;
        if !prefix.is_empty() && !is_sql_name(prefix) {
            let hint =
                "begin with a letter or `_`, go on with letters, digits and `_`, at most 24, lower case";
            report.add("persistence.table_prefix", "is not part of a table's name", hint);
        }
        if self.persistence.db_schema.as_ref().is_some_and(|schema| !is_sql_name(schema)) {
            let hint =
                "begin with a letter or `_`, go on with letters, digits and `_`, at most 24, lower case";
            report.add("persistence.db_schema", "is not a schema's name", hint);
        }
    }
}

/// Such names go into SQL text, so only these characters may.
fn is_sql_name(text: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    text.len() <= 24
        && text.bytes().next().is_some_and(is_first)
        && text.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
}

#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn add(&mut self, key: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Finding { key: key.into(), message: message.into(), hint: hint.into() });
    }

    fn at_least_one<N: Copy + Default + PartialEq + fmt::Display>(&mut self, key: &str, amount: N) {
        if amount == N::default() {
            self.add(key, format!("must be at least 1, not {amount}"), "");
        }
    }

    fn ratio(&mut self, key: &str, ratio: f64) {
        if !(0.0..=1.0).contains(&ratio) {
            self.add(key, format!("must be between 0 and 1, not {ratio}"), "");
        }
    }
}

#[cfg(test)]
mod tests;
