use agent_gateway_core::{config::AuthMode, vars::MapVars};

use super::*;

fn read(yaml: &str, vars: &[(&str, &str)]) -> ConfigReading {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), yaml).unwrap();
    read_config(folder.path(), &vars.iter().copied().collect::<MapVars>())
}

/// `line key` of every error, sorted.
fn errors(reading: &ConfigReading) -> Vec<String> {
    let errors = reading.diagnostics.iter().filter(|finding| finding.severity == Severity::Error);
    let mut lines: Vec<_> = errors.map(|error| (error.line.unwrap_or(0), error.key.clone())).collect();
    lines.sort();
    lines.into_iter().map(|(line, key)| format!("{line} {key}")).collect()
}

#[test]
fn nothing_means_the_defaults() {
    let empty = tempfile::tempdir().unwrap();
    for reading in [read_config(empty.path(), &MapVars::default()), read("# nothing yet\n", &[])] {
        assert_eq!(reading.config, GatewayConfig::default());
        assert_eq!(reading.diagnostics, []);
        assert_eq!(reading.origin("server.port"), None);
    }
}

#[test]
fn the_environment_wins_over_the_file_over_the_default() {
    let yaml = "server:\n  port: 1\n  host: file\nmodel:\n  default: openai/a\n";
    let vars = [
        ("AGENT_GATEWAY_SERVER__PORT", "9000"),
        ("agent_gateway_model__temperature", "0.5"),
        ("AGENT_GATEWAY_AUTH", r#"{"enabled": false}"#),
        ("AGENT_GATEWAY_AUTH__MODE", "none"),
        ("AGENT_GATEWAY_AUTH__API_KEYS", r#"[{"name": "a", "key": "k"}]"#),
        ("AGENT_GATEWAY_MODEL__PROVIDERS__OPENAI__API_KEY", "{sk"),
        ("AGENT_GATEWAY_PERSISTENCE__TABLE_PREFIX", ""),
    ];
    let reading = read(yaml, &vars);
    assert_eq!(reading.diagnostics, []);
    let config = &reading.config;
    assert_eq!((config.server.port, config.server.host.as_str()), (9000, "file"));
    assert_eq!((config.model.default.as_str(), config.model.temperature), ("openai/a", 0.5));
    assert_eq!((config.auth.enabled, config.auth.mode), (false, AuthMode::None));
    assert_eq!(config.auth.api_keys[0].scopes, ["*"]);
    assert_eq!(config.model.providers["openai"].api_key.as_ref().unwrap().expose(), "{sk");
    let variable = Origin::Variable { name: "AGENT_GATEWAY_SERVER__PORT".into() };
    assert_eq!(reading.origin("server.port"), Some(&variable));
    assert_eq!(reading.origin("server.host"), Some(&Origin::File { line: Some(3) }));
}

#[test]
fn every_problem_is_reported_at_once_with_its_line() {
    let yaml = "\
timezone: Mars/Base
server:
  prot: 1
  port: 70000
  host: [a]
model:
auth:
  mode: api_kee
  api_keys:
    - {name: a, key: '${NOT_SET}'}
    - {key: x}
    - {name: b, key: ''}
    - {name: c, key: k, scope: '*'}
queue: {workers: 0}
telemetry: {sample_rate: 2}
persistence: {table_prefix: 'a; drop'}
nonsense: 1
";
    let reading =
        read(yaml, &[("AGENT_GATEWAY_SERVER__WORKERS", "many"), ("AGENT_GATEWAY_CORS__ALLOW_ORIGINS", "*")]);
    let expected = [
        "0 cors.allow_origins",
        "0 server.workers",
        "1 timezone",
        "3 server.prot",
        "4 server.port",
        "5 server.host",
        "6 model",
        "8 auth.mode",
        "10 auth.api_keys[0].key",
        "11 auth.api_keys[1]",
        "12 auth.api_keys[2].key",
        "13 auth.api_keys[3].scope",
        "14 queue.workers",
        "15 telemetry.sample_rate",
        "16 persistence.table_prefix",
        "17 nonsense",
    ];
    assert_eq!(errors(&reading), expected);
    let of = |key: &str| reading.diagnostics.iter().find(|finding| finding.key == key).unwrap().to_string();
    assert!(of("auth.api_keys[0].key").contains("NOT_SET"));
    assert!(of("server.prot").contains("did you mean `port`?"));
    assert!(of("auth.mode").contains("did you mean `api_key`?"));
    assert!(of("server.workers").contains("AGENT_GATEWAY_SERVER__WORKERS"));
}

#[test]
fn a_value_of_the_environment_is_not_blamed_on_the_file() {
    let reading = read("server:\n  port: 1\n", &[("AGENT_GATEWAY_SERVER__PORT", "x")]);
    assert_eq!(errors(&reading), ["0 server.port"]);
    assert!(reading.diagnostics[0].message.contains("AGENT_GATEWAY_SERVER__PORT"));
}

#[test]
fn variables_are_put_into_values_and_then_typed() {
    let yaml = "server: {port: '${P}', host: 'a-${H}-${H}'}\nauth: {enabled: '${ON}', mode: none}\n";
    let reading = read(yaml, &[("P", "81"), ("H", "x"), ("ON", "no")]);
    assert_eq!(reading.diagnostics, []);
    assert_eq!(reading.config.server.port, 81);
    assert_eq!(reading.config.server.host, "a-x-x");
    assert!(!reading.config.auth.enabled);
}

#[test]
fn a_text_that_is_no_yaml_or_no_mapping_stops_the_start() {
    for (yaml, line) in
        [("server: [1\nport: 2", None), ("- a\n", Some(1)), ("a: 1\na: 2", Some(2)), ("text", Some(1))]
    {
        let reading = read(yaml, &[]);
        assert!(reading.has_errors(), "{yaml}");
        if line.is_some() {
            assert_eq!(reading.diagnostics[0].line, line, "{yaml}");
        }
    }
}

#[test]
fn what_would_be_unsafe_to_ignore_stops_the_start_and_the_rest_warns() {
    let reading = read("auth: {mode: oauth2}\nrate_limit: {enabled: yes}\n", &[]);
    assert_eq!(errors(&reading), ["1 auth.mode", "2 rate_limit.enabled"]);
    let reading = read("auth: {mode: oauth2, enabled: false}\nrate_limit: {enabled: false}\n", &[]);
    assert_eq!(errors(&reading), Vec::<String>::new());
    let reading =
        read("dashboard: {enabled: true}\nmemory: {enabled: false}\nproxy: {trust_forwarded: true}\n", &[]);
    let keys: Vec<_> =
        reading.diagnostics.iter().map(|finding| (finding.line, finding.key.as_str())).collect();
    assert_eq!(keys, [(Some(3), "proxy"), (Some(1), "dashboard")]);
    assert!(reading.diagnostics.iter().all(|finding| finding.message.contains("not yet supported")));
}

#[test]
fn foreign_variables_are_left_alone_and_slips_are_named() {
    let vars = [
        ("AGENT_GATEWAY_SECRET_KEY", "s"),
        ("AGENT_GATEWAY_SECRET_KEY_OLD", "s"),
        ("AGENT_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("AGENT_GATEWAY_PORT", "tcp://10.0.0.1:80"),
        ("AGENT_GATEWAY_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("AGENT_GATEWAY_SERVICE_PORT_HTTP", "80"),
    ];
    assert_eq!(read("", &vars).diagnostics, []);
    let slip = read("", &[("AGENT_GATEWAY_TIMEZON", "UTC"), ("AGENT_GATEWAY_SEVER__PORT", "1")]);
    let shown: Vec<_> = slip.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert!(shown[0].contains("AGENT_GATEWAY_TIMEZONE"));
    assert!(
        shown[1].contains("sever: unknown key, in the variable AGENT_GATEWAY_SEVER__PORT"),
        "{}",
        shown[1]
    );
}

#[test]
fn a_variable_without_a_level_sets_nothing_and_is_named_with_what_was_meant() {
    for (name, value, hint) in [
        ("AGENT_GATEWAY_PORT", "9000", "did you mean AGENT_GATEWAY_SERVER__PORT?"),
        ("AGENT_GATEWAY_HOST", "0.0.0.0", "did you mean AGENT_GATEWAY_SERVER__HOST?"),
        ("agent_gateway_server_port", "9000", "did you mean AGENT_GATEWAY_SERVER__PORT?"),
        ("AGENT_GATEWAY_MODLE", "{}", "did you mean AGENT_GATEWAY_MODEL?"),
        ("AGENT_GATEWAY_WORKSPACE", "w", "a key is written AGENT_GATEWAY_<SECTION>__<KEY>"),
        ("AGENT_GATEWAY_ENABLED", "true", "a key is written AGENT_GATEWAY_<SECTION>__<KEY>"),
        ("AGENT_GATEWAY_LOG", "debug", "a key is written AGENT_GATEWAY_<SECTION>__<KEY>"),
    ] {
        let reading = read("", &[(name, value)]);
        assert_eq!(reading.config, GatewayConfig::default(), "{name}");
        let shown: Vec<_> = reading.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(shown, [format!("the variable {name} sets no key ({hint})")]);
        assert!(!reading.has_errors(), "{name}");
    }
}

#[test]
fn a_warning_at_a_key_does_not_hide_the_error_there() {
    let reading = read("cors: {allow_credentials: yes, allow_origins: ['*']}\n", &[]);
    assert_eq!(errors(&reading), ["1 cors.allow_credentials"], "{:?}", reading.diagnostics);
    let reading = read("server: {port: '${NOT_SET}'}\n", &[]);
    assert_eq!(errors(&reading), ["1 server.port"], "one error of a key is enough");
}

#[test]
fn no_message_holds_a_secret() {
    let yaml = "auth:\n  api_keys:\n    - {name: a, key: [hunter2]}\n    - hunter2\npersistence: {url: {a: hunter2}}\n\
                server: {port: '${S}'}\n";
    let reading = read(yaml, &[("S", "hunter2"), ("AGENT_GATEWAY_AUTH__OAUTH2", "hunter2")]);
    assert_eq!(errors(&reading).len(), 5);
    assert!(!format!("{reading:?}").contains("hunter2"));
}
