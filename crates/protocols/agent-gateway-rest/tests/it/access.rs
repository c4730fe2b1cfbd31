//! Who may call what.
use agent_gateway_http::{Access, RouteInfo};
use agent_gateway_rest::{RestOptions, routes_table};
use agent_gateway_runtime::Authenticator;
use axum::{body::Body, http::header};

use crate::world::{ALICE, BOB, NARROW, NOTHING, READER, ROOT, Setup, World, request};

/// The path with ids that exist where they can.
fn path_of(route: &RouteInfo) -> String {
    route
        .path
        .replace("{agent_id}", "echo")
        .replace("{skill_id}", "research")
        .replace("{tool_id}", "clock")
        .replace("{execution_id}", "none")
        .replace("{approval_id}", "none")
        .replace("{session_id}", "none")
        .replace("{conversation_id}", "none")
}

async fn call(world: &World, route: &RouteInfo, key: &str) -> (u16, String) {
    let request = request(route.method.as_str(), &path_of(route), key)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"message": "hi"}"#));
    let answer = world.send(request.unwrap()).await;
    let code = answer.json["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn every_route_judges_every_kind_of_caller() {
    let world = World::new().await;
    let table = routes_table();
    assert!(table.len() >= 23, "{table:?}");
    for route in table {
        let at = format!("{} {}", route.method, route.path);
        let without = call(&world, &route, "").await;
        let wrong = call(&world, &route, "no-such-key").await;
        let unscoped = call(&world, &route, NOTHING).await;
        let scoped = call(&world, &route, ROOT).await;
        if route.access == Access::Public {
            assert!(!route.path.starts_with("/v1"), "{at}");
            assert!([&without, &wrong, &unscoped, &scoped].iter().all(|answer| answer.0 == 200), "{at}");
            continue;
        }
        let refused = |status, code: &str| (status, code.to_owned());
        assert_eq!(wrong, refused(401, "invalid_credentials"), "{at}");
        assert!(![401, 403].contains(&scoped.0) || scoped.1 == "reload_disabled", "{at}: {scoped:?}");
        if route.path == "/v1/health" {
            assert_eq!((without.0, unscoped.0), (200, 200), "{at}");
        } else {
            assert_eq!(without, refused(401, "auth_required"), "{at}");
            assert_eq!(unscoped, refused(403, "insufficient_scope"), "{at}");
        }
    }
}

#[test]
fn every_route_needs_the_scope_of_the_specification() {
    let (agents, runs) = (Access::Scope("agents:read"), Access::Scope("executions:read"));
    let sessions = Access::Scope("sessions:read");
    let expected = [
        ("GET", "/healthz", Access::Public),
        ("GET", "/readyz", Access::Public),
        ("GET", "/v1/health", Access::Authenticated),
        ("GET", "/v1/agents", agents),
        ("GET", "/v1/agents/{agent_id}", agents),
        ("POST", "/v1/agents/{agent_id}/invoke", Access::Invoke),
        ("GET", "/v1/agents/{agent_id}/setup-schema", agents),
        ("POST", "/v1/agents/{agent_id}/config", Access::Scope("agents:configure")),
        ("GET", "/v1/agents/{agent_id}/config", Access::Scope("agents:configure")),
        ("DELETE", "/v1/agents/{agent_id}/config", Access::Scope("agents:configure")),
        ("POST", "/v1/agents/{agent_id}/chat", Access::Invoke),
        ("GET", "/v1/sessions", sessions),
        ("GET", "/v1/sessions/{session_id}", sessions),
        ("DELETE", "/v1/sessions/{session_id}", Access::Scope("sessions:manage")),
        ("GET", "/v1/users/me/conversations", sessions),
        ("GET", "/v1/users/me/conversations/{conversation_id}/messages", sessions),
        ("GET", "/v1/executions", runs),
        ("GET", "/v1/executions/{execution_id}", runs),
        ("GET", "/v1/executions/{execution_id}/workflow", runs),
        ("GET", "/v1/executions/{execution_id}/events", runs),
        ("POST", "/v1/executions/{execution_id}/cancel", Access::Scope("executions:cancel")),
        ("GET", "/v1/approvals", Access::ReadApprovals),
        ("GET", "/v1/approvals/{approval_id}", Access::ReadApprovals),
        ("POST", "/v1/approvals/{approval_id}/approve", Access::Decide),
        ("POST", "/v1/approvals/{approval_id}/deny", Access::Decide),
        ("POST", "/v1/approvals/{approval_id}/edit", Access::Decide),
        ("GET", "/v1/skills", agents),
        ("GET", "/v1/skills/{skill_id}", agents),
        ("GET", "/v1/tools", agents),
        ("GET", "/v1/tools/{tool_id}", agents),
        ("GET", "/v1/usage", runs),
        ("POST", "/v1/reload", Access::Scope("admin")),
    ];
    let table = routes_table();
    let table: Vec<_> = table.iter().map(|route| (route.method.as_str(), route.path, route.access)).collect();
    assert_eq!(table, expected);
}

