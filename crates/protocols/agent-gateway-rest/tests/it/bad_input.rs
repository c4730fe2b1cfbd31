//! Every kind of bad request gets its code and its envelope, and never a 500.
use agent_gateway_rest::RestOptions;
use axum::{body::Body, http::header};
use futures::stream;
use serde_json::{Value, json};

use crate::world::{ALICE, Answer, ROOT, Setup, World, request};

const INVOKE: &str = "/v1/agents/echo/invoke";

async fn send(world: &World, content_type: Option<&str>, body: &str) -> Answer {
    let mut request = request("POST", INVOKE, ALICE);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[track_caller]
fn expect(answer: &Answer, expected: &[(&str, Value)]) {
    let problems = answer.problems();
    let expected: Vec<_> = expected.iter().map(|(kind, loc)| ((*kind).to_owned(), loc.clone())).collect();
    assert_eq!(problems, expected, "{answer:?}");
}

#[tokio::test]
async fn broken_json_is_told_where_it_breaks() {
    let world = World::new().await;
    for (body, at) in [("{", 1), ("{\"message\": x}", 12), ("{\"message\": \"a\"}}", 16), ("\u{feff}{}", 0)] {
        expect(&world.post_text(INVOKE, ALICE, body).await, &[("json_invalid", json!(["body", at]))]);
    }
    let raw = request("POST", INVOKE, ALICE).header(header::CONTENT_TYPE, "application/json");
    let answer = world.send(raw.body(Body::from(vec![b'{', b'"', 0xff, b'"', b'}'])).unwrap()).await;
    assert_eq!(answer.problems()[0].0, "json_invalid");
}

#[tokio::test]
async fn json_may_not_nest_without_end() {
    let world = World::new().await;
    let deep =
        format!("{{\"message\": \"hi\", \"input\": {{\"a\": {}1{}}}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(world.post_text(INVOKE, ALICE, &deep).await.problems()[0].0, "json_invalid");
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let world = World::new().await;
    for kind in ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense", ""] {
        let answer = send(&world, Some(kind), r#"{"message": "hi"}"#).await;
        assert_eq!(answer.error(), (415, "unsupported_media_type"), "{kind}");
        assert!(answer.json["detail"].is_string());
    }
    expect(&send(&world, None, r#"{"message": "hi"}"#).await, &[("model_attributes_type", json!(["body"]))]);
    for kind in ["application/json", "application/json; charset=utf-8", "application/vnd.x+json"] {
        send(&world, Some(kind), r#"{"message": "hi"}"#).await.ok();
    }
}

#[tokio::test]
async fn a_body_must_be_an_object() {
    let world = World::new().await;
    expect(&world.post_text(INVOKE, ALICE, "").await, &[("missing", json!(["body"]))]);
    for body in ["[]", "\"hi\"", "1", "null", "true"] {
        expect(&world.post_text(INVOKE, ALICE, body).await, &[("model_attributes_type", json!(["body"]))]);
    }
}

#[tokio::test]
async fn wrong_types_are_told_all_at_once() {
    let world = World::new().await;
    let body = json!({
        "message": 5, "input": [],
        "options": {"async": "perhaps", "stream": [], "timeout_ms": "soon", "output_schema": "object"},
    });
    let options = |name: &str| json!(["body", "options", name]);
    expect(
        &world.post("/v1/agents/e.cho/invoke", ROOT, &body).await,
        &[
            ("string_pattern_mismatch", json!(["path", "agent_id"])),
            ("string_type", json!(["body", "message"])),
            ("dict_type", json!(["body", "input"])),
            ("bool_parsing", options("async")),
            ("bool_type", options("stream")),
            ("int_parsing", options("timeout_ms")),
            ("dict_type", options("output_schema")),
        ],
    );
    for (body, kind, loc) in [
        (json!({}), "missing", json!(["body", "message"])),
        (json!({"message": null}), "string_type", json!(["body", "message"])),
        (json!({"message": ""}), "string_too_short", json!(["body", "message"])),
        (json!({"message": "x".repeat(102_401)}), "string_too_long", json!(["body", "message"])),
        (json!({"message": "a", "input": null}), "dict_type", json!(["body", "input"])),
        (json!({"message": "a", "options": []}), "model_attributes_type", json!(["body", "options"])),
        (
            json!({"message": "a", "options": {"timeout_ms": 999}}),
            "greater_than_equal",
            options("timeout_ms"),
        ),
        (
            json!({"message": "a", "options": {"timeout_ms": 300_001}}),
            "less_than_equal",
            options("timeout_ms"),
        ),
        (json!({"message": "a", "options": {"timeout_ms": 1000.5}}), "int_from_float", options("timeout_ms")),
        (
            json!({"message": "a", "options": {"output_schema": {"type": 5}}}),
            "value_error",
            options("output_schema"),
        ),
        (
            json!({"message": "a", "options": {"output_schema": {"$ref": "http://127.0.0.1:1/s"}}}),
            "value_error",
            options("output_schema"),
        ),
    ] {
        expect(&world.post(INVOKE, ALICE, &body).await, &[(kind, loc)]);
    }
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]), "nothing of this was recorded");
}

#[tokio::test]
async fn an_error_does_not_repeat_a_long_value() {
    let world = World::new().await;
    let answer = world.post(INVOKE, ALICE, &json!({"message": "x".repeat(200_000)})).await;
    assert!(answer.text.len() < 2_000, "{} bytes", answer.text.len());
    let body = json!({"message": "hi", "input": {"when": ["x".repeat(200_000)]}});
    let answer = world.post("/v1/agents/shaped/invoke", ALICE, &body).await;
    assert_eq!(answer.error(), (422, "input_validation_failed"));
    assert!(answer.text.len() < 4_000, "{} bytes", answer.text.len());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let mut options = RestOptions::default();
    options.http.max_body_bytes = 1000;
    let world = Setup { options, ..Setup::default() }.start().await;
    let body = json!({"message": "x".repeat(1000)}).to_string();
    let builder = || request("POST", INVOKE, ALICE).header(header::CONTENT_TYPE, "application/json");
    let announced = builder().header(header::CONTENT_LENGTH, body.len()).body(Body::from(body.clone()));
    let pieces: Vec<_> = body.as_bytes().chunks(100).map(|piece| Ok::<_, String>(piece.to_vec())).collect();
    let chunked = builder().body(Body::from_stream(stream::iter(pieces)));
    for request in [announced.unwrap(), chunked.unwrap()] {
        let answer = world.send(request).await;
        assert_eq!(answer.error(), (413, "payload_too_large"));
        assert!(answer.json["detail"].is_string());
    }
    world.post(INVOKE, ALICE, &json!({"message": "x".repeat(900)})).await.ok();
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let mut options = RestOptions::default();
    options.http.body_timeout = std::time::Duration::from_millis(20);
    let world = Setup { options, ..Setup::default() }.start().await;
    let silence = Body::from_stream(stream::pending::<Result<Vec<u8>, String>>());
    let request = request("POST", INVOKE, ALICE).header(header::CONTENT_TYPE, "application/json");
    let answer = world.send(request.body(silence).unwrap()).await;
    assert_eq!(answer.error(), (408, "request_timeout"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let world = World::new().await;
    let broken = Body::from_stream(stream::iter([Ok(b"{\"mess".to_vec()), Err("gone")]));
    let request = request("POST", INVOKE, ALICE).header(header::CONTENT_TYPE, "application/json");
    let answer = world.send(request.body(broken).unwrap()).await;
    assert_eq!(answer.error(), (400, "body_unreadable"));
}

#[tokio::test]
async fn ids_in_paths_follow_their_patterns() {
    let world = World::new().await;
    let long = "a".repeat(129);
    for (path, kind) in [
        ("/v1/executions/a.b".to_owned(), "string_pattern_mismatch"),
        ("/v1/executions/a%20b".to_owned(), "string_pattern_mismatch"),
        ("/v1/executions/%00".to_owned(), "string_pattern_mismatch"),
        ("/v1/executions/%ff".to_owned(), "string_pattern_mismatch"),
        (format!("/v1/executions/{long}"), "string_too_long"),
        ("/v1/agents/a%2Fb".to_owned(), "string_pattern_mismatch"),
        ("/v1/skills/ä".replace('ä', "%C3%A4"), "string_pattern_mismatch"),
        (format!("/v1/tools/{long}"), "string_too_long"),
    ] {
        let answer = world.get(&path, ALICE).await;
        assert_eq!(answer.problems()[0].0, kind, "{path}");
    }
    // What the pattern allows and nobody has is not found.
    let broken = world.get("/v1/agents/%ff", ALICE).await;
    assert_eq!(
        broken.problems()[0].1,
        json!(["path", "agent_id"]),
        "the name is known where the text is none"
    );

    for (path, code) in [
        ("/v1/agents/a.b", "agent_not_found"),
        ("/v1/skills/A_1", "skill_not_found"),
        ("/v1/tools/x.y", "tool_not_found"),
        ("/v1/executions/A-1", "execution_not_found"),
    ] {
        assert_eq!(world.get(path, ALICE).await.error(), (404, code), "{path}");
    }
}

#[tokio::test]
async fn queries_are_checked() {
    let world = World::new().await;
    for (query, kind, name) in [
        ("limit=0", "greater_than_equal", "limit"),
        ("limit=501", "less_than_equal", "limit"),
        ("limit=ten", "int_parsing", "limit"),
        ("limit=", "int_parsing", "limit"),
        ("status=done", "value_error", "status"),
        ("since=yesterday", "value_error", "since"),
        ("limit=5&limit=0", "greater_than_equal", "limit"),
    ] {
        let answer = world.get(&format!("/v1/executions?{query}"), ALICE).await;
        expect(&answer, &[(kind, json!(["query", name]))]);
    }
    for query in [
        "limit=500",
        "limit=%31",
        "unknown=1",
        "agent_id=",
        "%",
        "status=completed&until=2026-01-01T00:00:00Z",
    ] {
        world.get(&format!("/v1/executions?{query}"), ALICE).await.ok();
    }
    let answer = world.get("/v1/executions?cursor=forged", ALICE).await;
    assert_eq!(answer.error(), (422, "invalid_request"));
}

#[tokio::test]
async fn schemas_that_cannot_be_used_are_refused_before_anything_runs() {
    let world = World::new().await;
    let place = json!(["body", "options", "output_schema"]);
    let next = |place: usize| json!({"$ref": format!("#/$defs/d{place}")});
    let mut defs: serde_json::Map<String, serde_json::Value> = (0..40)
        .map(|place| (format!("d{place}"), json!({"anyOf": [next(place + 1), next(place + 1)]})))
        .collect();
    defs.insert("d40".to_owned(), json!(true));
    for schema in [
        json!({"type": "strin"}),
        json!({"$ref": "#/$defs/none"}),
        json!({"$ref": "https://127.0.0.1:1/s"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$ref": "#"}),
        json!({"pattern": "("}),
        json!({"description": "x".repeat(300_000)}),
        json!({"$defs": defs, "$ref": "#/$defs/d0"}),
    ] {
        let body = json!({"message": "a", "options": {"output_schema": schema}});
        let answer = world.post(INVOKE, ALICE, &body).await;
        assert_eq!(answer.status.as_u16(), 422, "{schema}: {answer:?}");
        assert_eq!(answer.json["detail"][0]["loc"], place, "{answer:?}");
    }
}
