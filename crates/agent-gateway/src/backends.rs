//! Which backends the configuration asks for.
use agent_gateway_core::{config::GatewayConfig, diagnostic::Diagnostic};

use crate::{
    builder::{Choice, Choices},
    catalog::openers,
};

/// The file that the findings point to.
const FILE: &str = "gateway.yaml";

/// Whether the configuration says which database it wants, or leaves that to the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It says so.
    Backend,
    /// It does not.
    Nothing,
}

/// Brings the names into the form of the catalog: a URL of `PostgreSQL` is enough to mean it, and its other name is known too.
pub(crate) fn settle(config: &mut GatewayConfig, named: Named) {
    let persistence = &mut config.persistence;
    let is_postgres = persistence.url.expose().starts_with("postgres");
    if (named == Named::Nothing && is_postgres) || persistence.backend == "postgresql" {
        persistence.backend = "postgres".into();
    }
    if config.queue.backend == "postgresql" {
        config.queue.backend = "postgres".into();
    }
}

/// What is wrong with the chosen names and what they need of each other.
pub(crate) fn check(choices: &Choices, config: &GatewayConfig) -> Vec<Diagnostic> {
    let persistence = match &choices.persistence {
        Choice::Configured if config.persistence.enabled => Some(config.persistence.backend.as_str()),
        _ => None,
    };
    let queue = match &choices.queue {
        Choice::Configured => Some(config.queue.backend.as_str()),
        Choice::Given(_) => None,
    };
    let mut findings = choices.catalog.check(persistence, queue);
    for (key, error) in openers::problems(config, persistence, queue) {
        let said =
            error.context().iter().map(|(name, value)| format!(" ({name}: {value})")).collect::<String>();
        findings.push(Diagnostic::error(FILE, format!("{}{said}", error.message())).key(key));
    }
    if queue == Some("postgres") && persistence != Some("postgres") {
        let finding =
            Diagnostic::error(FILE, "a queue in PostgreSQL stands in the database of persistence.url");
        let hint = "set persistence.backend: postgres and its url too, or choose another queue";
        findings.push(finding.key("queue.backend").hint(hint));
    }
    findings
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::secret::Secret;

    use super::*;

    fn settled(backend: &str, url: &str, named: Named) -> String {
        let mut config = GatewayConfig::default();
        config.persistence.backend = backend.into();
        config.persistence.url = Secret::new(url);
        settle(&mut config, named);
        config.persistence.backend
    }

    #[test]
    fn the_url_says_which_database_where_nothing_else_does() {
        for url in ["postgres://h/d", "postgresql://h/d", "postgresql+asyncpg://h/d"] {
            assert_eq!(settled("sqlite", url, Named::Nothing), "postgres");
            assert_eq!(settled("sqlite", url, Named::Backend), "sqlite");
        }
        assert_eq!(settled("sqlite", "sqlite+aiosqlite:///a.db", Named::Nothing), "sqlite");
        assert_eq!(settled("postgresql", "postgresql://h/d", Named::Backend), "postgres");
    }
}
