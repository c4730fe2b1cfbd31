//! What personal agents need of a configuration.
use agent_gateway_core::{agent::AgentScope, diagnostic::Diagnostic};
use agent_gateway_runtime::{Keyring, SECRET_KEY, Snapshot, sensitive_fields};

use crate::AuthSummary;

/// Personal agents that are served and that nobody could use, or nobody could set up.
pub(crate) fn check(snapshot: &Snapshot, auth: &AuthSummary, keyring: &Keyring) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for agent in snapshot.agents().filter(|agent| agent.scope == AgentScope::Personal) {
        let file = format!("agents/{}/AGENT.md", agent.id);
        if *auth == AuthSummary::Open {
            let message = "a personal agent knows its users by their authentication, which is off: every call is refused";
            let finding = Diagnostic::warning(&file, message).key("scope");
            findings.push(finding.hint("add auth.api_keys to gateway.yaml, with a key for each user"));
        }
        let fields = sensitive_fields(agent);
        if !fields.is_empty() && !keyring.can_seal() {
            let message = format!(
                "users cannot save the secret fields ({}): {SECRET_KEY} is not set",
                fields.join(", ")
            );
            let finding = Diagnostic::warning(&file, message).key("setup_schema");
            findings.push(finding.hint(
                "set it to a long random text and keep it, for example from `openssl rand -base64 32`",
            ));
        }
    }
    findings
}
