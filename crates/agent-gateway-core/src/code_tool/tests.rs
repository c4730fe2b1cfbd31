use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;
use crate::{
    Error, ErrorKind, Result,
    id::{AgentId, ExecutionId},
    ports::tool::Tool,
    tool::{Approval, ToolAccess, ToolContext, ToolOutput, ToolRetry},
};

async fn call(tool: &FunctionTool, arguments: Value) -> Result<ToolOutput> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let context = ToolContext::root(ExecutionId::generate(), AgentId::new("helper").unwrap());
    tool.call(arguments, &context).await
}

fn text(text: &str) -> ToolOutput {
    ToolOutput::Text(text.to_owned())
}

#[tokio::test]
async fn typed_parameters_are_described_and_read() {
    let tool = FunctionTool::builder("search-docs", "Searches.\nSlowly.")
        .parameter(Parameter::<String>::new("query").description("what to look for"))
        .parameter(Parameter::<u32>::new("limit").default(5))
        .parameter(Parameter::<Option<bool>>::new("deep"))
        .allowed_agents(["support-bot"])
        .require_approval()
        .never_retry()
        .handler(|(query, limit, deep), context| async move {
            format!("{query} {limit} {deep:?} for {}", context.agent_id)
        })
        .unwrap();
    let spec = tool.spec();
    assert_eq!((&*spec.description, &*spec.summary), ("Searches.\nSlowly.", "Searches."));
    assert_eq!((spec.approval, spec.retry), (Approval::Required, ToolRetry::Never));
    assert_eq!(spec.access, ToolAccess::Only(vec!["support-bot".to_owned()]));
    assert_eq!(
        *spec.parameters,
        json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "what to look for"},
                "limit": {"type": "integer", "minimum": 0, "description": "limit", "default": 5},
                "deep": {"type": ["boolean", "null"], "description": "deep"},
            },
            "required": ["query"],
        })
    );
    assert_eq!(call(&tool, json!({"query": "a", "x": 1})).await.unwrap(), text("a 5 None for helper"));
    let all = json!({"query": "a", "limit": 1, "deep": true});
    assert_eq!(call(&tool, all).await.unwrap(), text("a 1 Some(true) for helper"));
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Filter {
    tags: Vec<Tag>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Tag {
    /// Its name.
    name: String,
}

#[tokio::test]
async fn one_struct_or_a_schema_by_hand_stand_for_all_parameters() {
    let typed = FunctionTool::builder("a", "")
        .arguments::<Filter>()
        .handler(|filter, _| async move { Json(filter) })
        .unwrap();
    assert_eq!(
        typed.spec().parameters["properties"]["tags"]["items"]["properties"]["name"],
        json!({"type": "string", "description": "Its name."}),
        "nothing stands behind a reference"
    );
    let filter = json!({"tags": [{"name": "x"}]});
    assert_eq!(call(&typed, filter.clone()).await.unwrap(), ToolOutput::Json(filter));
    let error = call(&typed, json!({"tags": [{"name": 1}]})).await.unwrap_err();
    assert!(error.message().starts_with("the argument 'tags[0].name' cannot be read: "), "{error}");

    let schema = json!({"type": "object", "description": "mine"});
    let by_hand = FunctionTool::builder("b", "").schema(schema.clone());
    let by_hand = by_hand.handler(|arguments, _| async move { Value::Object(arguments) }).unwrap();
    assert_eq!(*by_hand.spec().parameters, schema);
    assert_eq!(call(&by_hand, json!({"n": 1})).await.unwrap(), ToolOutput::Json(json!({"n": 1})));
}

#[test]
fn what_is_wrong_comes_out_with_the_handler_and_names_the_tool() {
    let nothing = |_: (), _| async { "" };
    let error = FunctionTool::builder("not a name", "").handler(nothing).unwrap_err();
    assert!(error.to_string().contains("not a name"), "{error}");
    let twice = FunctionTool::builder("twice", "")
        .parameter(Parameter::<u8>::new("n"))
        .parameter(Parameter::<u8>::new("n"))
        .handler(|_, _| async { "" });
    let strange = FunctionTool::builder("strange", "")
        .parameter(Parameter::<u8>::new("größe"))
        .handler(|_, _| async { "" });
    let list = FunctionTool::builder("list", "").arguments::<Vec<u8>>().handler(|_, _| async { "" });
    let texts = FunctionTool::new("texts", "", json!("object"), |_, _| async { Ok(text("")) });
    for (tool, name, words) in [
        (twice, "twice", "two parameters named 'n'"),
        (strange, "strange", "not a valid parameter name"),
        (list, "list", "a struct with named fields"),
        (texts, "texts", "a JSON object"),
    ] {
        let error = tool.into_tool().unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(name), "{error}");
    }
}

