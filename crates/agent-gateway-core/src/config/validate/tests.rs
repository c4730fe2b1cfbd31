use crate::config::{ApiKeyConfig, GatewayConfig};
use crate::secret::Secret;

fn keys(config: &GatewayConfig) -> Vec<String> {
    config.validate().into_iter().map(|finding| finding.key).collect()
}

fn changed(change: impl FnOnce(&mut GatewayConfig)) -> Vec<String> {
    let mut config = GatewayConfig::default();
    change(&mut config);
    keys(&config)
}

#[test]
fn the_defaults_break_no_rule() {
    assert_eq!(keys(&GatewayConfig::default()), Vec::<String>::new());
}

#[test]
fn amounts_are_at_least_one_except_tool_calls() {
    assert_eq!(changed(|c| c.server.workers = 0), ["server.workers"]);
    assert_eq!(changed(|c| c.guardrails.timeout_ms = 0), ["guardrails.timeout_ms"]);
    assert!(changed(|c| c.guardrails.max_tool_calls = 0).is_empty());
    assert!(changed(|c| c.guardrails.max_delegation_depth = 0).is_empty());
}

#[test]
fn limits_of_tokens_cost_and_waiting_limit_something() {
    assert!(changed(|c| c.guardrails.max_tokens = Some(1)).is_empty());
    assert_eq!(changed(|c| c.guardrails.max_tokens = Some(0)), ["guardrails.max_tokens"]);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(changed(|c| c.guardrails.max_cost_usd = Some(bad)), ["guardrails.max_cost_usd"], "{bad}");
    }
    assert!(changed(|c| c.guardrails.max_cost_usd = Some(0.01)).is_empty());
    for bad in [0, 30 * 86_400 + 1] {
        assert_eq!(changed(|c| c.approvals.expires_after_s = bad), ["approvals.expires_after_s"], "{bad}");
    }
}

#[test]
fn ratios_lie_between_zero_and_one() {
    for bad in [-0.1, 1.1, f64::NAN] {
        assert_eq!(changed(|c| c.telemetry.sample_rate = bad), ["telemetry.sample_rate"], "{bad}");
    }
}

#[test]
fn keys_have_a_text_and_a_name_of_their_own() {
    let key = |name: &str, key: &str| ApiKeyConfig {
        name: name.into(),
        key: Secret::new(key),
        scopes: vec!["*".into()],
    };
    let findings =
        changed(|c| c.auth.api_keys = vec![key("a", "1"), key("a", "2"), key("", "3"), key("b", " ")]);
    assert_eq!(findings, ["auth.api_keys[1].name", "auth.api_keys[2].name", "auth.api_keys[3].key"]);
}

#[test]
fn credentials_need_named_origins() {
    assert_eq!(changed(|c| c.cors.allow_credentials = true), ["cors.allow_credentials"]);
    let named = |c: &mut GatewayConfig| {
        c.cors.allow_credentials = true;
        c.cors.allow_origins = vec!["https://example.org".into()];
    };
    assert!(changed(named).is_empty());
}

#[test]
fn names_in_sql_text_are_plain() {
    for bad in ["a b", "A_", "1a", "a;drop", "x".repeat(33).as_str()] {
        assert_eq!(
            changed(|c| c.persistence.table_prefix = bad.into()),
            ["persistence.table_prefix"],
            "{bad}"
        );
    }
    assert!(changed(|c| c.persistence.table_prefix = "agw_1_".into()).is_empty());
}

#[test]
fn an_empty_object_is_the_default_and_unknown_keys_are_refused() {
    let config: GatewayConfig = serde_json::from_str(r#"{"server": {}}"#).unwrap();
    assert_eq!(config, GatewayConfig::default());
    assert!(serde_json::from_str::<GatewayConfig>(r#"{"server": {"prot": 1}}"#).is_err());
}

#[test]
fn shows_no_secret() {
    let mut config = GatewayConfig::default();
    config.persistence.url = Secret::new("postgres://user:hunter2@db/x");
    let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
    assert!(!shown.contains("hunter2"));
}