#[tokio::test]
async fn a_missing_scope_is_told_in_both_shapes() {
    let world = World::new().await;
    let answer = world.get("/v1/agents", NOTHING).await;
    assert_eq!(answer.error(), (403, "insufficient_scope"));
    assert_eq!(answer.json["detail"], "Insufficient scopes. Missing: ['agents:read']");
}

#[tokio::test]
async fn a_key_for_one_agent_runs_that_one_alone() {
    let world = World::new().await;
    world.invoke("echo", NARROW).await.ok();
    assert_eq!(world.invoke("shaped", NARROW).await.error(), (403, "insufficient_scope"));
    // The id is compared decoded, as the handler reads it.
    world.invoke("ech%6F", NARROW).await.ok();
    assert_eq!(world.invoke("echo%2F", NARROW).await.error(), (403, "insufficient_scope"));
    let hi = serde_json::json!({"message": "hi"});
    world.chat("echo", NARROW, &hi).await.ok();
    assert_eq!(world.chat("shaped", NARROW, &hi).await.error(), (403, "insufficient_scope"));
}

#[tokio::test]
async fn whoever_may_read_sessions_may_not_delete_them() {
    let world = World::new().await;
    let session = world.turn(None, "hi", ALICE).await.ok()["session_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/sessions/{session}");
    assert_eq!(world.delete(&path, READER).await.error(), (403, "insufficient_scope"));
    world.get(&path, ALICE).await.ok();
}

