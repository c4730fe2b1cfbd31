use std::sync::Arc;

use agent_gateway_core::{
    id::{ModelName, ToolName},
    message::{Arguments, Message, ToolCall},
    ports::model::{Completion, Delivery, FinishReason, LanguageModel, ModelEvent, ModelExt, ModelRequest},
    tool::{ToolSource, ToolSpec},
};
use futures::StreamExt;
use serde_json::json;

use super::Offline;

fn request(messages: Vec<Message>) -> ModelRequest {
    let tool = |name| {
        let schema = json!({"type": "object"});
        Arc::new(ToolSpec::new(ToolName::new(name).unwrap(), "", schema, ToolSource::Code))
    };
    let mut request = ModelRequest::new(ModelName::new("offline").unwrap(), messages);
    request.tools = Arc::from([tool("add"), tool("get-time")]);
    request
}

async fn ask(messages: Vec<Message>) -> Completion {
    Offline.complete(request(messages)).await.unwrap()
}

fn result(name: &str, content: &str) -> Message {
    Message::Tool { call_id: "x".into(), name: name.into(), content: content.into() }
}

#[tokio::test]
async fn echoes_and_says_that_it_is_no_model() {
    let answer = ask(vec![Message::system("be brief"), Message::user("hello you there")]).await;
    assert!(answer.text.contains("hello you there") && answer.text.contains("not a language model"));
    assert_eq!(answer.reason, FinishReason::Stop);
    assert_eq!(answer.usage.input_tokens, 5);
    assert_eq!(answer.usage.output_tokens, answer.text.split_whitespace().count() as u64);
    let free = Offline.capability(&answer.model).price.unwrap();
    assert_eq!(free.cost(&answer.usage), 0.0);
}

#[tokio::test]
async fn calls_the_tools_that_it_is_told_to_use() {
    let text = "please use add {\"a\": {\"b\": \"}\"}} and then use get-time {} now";
    let answer = ask(vec![Message::user(text)]).await;
    let call = |call: &ToolCall| (call.id.to_string(), call.name.to_string(), call.arguments.to_text());
    let calls: Vec<_> = answer.tool_calls.iter().map(call).collect();
    let expected = [("call_offline_0", "add", "{\"a\":{\"b\":\"}\"}}"), ("call_offline_1", "get-time", "{}")];
    assert_eq!(calls, expected.map(|(id, name, text)| (id.to_owned(), name.to_owned(), text.to_owned())));
    assert_eq!(answer.reason, FinishReason::ToolCalls);
}

#[tokio::test]
async fn calls_nothing_else() {
    for text in
        ["use other {}", "use add", "use add {broken", "reuse add {}", "use add [1]", "I use add daily"]
    {
        let answer = ask(vec![Message::user(text)]).await;
        assert!(answer.tool_calls.is_empty() && answer.text.contains(text), "{text}: {answer:?}");
    }
}

#[tokio::test]
async fn answers_with_what_the_tools_said() {
    let call = ToolCall { id: "x".into(), name: "add".into(), arguments: Arguments::parse("{}") };
    let called = Message::Assistant { content: "".into(), tool_calls: vec![call] };
    let mut talk = vec![Message::user("use add {}"), called, result("add", "{\"sum\": 3}")];
    assert_eq!(&*ask(talk.clone()).await.text, "{\"sum\": 3}");

    // A new message is a new wish, with an id of its own.
    talk.push(Message::user("use add {\"again\":1}"));
    let answer = ask(talk).await;
    assert_eq!(&*answer.tool_calls[0].id, "call_offline_1");
}

#[tokio::test]
async fn tools_that_are_still_owed_are_called_first() {
    let talk = vec![Message::user("use add {} use get-time {}"), result("add", "3")];
    assert_eq!(&*ask(talk).await.tool_calls[0].name, "get-time");
}

#[tokio::test]
async fn comes_piece_by_piece_when_asked_to() {
    let mut asked = request(vec![Message::user("a  b\nc d e f")]);
    let whole = Offline.complete(asked.clone()).await.unwrap();
    asked.delivery = Delivery::Incremental;
    let events: Vec<_> = Offline.stream(asked.clone()).await.unwrap().collect().await;
    let texts = events.iter().filter(|event| matches!(event, Ok(ModelEvent::Text(_)))).count();
    assert!(texts > 2, "{events:?}");
    assert_eq!(Offline.complete(asked).await.unwrap(), whole);
}
