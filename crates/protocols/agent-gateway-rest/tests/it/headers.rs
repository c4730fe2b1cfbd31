//! The headers of every answer.
use agent_gateway_rest::{RestOptions, routes_table};
use axum::body::Body;

use crate::world::{ALICE, Setup, World, request};

#[tokio::test]
async fn every_answer_carries_the_security_headers_once() {
    let world = World::new().await;
    let table = routes_table();
    let paths = table.iter().map(|route| route.path.replace(['{', '}'], "")).chain(
        ["/docs", "/openapi.json", "/redoc", "/docs/init.js", "/nothing", "/v1/nothing"].map(str::to_owned),
    );
    for path in paths {
        for key in ["", ALICE] {
            let answer = world.get(&path, key).await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin", "{path}");
            assert_eq!(
                answer.header("strict-transport-security"),
                "max-age=31536000; includeSubDomains",
                "{path}"
            );
            assert!(answer.header("content-security-policy").starts_with("default-src 'self'"), "{path}");
            assert!(answer.header("x-request-duration-ms").parse::<u64>().is_ok(), "{path}");
            if path.starts_with("/v1") {
                assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn security_headers_follow_the_configuration() {
    let mut options = RestOptions::default();
    options.http.security.strict_transport_security = String::new();
    options.http.security.x_frame_options = "SAMEORIGIN".to_owned();
    let world = Setup { options, ..Setup::default() }.start().await;
    let answer = world.get("/v1/health", "").await;
    assert!(!answer.headers.contains_key("strict-transport-security"));
    assert_eq!(answer.header("x-frame-options"), "SAMEORIGIN");

    let mut options = RestOptions::default();
    options.http.security.enabled = false;
    let world = Setup { options, ..Setup::default() }.start().await;
    let answer = world.get("/v1/health", "").await;
    assert!(!answer.headers.contains_key("x-frame-options"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_header_that_cannot_be_is_found_at_the_start() {
    let world = World::new().await;
    let mut options = RestOptions::default();
    options.http.security.referrer_policy = "a\nb".to_owned();
    let error = agent_gateway_rest::router(&world.gateway, &options).unwrap_err();
    assert!(error.to_string().contains("referrer-policy"), "{error}");
}

#[tokio::test]
async fn only_answers_about_a_run_name_one() {
    let world = World::new().await;
    for (method, path) in [("GET", "/v1/agents"), ("GET", "/v1/executions"), ("GET", "/v1/executions/none")] {
        let answer = world.send(request(method, path, ALICE).body(Body::empty()).unwrap()).await;
        assert!(!answer.headers.contains_key("x-execution-id"), "{path}");
    }
    let answer = world.invoke("echo", ALICE).await;
    assert_eq!(answer.header("x-execution-id"), answer.json["execution_id"]);
}
