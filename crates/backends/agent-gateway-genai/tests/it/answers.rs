//! What a provider says arrives, whole and in pieces.
use agent_gateway_core::{
    message::TokenUsage,
    ports::model::{Delivery, FinishReason, LanguageModel, ModelEvent, ModelExt},
};
use agent_gateway_testkit::model_server::Reply;
use futures::StreamExt;
use serde_json::json;

use super::{
    kit::{BOTH, complete, events, pair, request},
    wires::{Answer, CACHED, READ, WRITTEN, Wire},
};

#[tokio::test]
async fn text_comes_with_its_model_and_its_usage() {
    for wire in Wire::ALL {
        for delivery in BOTH {
            let (_server, model) = pair(wire, [wire.reply(&Answer::text("hello over there"))]).await;
            let answer = model.complete(request(wire, delivery)).await.unwrap();
            assert_eq!(
                (&*answer.text, answer.model.as_str()),
                ("hello over there", wire.named()),
                "{wire:?}"
            );
            let usage =
                TokenUsage { input_tokens: READ, output_tokens: WRITTEN, cached_input_tokens: CACHED };
            assert_eq!((answer.usage, answer.reason), (usage, FinishReason::Stop), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn a_stream_is_given_as_it_comes() {
    for wire in Wire::ALL {
        // Nothing comes after the first word, and still it is there.
        let reply = wire.reply(&Answer::text("one two three")).stall(wire.first_word());
        let (server, model) = pair(wire, [reply]).await;
        let mut stream = model.stream(request(wire, Delivery::Incremental)).await.unwrap();
        let first = stream.next().await;
        assert!(
            matches!(&first, Some(Ok(ModelEvent::Text(text))) if &**text == "one "),
            "{wire:?}: {first:?}"
        );
        drop(stream);
        server.wait_for_abandoned(1).await;

        let (_server, model) = pair(wire, [wire.reply(&Answer::text("one two three"))]).await;
        let events = events(&model, wire).await;
        let text = |event| match event {
            Ok(ModelEvent::Text(text)) => Some(text),
            _ => None,
        };
        assert!(matches!(events.last(), Some(Ok(ModelEvent::Finished { .. }))), "{wire:?}: {events:?}");
        let texts: Vec<_> = events.into_iter().filter_map(text).collect();
        assert_eq!(
            texts.iter().map(|text| &**text).collect::<Vec<_>>(),
            ["one ", "two ", "three"],
            "{wire:?}"
        );
    }
}

#[tokio::test]
async fn parallel_tool_calls_come_in_order_with_ids_of_their_own() {
    let calls = [
        ("add", json!({"a": 1, "b": "ü\n\"quoted\""})),
        // The same tool twice, side by side and in another piece.
        ("add", json!({"nested": {"list": [1, null]}})),
        ("add", json!({"a": 2})),
        ("list", json!({})),
    ];
    for wire in Wire::ALL {
        for delivery in BOTH {
            let mut said = Answer::calls(calls.clone());
            said.text = "let me see".to_owned();
            let answer = complete(wire, wire.reply(&said), delivery).await.unwrap();
            let got: Vec<_> =
                answer.tool_calls.iter().map(|call| (&*call.name, call.arguments.to_json())).collect();
            assert_eq!(got, calls, "{wire:?}");
            assert_eq!((&*answer.text, answer.reason), ("let me see", FinishReason::ToolCalls), "{wire:?}");
            let mut ids: Vec<_> = answer.tool_calls.iter().map(|call| &*call.id).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), calls.len(), "{wire:?}: {ids:?}");
        }
    }
}

#[tokio::test]
async fn arguments_come_as_true_deltas_and_as_the_model_wrote_them() {
    // The wires that send arguments as text.
    for wire in [Wire::Anthropic, Wire::VertexClaude, Wire::Bedrock] {
        let broken = "{\"a\": [1, 2, ";
        let (_server, model) = pair(wire, [wire.reply(&Answer::calls([("add", json!(broken))]))]).await;
        let events = events(&model, wire).await;
        let delta = |event: &_| match event {
            Ok(ModelEvent::ToolCallDelta { index: 0, arguments }) => Some(arguments.to_string()),
            _ => None,
        };
        let deltas: Vec<_> = events.iter().filter_map(delta).collect();
        assert_eq!(deltas.len(), 2, "{wire:?}: {deltas:?}");
        assert_eq!(deltas.concat(), broken, "{wire:?}");

        let answer =
            complete(wire, wire.reply(&Answer::calls([("add", json!(broken))])), BOTH[0]).await.unwrap();
        assert_eq!(answer.tool_calls[0].arguments.to_json(), json!({"_raw": broken}), "{wire:?}");
    }
}

#[tokio::test]
async fn finish_reasons_are_told() {
    for wire in Wire::ALL {
        let (length, filter) = wire.reasons();
        let cases = [(Some(length), FinishReason::Length), (filter, FinishReason::Filtered)];
        let odd = (Some("odd"), FinishReason::Other);
        for (word, reason) in cases.into_iter().chain([odd]) {
            let Some(word) = word else { continue };
            let reply = wire.reply(&Answer::text("x").because(word));
            assert_eq!(complete(wire, reply, BOTH[1]).await.unwrap().reason, reason, "{wire:?} {word}");
        }
    }
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    for wire in Wire::ALL {
        let answer = complete(wire, wire.reply(&Answer::text("")), BOTH[0]).await.unwrap();
        assert_eq!((&*answer.text, answer.reason), ("", FinishReason::Stop), "{wire:?}");
    }
}

#[tokio::test]
async fn a_question_that_gemini_blocks_is_an_answer_without_words() {
    let block = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "modelVersion": "gemini-2.5-flash-001"});
    let reply = Reply::pieces("text/event-stream", [format!("data: {block}\r\n\r\n")]);
    let answer = complete(Wire::Gemini, reply, BOTH[0]).await.unwrap();
    assert_eq!((&*answer.text, answer.reason), ("", FinishReason::Filtered));
}

#[tokio::test]
async fn thoughts_are_no_part_of_the_answer() {
    let event = |name: &str, mut data: serde_json::Value| {
        data["type"] = name.into();
        format!("event: {name}\ndata: {data}\n\n")
    };
    let thought = json!({"index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}});
    let pieces = [
        event("message_start", json!({"message": {"model": "m", "usage": {"input_tokens": 1}}})),
        event("content_block_start", thought),
        event(
            "content_block_delta",
            json!({"index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        ),
        event(
            "content_block_delta",
            json!({"index": 0, "delta": {"type": "signature_delta", "signature": "s"}}),
        ),
        event("content_block_stop", json!({"index": 0})),
        event("content_block_start", json!({"index": 1, "content_block": {"type": "text", "text": ""}})),
        event("content_block_delta", json!({"index": 1, "delta": {"type": "text_delta", "text": "said"}})),
        event("content_block_stop", json!({"index": 1})),
        event("message_delta", json!({"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}})),
        event("message_stop", json!({})),
    ];
    let answer =
        complete(Wire::Anthropic, Reply::pieces("text/event-stream", pieces), BOTH[1]).await.unwrap();
    assert_eq!(&*answer.text, "said");
}

#[tokio::test]
async fn connections_are_used_again() {
    for wire in Wire::ALL {
        let (server, model) = pair(wire, []).await;
        server.default_reply(wire.reply(&Answer::text("a b c")));
        for delivery in BOTH {
            model.complete(request(wire, delivery)).await.unwrap();
        }
        assert_eq!(server.request_count(), 2, "{wire:?}");
    }
}
