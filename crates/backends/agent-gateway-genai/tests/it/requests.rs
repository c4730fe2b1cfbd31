//! What goes over the wire.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use agent_gateway_core::{
    ErrorKind,
    message::{Arguments, Message, ToolCall},
    ports::model::{Delivery, ModelExt, ModelRequest},
    secret::Secret,
};
use agent_gateway_genai::{GenAi, GenAiConfig};
use serde_json::{Value, json};

use super::{
    kit::{KEY, http, name, pair, request, tool},
    wires::{Answer, Wire},
};

/// A conversation with everything in it: two results side by side, a broken call, a silent turn.
fn conversation(wire: Wire) -> ModelRequest {
    let call =
        |id: &str, text| ToolCall { id: id.into(), name: "add".into(), arguments: Arguments::parse(text) };
    let result = |id: &str, content: &str| Message::Tool {
        call_id: id.into(),
        name: "add".into(),
        content: content.into(),
    };
    let calls = vec![call("c1", "{\"a\": 1}"), call("c2", "{broken")];
    let mut request = request(wire, Delivery::Incremental);
    request.messages = vec![
        Message::system("be brief"),
        Message::user("hi"),
        Message::Assistant { content: "let me see".into(), tool_calls: calls },
        result("c1", "3"),
        result("c2", ""),
        Message::assistant(""),
        Message::user("and now?"),
    ];
    request.temperature = Some(0.5);
    request.max_tokens = Some(7);
    request
}

async fn asked(wire: Wire) -> Value {
    let (server, model) = pair(wire, [wire.reply(&Answer::text("x"))]).await;
    model.complete(conversation(wire)).await.unwrap();
    let asked = server.requests().remove(0);
    assert_eq!((asked.path.as_str(), asked.query.as_str()), wire.asked_at(), "{wire:?}");
    let (header, value) = wire.key_header(KEY);
    assert_eq!(asked.header(header), Some(value.as_str()), "{wire:?}");
    asked.body
}

fn schema() -> Value {
    (*tool("add").parameters).clone()
}

#[tokio::test]
async fn anthropic_and_claude_on_vertex() {
    for wire in [Wire::Anthropic, Wire::VertexClaude] {
        let body = asked(wire).await;
        assert_eq!(body["system"], "be brief");
        assert_eq!(
            (&body["max_tokens"], &body["temperature"], &body["stream"]),
            (&json!(7), &json!(0.5), &json!(true))
        );
        assert_eq!(
            body["tools"][0],
            json!({"name": "add", "input_schema": schema(), "description": "does it"})
        );
        let expected = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 1}},
                {"type": "tool_use", "id": "c2", "name": "add", "input": {"_raw": "{broken"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "content": "3", "tool_use_id": "c1"},
                {"type": "tool_result", "content": "", "tool_use_id": "c2"},
                {"type": "text", "text": "and now?"},
            ]},
        ]);
        assert_eq!(body["messages"], expected, "{wire:?}");
    }
    assert_eq!(asked(Wire::Anthropic).await["model"], "claude-sonnet-4-6");
    assert_eq!(asked(Wire::VertexClaude).await["anthropic_version"], "vertex-2023-10-16");
}

#[tokio::test]
async fn gemini_here_and_on_vertex() {
    for wire in [Wire::Gemini, Wire::VertexGemini] {
        let body = asked(wire).await;
        assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "be brief"}]}));
        assert_eq!(body["generationConfig"], json!({"temperature": 0.5, "maxOutputTokens": 7}));
        let declaration = &body["tools"][0]["functionDeclarations"][0];
        assert_eq!((&declaration["name"], &declaration["parametersJsonSchema"]), (&json!("add"), &schema()));
        let result = |id: &str, content: &str| {
            json!({"functionResponse": {
                "name": "add", "response": {"name": "add", "content": content}, "id": id,
            }})
        };
        let expected = json!([
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [
                {"text": "let me see"},
                {"functionCall": {"id": "c1", "name": "add", "args": {"a": 1}}},
                {"functionCall": {"id": "c2", "name": "add", "args": {"_raw": "{broken"}}},
            ]},
            {"role": "user", "parts": [result("c1", "3"), result("c2", "")]},
            {"role": "user", "parts": [{"text": "and now?"}]},
        ]);
        assert_eq!(body["contents"], expected, "{wire:?}");
    }
}

#[tokio::test]
async fn newer_geminis_get_a_stand_in_for_the_signature_that_is_not_kept() {
    for (model, signed) in
        [("gemini-flash-latest", true), ("gemini-3.5-flash", true), ("gemini-2.5-pro", false)]
    {
        let (server, gemini) = pair(Wire::Gemini, [Wire::Gemini.reply(&Answer::text("x"))]).await;
        let mut request = conversation(Wire::Gemini);
        request.model = name(model);
        gemini.complete(request).await.unwrap();
        let parts = &server.requests()[0].body["contents"][1]["parts"];
        assert_eq!(parts[1]["thoughtSignature"] == "skip_thought_signature_validator", signed, "{model}");
        assert_eq!(parts[2].get("thoughtSignature"), None, "{model}");
    }
}

