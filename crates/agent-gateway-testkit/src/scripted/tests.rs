use std::time::Duration;

use agent_gateway_core::{
    ErrorKind, JsonMap,
    id::{AgentId, ExecutionId, ModelName},
    message::{Arguments, Message},
    ports::{
        model::{Delivery, FinishReason, LanguageModel, ModelEvent, ModelExt, ModelRequest},
        tool::Tool,
    },
    tool::{ToolContext, ToolOutput},
};
use futures::{FutureExt, StreamExt};
use serde_json::json;

use super::{FnTool, Reply, ScriptedModel};

fn request(text: &str) -> ModelRequest {
    ModelRequest::new(ModelName::new("scripted/one").unwrap(), vec![Message::user(text)])
}

#[tokio::test]
async fn plays_its_replies_in_order_and_remembers_what_it_was_asked() {
    let model = ScriptedModel::new([
        Reply::calls([("add", json!({"a": 1})), ("add", json!({"a": 2}))]),
        Reply::text("three").raw_call("add", "{broken"),
        Reply::error(ErrorKind::RateLimited, "slow down"),
        Reply::cut_off("half an"),
    ]);

    let first = model.complete(request("one")).await.unwrap();
    assert_eq!(first.reason, FinishReason::ToolCalls);
    assert_eq!(first.tool_calls[1].id.as_ref(), "call_1");
    assert_eq!(first.tool_calls[1].arguments.to_json(), json!({"a": 2}));
    let second = model.complete(request("two")).await.unwrap();
    assert_eq!(second.text.as_ref(), "three");
    assert_eq!(second.tool_calls[0].arguments, Arguments::Malformed("{broken".to_owned()));
    assert_eq!(model.complete(request("three")).await.unwrap_err().kind(), ErrorKind::RateLimited);
    assert_eq!(model.complete(request("four")).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(model.complete(request("five")).await.unwrap_err().kind(), ErrorKind::Unexpected);

    let asked: Vec<_> = model.requests().into_iter().map(|request| request.messages).collect();
    let said = ["one", "two", "three", "four", "five"].map(|text| vec![Message::user(text)]);
    assert_eq!(asked, said);
    assert_eq!(model.dropped(), 0);
}

#[tokio::test]
async fn hands_out_pieces_when_they_are_wanted() {
    let model = ScriptedModel::always(Reply::text("one two three"));
    let mut wanted = request("go");
    wanted.delivery = Delivery::Incremental;
    let events: Vec<_> = model.stream(wanted).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(events[0], ModelEvent::Text("one ".into()));
    assert_eq!(events.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn counts_calls_that_were_dropped_before_their_end() {
    let model = ScriptedModel::new([
        Reply::hang(),
        Reply::text("late").after(Duration::from_secs(60)),
        Reply::text("so far").then_hang(),
    ]);
    drop(model.stream(request("hang")).await.unwrap());
    assert_eq!(model.dropped(), 1);
    let late = tokio::time::timeout(Duration::from_secs(1), model.complete(request("late"))).await;
    assert!(late.is_err());
    assert_eq!(model.dropped(), 2);
    let mut stream = model.stream(request("then hang")).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), ModelEvent::Text("so far".into()));
    assert!(stream.next().now_or_never().is_none());
    drop(stream);
    model.wait_for_dropped(3).await;
    model.wait_for_requests(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_tool_counts_its_calls_and_how_many_ran_at_once() {
    let tool = FnTool::new("echo", |arguments, _| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(ToolOutput::Json(arguments.into()))
    })
    .unwrap();
    let context = ToolContext::root(ExecutionId::generate(), AgentId::new("helper").unwrap());
    let call = |n: i32| tool.call(JsonMap::from_iter([("n".to_owned(), n.into())]), &context);

    let (one, two) = tokio::join!(call(1), call(2));
    assert_eq!(one.unwrap().to_json(), json!({"n": 1}));
    assert_eq!(two.unwrap().to_json(), json!({"n": 2}));
    assert!(tokio::time::timeout(Duration::from_millis(1), call(3)).await.is_err());

    assert_eq!(tool.calls().len(), 3);
    assert_eq!(tool.calls()[2].arguments["n"], 3);
    assert_eq!(tool.max_concurrency(), 2);
    assert_eq!(tool.dropped(), 1);
}
