//! A model server that misbehaves: a recorded failure, and a gateway that goes on.
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use crate::process::Workspace;

#[tokio::test]
async fn every_misbehaviour_is_a_recorded_failure_with_its_reason() {
    let model = ModelServer::start().await;
    let workspace = Workspace::helper();
    let server = workspace.serve_with_model(&model.url());
    let refused = || Reply::status(429).header("retry-after", "0");
    let cases: Vec<(&str, Vec<Reply>, &str)> = vec![
        ("400", vec![Reply::status(400)], "400"),
        ("401", vec![Reply::status(401)], "401"),
        ("429", vec![refused(), refused(), refused()], "429"),
        ("500", vec![Reply::status(500), Reply::status(500), Reply::status(500)], "500"),
        ("garbage", vec![Reply::garbage("no json at all")], ""),
        ("half", vec![Reply::cut_after(1), Reply::cut_after(1), Reply::cut_after(1)], ""),
    ];
    for (name, replies, says) in cases {
        for reply in replies {
            model.reply(reply);
        }
        let (status, body) = server.invoke("helper", "hi").await;
        assert_eq!(
            (status, &body["status"], &body["stop_reason"]),
            (200, &json!("failed"), &json!("error")),
            "{name}: {body}"
        );
        let error = body["error"].as_str().unwrap();
        assert!(!error.is_empty() && error.contains(says), "{name}: {error}");
        let (_, stored) =
            server.get(&format!("/v1/executions/{}", body["execution_id"].as_str().unwrap())).await;
        assert_eq!(
            (&stored["status"], stored["error"].as_str()),
            (&json!("failed"), Some(error)),
            "{name}: {stored}"
        );
        assert!(stored["completed_at"].is_string(), "{name}: {stored}");
    }
    model.reply(Reply::cut_after(0)).reply(Reply::cut_after(0)).reply(Reply::cut_after(0));
    assert_eq!(
        server.invoke("helper", "hi").await.1["status"],
        "failed",
        "a server that hangs up without a word"
    );
    model.reply(Reply::hang());
    let body = json!({"message": "hi", "options": {"timeout_ms": 1000}});
    let (status, body) = server.post("/v1/agents/helper/invoke", &body).await;
    assert_eq!((status, &body["status"]), (200, &json!("timeout")), "{body}");
    assert!(body["error"].as_str().unwrap().contains("while it waited for the model"), "{body}");
    model.reply(Reply::text("well again"));
    assert_eq!(server.invoke("helper", "hi").await.1["result"]["raw_text"], "well again");
}