#[tokio::test]
async fn bedrock() {
    let body = asked(Wire::Bedrock).await;
    assert_eq!(body["system"], json!([{"text": "be brief"}]));
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 7, "temperature": 0.5}));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"], json!({"json": schema()}));
    let result =
        |id: &str, content: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": content}]}});
    let expected = json!([
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [
            {"text": "let me see"},
            {"toolUse": {"toolUseId": "c1", "name": "add", "input": {"a": 1}}},
            {"toolUse": {"toolUseId": "c2", "name": "add", "input": {"_raw": "{broken"}}},
        ]},
        {"role": "user", "content": [result("c1", "3"), result("c2", "(no output)"), {"text": "and now?"}]},
    ]);
    assert_eq!(body["messages"], expected);
}

#[tokio::test]
async fn ollama() {
    let body = asked(Wire::Ollama).await;
    assert_eq!((&body["model"], &body["stream"]), (&json!("llama3.2"), &json!(true)));
    assert_eq!(body["options"], json!({"temperature": 0.5, "num_predict": 7}));
    assert_eq!(body["tools"][0]["function"]["parameters"], schema());
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(
        body["messages"][2]["tool_calls"][0]["function"],
        json!({"name": "add", "arguments": {"a": 1}})
    );
    assert_eq!(body["messages"][3]["content"], "3");
}

#[tokio::test]
async fn a_model_that_takes_no_temperature_is_asked_without_and_remembered() {
    for wire in [Wire::Anthropic, Wire::VertexClaude, Wire::Bedrock] {
        let refusal = wire.refused("`temperature` is deprecated for this model.");
        let (server, model) = pair(wire, [refusal]).await;
        server.default_reply(wire.reply(&Answer::text("x")));
        for _ in 0..2 {
            model.complete(conversation(wire)).await.unwrap();
        }
        let warm = |body: &Value| body.to_string().contains("\"temperature\"");
        let bodies: Vec<_> = server.requests().iter().map(|asked| warm(&asked.body)).collect();
        assert_eq!(bodies, [true, false, false], "{wire:?}");
    }
}

#[tokio::test]
async fn nothing_is_guessed_from_a_models_name() {
    // A name that looks like another provider's goes to the one that was chosen, and keeps its end.
    let (server, model) = pair(Wire::Anthropic, [Wire::Anthropic.reply(&Answer::text("x"))]).await;
    let mut odd = request(Wire::Anthropic, Delivery::Whole);
    odd.model = name("gpt-4o-high");
    model.complete(odd).await.unwrap();
    assert_eq!(server.requests()[0].body["model"], "gpt-4o-high");

    for (wire, model) in [
        (Wire::Gemini, "x/../../secrets"),
        (Wire::Gemini, ".."),
        (Wire::Gemini, "x?key=1"),
        (Wire::VertexGemini, "gemini%2Fx"),
        (Wire::Anthropic, "openai::x"),
    ] {
        let (server, client) = pair(wire, []).await;
        let mut odd = request(wire, Delivery::Whole);
        odd.model = name(model);
        let error = client.complete(odd).await.unwrap_err();
        assert_eq!((error.kind(), server.request_count()), (ErrorKind::Misconfigured, 0), "{model}: {error}");
    }
    let (_server, vertex) = pair(Wire::VertexGemini, []).await;
    let mut llama = request(Wire::VertexGemini, Delivery::Whole);
    llama.model = name("llama-4");
    assert_eq!(vertex.complete(llama).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn what_cannot_work_is_refused_at_once_and_keys_are_not_shown() {
    let config = |url: &str| GenAiConfig::new("acme", Wire::Anthropic.api(), url);
    for url in ["", "nowhere", "ftp://x/", "mailto:x"] {
        assert_eq!(
            GenAi::new(config(url), || Ok(http())).unwrap_err().kind(),
            ErrorKind::Misconfigured,
            "{url}"
        );
    }
    let broken = config("http://x/").api_key(Secret::new("a\nb"));
    assert_eq!(GenAi::new(broken, || Ok(http())).unwrap_err().kind(), ErrorKind::Misconfigured);
    let model =
        GenAi::new(config("http://me:pw@x/v1?k=pw").api_key(Secret::new(KEY)), || Ok(http())).unwrap();
    assert_eq!(model.location(), "http://x/v1");
    let shown = format!("{model:?}");
    assert!(!shown.contains("pw") && !shown.contains(KEY), "{shown}");
}
