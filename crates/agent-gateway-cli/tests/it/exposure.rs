//! Closed by default: what must not start, and what must not be reachable.
use serde_json::json;

use crate::process::{Workspace, answer, client, stderr};

fn refuses(yaml: &str, args: &[&str], says: &[&str]) {
    let workspace = Workspace::new(&[("agents/helper/AGENT.md", "You help."), ("gateway.yaml", yaml)]);
    let all = [&["serve", "--port", "0"], args].concat();
    let output = workspace.run(&all);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{yaml}: {text}");
    for part in says {
        assert!(text.contains(part), "{yaml}: {part} is not in {text}");
    }
    assert!(!workspace.database().exists(), "{yaml}: nothing is opened before everything is checked");
}

#[test]
fn what_would_let_everybody_in_by_mistake_does_not_start() {
    let database = "persistence: {url: 'sqlite:test.db'}\n";
    let keyless = |auth: &str| format!("{auth}{database}");
    refuses(&keyless(""), &[], &["auth", "no key"]);
    refuses(&keyless("auth: {enabled: true}\n"), &[], &["no key"]);
    refuses(&keyless("auth: {api_keys: []}\n"), &[], &["no key"]);
    refuses(&keyless("auth: {api_keys: [{name: a, key: ''}]}\n"), &[], &["auth.api_keys"]);
    refuses(
        &keyless("auth: {api_keys: [{name: a, key: '${NOWHERE}'}]}\n"),
        &[],
        &["NOWHERE", "gateway.yaml:1"],
    );
    refuses(&keyless("auth: {mode: oauth2}\n"), &[], &["auth"]);
    refuses(&keyless("auth: {mode: aip_key, api_keys: [{name: a, key: abcdefgh}]}\n"), &[], &["auth.mode"]);
    refuses(&keyless("auth: {enabeld: false}\n"), &[], &["enabeld"]);
    refuses("auth: {enabled: false\n", &[], &["gateway.yaml"]);
    refuses(&keyless("auth: {enabled: false}\nserver: {prot: 1}\nnonsense: 1\n"), &[], &["prot", "nonsense"]);
    refuses(
        &keyless("auth: {enabled: false}\n"),
        &["--host", "0.0.0.0"],
        &["authentication is off", "127.0.0.1"],
    );
    refuses("auth: {enabled: false}\npersistence: {backend: oracle}\n", &[], &["oracle", "sqlite"]);
    refuses("auth: {enabled: false}\nqueue: {backend: kafka}\n", &[], &["kafka", "memory"]);
}

#[test]
fn without_authentication_a_configured_address_gives_way_to_loopback() {
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", &format!("{}server: {{host: 0.0.0.0}}\n", crate::process::OPEN));
    let server = workspace.serve(|_| ());
    assert!(server.about["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{}", server.about);
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say() {
    let workspace = Workspace::helper();
    let keys = "auth: {api_keys: [{name: a, key: aaaaaaaa, scopes: ['agents:invoke:helper']}]}\n";
    workspace.write("gateway.yaml", &format!("{keys}persistence: {{url: 'sqlite:test.db'}}\n"));
    let server = workspace.serve(|_| ());
    let url = server.url("/v1/agents/helper/invoke");
    let ask = |key: Option<&str>| {
        let request = client().post(&url).json(&json!({"message": "hi"}));
        answer(match key {
            Some(key) => request.header("authorization", format!("bearer {key}")),
            None => request,
        })
    };
    assert_eq!(ask(None).await.1["error"]["code"], "auth_required");
    assert_eq!(ask(Some("bbbbbbbb")).await.1["error"]["code"], "invalid_credentials");
    assert_eq!(ask(Some("aaaaaaaa")).await.0, 200);
    let listed = answer(client().get(server.url("/v1/agents")).header("x-api-key", "aaaaaaaa")).await;
    assert_eq!(listed.0, 403, "{}", listed.1);
    assert_eq!(server.get("/v1/health").await.0, 200, "health is public");
}

#[tokio::test]
async fn without_authentication_pages_of_other_hosts_are_refused() {
    let workspace = Workspace::helper();
    let server = workspace.serve(|_| ());
    let url = server.url("/v1/agents/helper/invoke");
    let ask = |name: &'static str, value: &'static str| {
        answer(client().post(&url).header(name, value).json(&json!({"message": "hi"})))
    };
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example"), ("origin", "null")] {
        let (status, body) = ask(name, value).await;
        assert_eq!((status, &body["error"]["code"]), (403, &json!("forbidden")), "{name}: {value}: {body}");
    }
    for (name, value) in [("host", "localhost:8000"), ("origin", "http://localhost:3000"), ("accept", "*/*")]
    {
        assert_eq!(ask(name, value).await.0, 200, "{name}: {value}");
    }
}