#[derive(Debug)]
struct Sorry;

impl fmt::Display for Sorry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("try Oslo")
    }
}

#[tokio::test]
async fn errors_are_told_by_their_text_and_ours_keep_their_kind() {
    let own = FunctionTool::builder("own", "").handler(|(), _| async { Err::<u8, _>(Sorry) }).unwrap();
    let error = call(&own, json!({})).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Invalid, "try Oslo"));
    let ours = FunctionTool::builder("ours", "")
        .handler(|(), _| async { Err::<u8, _>(Error::unexpected("password=hunter2")) })
        .unwrap();
    assert_eq!(call(&ours, json!({})).await.unwrap_err().kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn a_result_that_is_no_json_is_a_failed_call() {
    let odd = FunctionTool::builder("odd", "")
        .handler(|(), _| async { Json(std::collections::BTreeMap::from([((1, 2), 3)])) })
        .unwrap();
    let error = call(&odd, json!({})).await.unwrap_err();
    assert!(error.message().starts_with("the result cannot be written as JSON"), "{error}");
}

#[tokio::test]
async fn a_plain_function_does_not_hold_up_others() {
    // On one thread: a function that blocked it would never see the other one come.
    let (say, heard) = std::sync::mpsc::channel();
    let heard = Arc::new(std::sync::Mutex::new(heard));
    let waits = FunctionTool::builder("waits", "")
        .blocking_handler(move |(), _| heard.lock().unwrap().recv().unwrap())
        .unwrap();
    let speaks = FunctionTool::builder("speaks", "")
        .handler(move |(), _| {
            let say = say.clone();
            async move { say.send("heard".to_owned()).map_or("lost", |()| "said") }
        })
        .unwrap();
    let (waited, spoke) = tokio::join!(call(&waits, json!({})), call(&speaks, json!({})));
    assert_eq!((waited.unwrap(), spoke.unwrap()), (text("heard"), text("said")));
}

#[tokio::test]
async fn a_panic_of_a_plain_function_is_an_unexpected_error() {
    let breaks = FunctionTool::builder("breaks", "")
        .blocking_handler(|(), _| -> String { panic!("at the disco") })
        .unwrap();
    assert_eq!(call(&breaks, json!({})).await.unwrap_err().kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn so_many_plain_functions_run_at_once_and_a_dropped_one_never() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
    let tool = FunctionTool::builder("held", "")
        .blocking_handler(move |(), _| {
            begun.send(()).unwrap();
            let mut gate = gate.clone();
            let opened = async { gate.wait_for(|open| *open).await.is_ok() };
            tokio::runtime::Handle::current().block_on(opened).to_string()
        })
        .unwrap();
    let most = blocking::MAX_RUNNING;
    let mut running = futures::future::join_all((0..most).map(|_| call(&tool, json!({}))));
    let all_begun = async {
        for _ in 0..most {
            beginnings.recv().await.unwrap();
        }
    };
    tokio::select! {
        answers = &mut running => panic!("nobody opened: {answers:?}"),
        () = all_begun => {}
    }
    let mut one_more = Box::pin(call(&tool, json!({})));
    assert!(futures::poll!(&mut one_more).is_pending());
    drop(one_more);
    open.send(true).unwrap();
    assert!(running.await.into_iter().all(|answer| answer.unwrap() == text("true")));
    assert!(beginnings.try_recv().is_err(), "a call that had no place and nobody waits for is not made");
}