#[tokio::test]
async fn credentials_come_as_bearer_in_any_case_or_as_key_header() {
    let world = World::new().await;
    for (name, value) in [
        ("authorization", format!("bearer {ALICE}")),
        ("Authorization", format!("BEARER {ALICE}")),
        ("X-API-Key", ALICE.to_owned()),
    ] {
        let request = request("GET", "/v1/agents", "").header(name, value);
        world.send(request.body(Body::empty()).unwrap()).await.ok();
    }
    for value in ["Basic YWxpY2U6", "key-of-alice", "Bearer", "Bearer "] {
        let request = request("GET", "/v1/agents", "").header("authorization", value);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.error(), (401, "auth_required"), "{value}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn a_refused_key_is_told_why_and_challenged() {
    let world = World::new().await;
    let answer = world.get("/v1/agents", "no-such-key").await;
    assert_eq!(answer.error(), (401, "invalid_credentials"));
    assert_eq!(answer.json["error"]["message"], "Invalid API key");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_public_path_gives_away_no_scope() {
    let mut options = RestOptions::default();
    options.http.public_paths = vec!["/v1/agents".to_owned()];
    let world = Setup { options, ..Setup::default() }.start().await;
    assert_eq!(world.get("/v1/agents", "").await.error(), (401, "auth_required"));
    assert_eq!(world.get("/v1/agents", NOTHING).await.error(), (403, "insufficient_scope"));
    world.get("/v1/agents", ALICE).await.ok();
    // Health is public only as long as it is listed.
    assert_eq!(world.get("/v1/health", "").await.error(), (401, "auth_required"));
}

#[tokio::test]
async fn a_public_path_still_judges_a_credential() {
    let world = World::new().await;
    world.get("/v1/health", "").await.ok();
    assert_eq!(world.get("/v1/health", "no-such-key").await.error(), (401, "invalid_credentials"));
    // The listed path is meant literally.
    assert_eq!(world.get("/v1/health/", "").await.error(), (401, "auth_required"));
}

#[tokio::test]
async fn unknown_paths_are_told_to_the_known_alone() {
    let world = World::new().await;
    for path in ["/v1/nothing", "/v1", "/v1/", "/v1/agents/echo/nothing"] {
        assert_eq!(world.get(path, "").await.error(), (401, "auth_required"), "{path}");
        let answer = world.get(path, ALICE).await;
        assert_eq!(answer.error(), (404, "not_found"), "{path}");
        assert_eq!(answer.json["detail"], "Not Found");
    }
    assert_eq!(world.get("/nothing", "").await.error(), (404, "not_found"));
    assert_eq!(world.get("/v1nothing", "").await.error(), (404, "not_found"));
}

#[tokio::test]
async fn one_slash_too_many_leads_to_the_route() {
    let world = World::new().await;
    assert_eq!(world.get("/v1/agents/", "").await.error(), (401, "auth_required"));
    let mounted = world.mounted("/ai");
    for (world, path, location) in [
        (&world, "/v1/agents/", "/v1/agents"),
        (&world, "/v1/agents/echo/", "/v1/agents/echo"),
        (&world, "/v1/executions/?limit=2", "/v1/executions?limit=2"),
        (&mounted, "/ai/v1/agents/", "/ai/v1/agents"),
    ] {
        let answer = world.get(path, ALICE).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (307, location), "{path}");
    }
    for path in ["//elsewhere.example/", "/v1//", "/v1/agents//", "//v1/agents/"] {
        assert_eq!(world.get(path, ALICE).await.error(), (404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_to_the_known_alone() {
    let world = World::new().await;
    let send = |key: &str| world.send(request("DELETE", "/v1/agents", key).body(Body::empty()).unwrap());
    assert_eq!(send("").await.error(), (401, "auth_required"));
    let answer = send(ALICE).await;
    assert_eq!(answer.error(), (405, "method_not_allowed"));
    assert_eq!(answer.json["detail"], "Method Not Allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn what_others_own_is_not_there() {
    let world = World::new().await;
    let id = world.invoke("echo", ALICE).await.ok()["execution_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/executions/{id}");
    world.get(&path, ALICE).await.ok();
    world.get(&path, ROOT).await.ok();
    let cancel = format!("{path}/cancel");
    for (answer, what) in [
        (world.get(&path, BOB).await, "get"),
        (world.get(&format!("{path}/workflow"), BOB).await, "workflow"),
        (world.get(&format!("{path}/events"), BOB).await, "events"),
        (world.post(&cancel, BOB, &serde_json::Value::Null).await, "cancel"),
    ] {
        assert_eq!(answer.error(), (404, "execution_not_found"), "{what}");
    }
    assert_eq!(world.get("/v1/executions", BOB).await.ok(), serde_json::json!([]));
    assert_eq!(world.get("/v1/executions", ALICE).await.ok().as_array().unwrap().len(), 1);
    assert_eq!(world.get("/v1/executions", ROOT).await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn with_authentication_off_everyone_may() {
    let world = Setup { authenticator: Authenticator::open(), ..Setup::default() }.start().await;
    world.get("/v1/agents", "").await.ok();
    world.invoke("echo", "").await.ok();
    // A stray credential does no harm.
    world.get("/v1/agents", "whatever").await.ok();
    assert_eq!(world.get("/v1/nothing", "").await.error(), (404, "not_found"));
}
