//! What goes well.
use agent_gateway_core::{
    message::TokenUsage,
    ports::model::{Delivery, FinishReason, LanguageModel, ModelEvent, ModelExt},
};
use agent_gateway_llm::{HttpPool, OpenAiClient, OpenAiConfig};
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use futures::StreamExt;
use serde_json::json;

use super::kit::{BOTH, KEY, client, complete, events, pair, patient, request};

#[tokio::test]
async fn text_comes_whole_and_in_pieces() {
    for delivery in BOTH {
        let reply = Reply::text("hello over there").usage(11, 4).cached(3).model("m-2024");
        let (server, client) = pair([reply]).await;
        let answer = client.complete(request(delivery)).await.unwrap();
        assert_eq!((&*answer.text, answer.model.as_str()), ("hello over there", "m-2024"));
        assert_eq!(answer.usage, TokenUsage { input_tokens: 11, output_tokens: 4, cached_input_tokens: 3 });
        assert_eq!(answer.reason, FinishReason::Stop);

        let asked = &server.requests()[0];
        assert_eq!(asked.path, "/v1/chat/completions");
        assert_eq!(asked.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
        assert_eq!(asked.body["stream"], json!(delivery == Delivery::Incremental));
        assert_eq!(asked.messages(), [json!({"role": "user", "content": "hi"})]);
    }
}

#[tokio::test]
async fn a_stream_is_given_as_it_comes() {
    let (_server, client) = pair([Reply::text("one two three")]).await;
    let events = events(&client).await;
    let texts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Ok(ModelEvent::Text(text)) => Some(&**text),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["one ", "two ", "three"]);
    assert!(matches!(events.last(), Some(Ok(ModelEvent::Finished { .. }))));
    assert_eq!(events.len(), 4);
}

#[tokio::test]
async fn parallel_tool_calls_come_whole_and_interleaved() {
    let calls = || [("add", json!({"a": 1, "b": "ü"})), ("now", json!({})), ("odd", json!("{broken"))];
    for delivery in BOTH {
        let answer = complete([Reply::tool_calls(calls()).message("let me see")], delivery).await.unwrap();
        let got: Vec<_> =
            answer.tool_calls.iter().map(|call| (&*call.id, &*call.name, call.arguments.to_text())).collect();
        let expected = [
            ("call_1_0", "add", "{\"a\":1,\"b\":\"ü\"}".to_owned()),
            ("call_1_1", "now", "{}".to_owned()),
            ("call_1_2", "odd", "{\"_raw\":\"{broken\"}".to_owned()),
        ];
        assert_eq!(got, expected);
        assert_eq!((&*answer.text, answer.reason), ("let me see", FinishReason::ToolCalls));
    }
}

#[tokio::test]
async fn the_server_chooses_the_form() {
    let document = complete([Reply::text("a b").whole()], Delivery::Incremental).await.unwrap();
    assert_eq!(&*document.text, "a b");
    let stream = complete([Reply::text("a b").streamed()], Delivery::Whole).await.unwrap();
    assert_eq!(&*stream.text, "a b");
}

#[tokio::test]
async fn finish_reasons_are_told() {
    let cases = [
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::Filtered),
        ("odd", FinishReason::Other),
    ];
    for (text, reason) in cases {
        for delivery in BOTH {
            let answer = complete([Reply::text("x").finish_reason(text)], delivery).await.unwrap();
            assert_eq!(answer.reason, reason);
        }
    }
}

#[tokio::test]
async fn an_empty_answer_is_an_answer() {
    for delivery in BOTH {
        assert_eq!(&*complete([Reply::text("")], delivery).await.unwrap().text, "");
    }
}

#[tokio::test]
async fn text_in_parts_and_refusals_are_text() {
    let parts = json!([{"type": "thinking", "thinking": []}, {"type": "text", "text": "said"}]);
    let event = |delta| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
    let events = [
        event(json!({"content": parts})),
        event(json!({"refusal": " no", "content": null})),
        json!({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ];
    let answer = complete([Reply::events(events)], Delivery::Incremental).await.unwrap();
    assert_eq!(&*answer.text, "said no");
}

#[tokio::test]
async fn an_answer_may_end_without_done_once_it_has_its_reason() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
    let answer = complete([Reply::garbage(body).streamed()], Delivery::Incremental).await.unwrap();
    assert_eq!(&*answer.text, "x");
    // Or with a `[DONE]` that lacks its blank line, and no reason.
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\ndata: [DONE]";
    let answer = complete([Reply::garbage(body).streamed()], Delivery::Incremental).await.unwrap();
    assert_eq!(&*answer.text, "y");
}

#[tokio::test]
async fn dropping_the_stream_stops_the_call() {
    let (server, client) = pair([Reply::text("one two three").stall(3), Reply::hang()]).await;
    let mut stream = client.stream(request(Delivery::Incremental)).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::Text(_)))));
    drop(stream);
    server.wait_for_abandoned(1).await;

    // The same before the first event.
    let call = client.stream(request(Delivery::Whole));
    tokio::select! {
        _ = call => panic!("the server never answers"),
        _ = server.wait_for_requests(2) => {}
    }
    server.wait_for_abandoned(2).await;
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = ModelServer::start().await;
    server.default_reply(Reply::text("a b c"));
    let client = client(&server);
    for delivery in [BOTH, BOTH].concat() {
        client.complete(request(delivery)).await.unwrap();
    }
    assert_eq!(server.request_count(), 4);
    assert_eq!(server.connection_count(), 1);
}

#[tokio::test]
async fn a_base_url_may_carry_credentials_unless_there_is_a_key() {
    let server = ModelServer::start().await;
    server.default_reply(Reply::text("x"));
    let url = server.url().replace("http://", "http://me:pw@");
    let config = OpenAiConfig::new("acme", &url);
    for config in [config.clone(), config.api_key(agent_gateway_core::secret::Secret::new(KEY))] {
        let client = OpenAiClient::new(config, HttpPool::new(&patient())).unwrap();
        client.complete(request(Delivery::Whole)).await.unwrap();
        assert!(!format!("{client:?}").contains("pw"));
    }
    let sent: Vec<_> =
        server.requests().iter().map(|asked| asked.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(sent, ["Basic bWU6cHc=".to_owned(), format!("Bearer {KEY}")]);
}
