//! Answers that the provider holds to a JSON Schema.
use std::sync::Arc;

use agent_gateway_core::{
    capability::StructuredOutput,
    ports::model::{Delivery, LanguageModel, ModelExt, ModelRequest},
};
use serde_json::{Value, json};

use super::{
    kit::{name, pair, request},
    wires::{Answer, Wire},
};

fn wanting(wire: Wire, tools: bool) -> ModelRequest {
    let mut request = request(wire, Delivery::Whole);
    if !tools {
        request.tools = Arc::from([]);
    }
    let city = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false});
    request.output_schema = Some(Arc::new(city));
    request
}

/// The schema, where the wire has it.
fn sent(wire: Wire, body: &Value) -> Option<&Value> {
    match wire {
        Wire::Gemini | Wire::VertexGemini => body["generationConfig"].get("responseJsonSchema"),
        _ => body["output_config"]["format"].get("schema"),
    }
}

#[tokio::test]
async fn a_schema_goes_where_the_wire_has_room_for_it() {
    for wire in Wire::ALL {
        let expected = match wire {
            Wire::Anthropic => StructuredOutput::Always,
            Wire::Gemini | Wire::VertexGemini => StructuredOutput::AnswerOnly,
            _ => StructuredOutput::None,
        };
        let (server, model) = pair(wire, []).await;
        assert_eq!(model.capability(&name(wire.model())).structured_output, expected, "{wire:?}");
        server.default_reply(wire.reply(&Answer::text("{}")));
        for tools in [false, true] {
            let request = wanting(wire, tools);
            model.complete(request.clone()).await.unwrap();
            let body = server.requests().pop().unwrap().body;
            let told =
                expected.allows(request.tools.len()).then(|| (*request.output_schema.unwrap()).clone());
            assert_eq!(sent(wire, &body), told.as_ref(), "{wire:?} {tools}: {body}");
            assert_eq!(body.to_string().contains("\"city\""), told.is_some(), "{wire:?} {tools}: {body}");
        }
    }
}

#[tokio::test]
async fn a_refused_schema_is_left_out_and_remembered() {
    for (wire, none, this) in [
        (
            Wire::Anthropic,
            "'claude-sonnet-4-6' does not support output format.",
            "output_config.format.schema: For 'integer' type, property 'minimum' is not supported",
        ),
        (
            Wire::Gemini,
            "Invalid JSON payload received. Unknown name \"responseJsonSchema\" at 'generation_config'",
            "The specified schema produces a constraint that has too many states for serving.",
        ),
    ] {
        for (refusal, others) in [(none, false), (this, true)] {
            let (server, model) = pair(wire, [wire.refused(refusal)]).await;
            server.default_reply(wire.reply(&Answer::text("x")));
            let mut request = wanting(wire, false);
            model.complete(request.clone()).await.unwrap();
            model.complete(request.clone()).await.unwrap();
            request.output_schema = Some(Arc::new(json!({"type": "object", "properties": {"x": {}}})));
            model.complete(request.clone()).await.unwrap();
            let bodies: Vec<_> =
                server.requests().iter().map(|asked| sent(wire, &asked.body).is_some()).collect();
            assert_eq!(bodies, [true, false, false, others], "{wire:?}: {refusal}");
            let able = model.capability(&request.model).structured_output != StructuredOutput::None;
            assert_eq!(able, others, "{wire:?}: {refusal}");
        }
    }
}

#[tokio::test]
async fn what_would_come_out_empty_is_left_to_the_prompt() {
    let (server, model) = pair(Wire::Anthropic, []).await;
    server.default_reply(Wire::Anthropic.reply(&Answer::text("x")));
    for schema in [
        json!({"type": "object"}),
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"type": "object", "properties": {"free": {"type": "object"}}}),
        json!(true),
    ] {
        let mut request = wanting(Wire::Anthropic, false);
        request.output_schema = Some(Arc::new(schema));
        model.complete(request).await.unwrap();
        assert_eq!(server.requests().pop().unwrap().body.get("output_config"), None);
    }
    let mut old = wanting(Wire::Anthropic, false);
    old.model = name("claude-3-haiku-20240307");
    model.complete(old).await.unwrap();
    assert_eq!(server.requests().pop().unwrap().body.get("output_config"), None);
}
