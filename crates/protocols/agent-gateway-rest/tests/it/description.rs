//! `/openapi.json` and the pages that show it.
use std::collections::BTreeSet;

use agent_gateway_core::ports::auth::AuthScheme;
use agent_gateway_rest::routes_table;
use agent_gateway_runtime::Authenticator;
use axum::{body::Body, http::header};
use serde_json::{Value, json};

use crate::world::{ALICE, Setup, World, request};

#[tokio::test]
async fn every_route_is_described() {
    let world = World::new().await;
    let document = world.get("/openapi.json", "").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for route in routes_table() {
        let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{route:?} is not described"));
        assert!(ids.insert(id.to_owned()), "{id} appears twice");
        assert!(operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2')));
        let named: Vec<_> = route.path.split('/').filter(|part| part.starts_with('{')).collect();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        assert_eq!(parameters.iter().filter(|parameter| parameter["in"] == "path").count(), named.len());
    }
    let described: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(described, routes_table().len());
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let world = World::new().await;
    let document = world.get("/openapi.json", "").await.ok();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() >= 10, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                references.insert(reference.to_owned());
            }
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_tells_nothing_about_the_workspace() {
    let world = World::new().await;
    let answer = world.get("/openapi.json", "").await;
    for word in ["styled", "research", "http-fetch", "Looks things up"] {
        assert!(!answer.text.contains(word), "{word}");
    }
}

#[tokio::test]
async fn chapters_and_schemes_are_in_order() {
    let world = World::new().await;
    let document = world.get("/openapi.json", "").await.ok();
    let tags: Vec<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    assert_eq!(
        tags,
        [
            "Health",
            "Agents",
            "Chat",
            "Sessions",
            "Conversations",
            "Executions",
            "Approvals",
            "Tools",
            "Skills",
            "User Config",
            "Admin"
        ]
    );
    assert_eq!(world.gateway.authenticator().schemes(), [AuthScheme::Bearer, AuthScheme::ApiKey]);
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({
            "bearerAuth": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        })
    );
    assert_eq!(document["security"], json!([{"bearerAuth": []}, {"apiKey": []}]));
    let open = Setup { authenticator: Authenticator::open(), ..Setup::default() }.start().await;
    let document = open.get("/openapi.json", "").await.ok();
    assert_eq!(document["security"], json!([]));
}

#[tokio::test]
async fn the_description_fits_the_answers() {
    let world = World::new().await;
    let document = world.get("/openapi.json", "").await.ok();
    let members = |schema: &str| -> Vec<String> {
        let properties = document["components"]["schemas"][schema]["properties"].as_object();
        properties.unwrap_or_else(|| panic!("no schema {schema}")).keys().cloned().collect()
    };
    let answer = world.invoke("echo", ALICE).await.ok();
    let path = format!("/v1/executions/{}", answer["execution_id"].as_str().unwrap());
    for (schema, body) in [
        ("InvokeResponse", answer),
        ("ExecutionInfo", world.get(&path, ALICE).await.ok()),
        ("AgentInfo", world.get("/v1/agents/echo", ALICE).await.ok()),
        ("HealthInfo", world.get("/v1/health", ALICE).await.ok()),
        ("Ready", world.get("/readyz", "").await.ok()),
    ] {
        // Members of answers about runs that rest alone.
        let mut members = members(schema);
        members.retain(|name| !["poll_url", "approvals_url"].contains(&name.as_str()));
        assert_eq!(members, body.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), "{schema}");
    }
}

#[tokio::test]
async fn an_unchanged_description_is_not_sent_again() {
    let world = World::new().await;
    let first = world.get("/openapi.json", "").await;
    let request = request("GET", "/openapi.json", "").header(header::IF_NONE_MATCH, first.header("etag"));
    let second = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((second.status.as_u16(), second.text.as_str()), (304, ""));
}

#[tokio::test]
async fn below_a_prefix_the_description_names_it() {
    let world = World::new().await.mounted("/ai");
    let document = world.get("/ai/openapi.json", "").await.ok();
    assert_eq!(document["servers"], json!([{"url": "/ai"}]));
}

#[tokio::test]
async fn the_pages_need_no_other_host() {
    let world = World::new().await;
    let page = world.get("/docs", "").await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(!page.text.contains("http"), "{}", page.text);
    assert!(!page.text.contains("<script>"), "no script stands in the page");
    let policy = page.header("content-security-policy");
    assert!(!policy.contains("http") && !policy.contains("script-src 'unsafe"), "{policy}");
    for name in ["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/init.js"] {
        assert!(page.text.contains(&format!("\"{name}\"")), "{name}");
        let asset = world.get(&format!("/{name}"), "").await;
        assert_eq!(asset.status.as_u16(), 200, "{name}");
        assert!(!asset.text.is_empty() && asset.headers.contains_key("etag"), "{name}");
    }
    let moved = world.get("/redoc", "").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (307, "docs"));
}
