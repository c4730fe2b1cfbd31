//! What a function becomes: what the model is told of it, and what a call answers.
use std::{fmt, sync::Mutex};

use agent_gateway_core::{
    ErrorKind, JsonMap, Result,
    code_tool::{FunctionTool, IntoTool},
    id::{AgentId, ExecutionId},
    ports::tool::Tool,
    tool::{Approval, ToolAccess, ToolContext, ToolOutput, ToolRetry, ToolSource},
};
use agent_gateway_macros::tool;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Searches the documentation.
///
/// Answers with titles.
#[tool(crate = agent_gateway_core, allowed_agents = ["support-bot"], retry = "never")]
async fn search_docs(
    /// What to look for,
    /// in a few words.
    query: &str,
    /// The most pages to list.
    #[default(5)]
    limit: u32,
    context: &ToolContext,
    section: Option<String>,
) -> Result<Vec<String>, NotFound> {
    if query == "nothing" {
        return Err(NotFound);
    }
    let section = section.unwrap_or_default();
    Ok(vec![format!("{query}/{section} {limit} for {}", context.agent_id)])
}

#[derive(Debug)]
struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no page is about that; use other words")
    }
}

fn context() -> ToolContext {
    ToolContext::root(ExecutionId::generate(), AgentId::new("helper").unwrap())
}

async fn call(tool: impl IntoTool, arguments: Value) -> Result<ToolOutput> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    tool.into_tool()?.call(arguments, &context()).await
}

fn text(text: &str) -> ToolOutput {
    ToolOutput::Text(text.to_owned())
}

#[tokio::test]
async fn the_signature_and_the_comments_are_what_the_model_is_told() {
    let tool = search_docs.into_tool().unwrap();
    let spec = tool.spec();
    assert_eq!(spec.name.as_str(), "search-docs");
    assert_eq!(&*spec.description, "Searches the documentation.\n\nAnswers with titles.");
    assert_eq!(&*spec.summary, "Searches the documentation.");
    assert_eq!(spec.source, ToolSource::Code);
    assert_eq!(spec.access, ToolAccess::Only(vec!["support-bot".to_owned()]));
    assert_eq!((spec.approval, spec.retry), (Approval::NotNeeded, ToolRetry::Never));
    assert_eq!(
        *spec.parameters,
        json!({
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for,\nin a few words."},
                "limit": {"type": "integer", "minimum": 0, "description": "The most pages to list.", "default": 5},
                "section": {"type": ["string", "null"], "description": "section"},
            },
            "required": ["query"],
        })
    );
}

#[tokio::test]
async fn arguments_arrive_as_values_and_results_leave_as_json() {
    let answer = call(search_docs, json!({"query": "auth", "section": "api"})).await.unwrap();
    assert_eq!(answer, ToolOutput::Json(json!(["auth/api 5 for helper"])));
    let direct = search_docs::run("auth", 1, &context(), None).await.unwrap();
    assert_eq!(direct, ["auth/ 1 for helper"]);
}

#[tokio::test]
async fn the_functions_own_error_is_told_by_its_text() {
    let error = call(search_docs, json!({"query": "nothing"})).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Invalid, "no page is about that; use other words")
    );
}

#[tokio::test]
async fn an_argument_that_cannot_be_read_is_named() {
    for (arguments, sentence) in [
        (json!({"query": "x", "limit": 5_000_000_000_u64}), "the argument 'limit' cannot be read"),
        (json!({"query": 1}), "the argument 'query' cannot be read"),
        (json!({}), "the argument 'query' is missing"),
    ] {
        let error = call(search_docs, arguments).await.unwrap_err();
        assert!(error.message().starts_with(sentence), "{error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}

/// A trip.
#[derive(Deserialize, JsonSchema)]
struct Trip {
    /// Where to.
    city: String,
    #[serde(default)]
    days: u8,
}

#[tool(crate = agent_gateway_core, name = "plan", description = "Plans a trip.", require_approval)]
fn plan_trip(#[arguments] trip: Trip) -> String {
    format!("{} days in {}", trip.days, trip.city)
}

#[tokio::test]
async fn one_struct_can_hold_all_arguments() {
    let tool = plan_trip.into_tool().unwrap();
    assert_eq!((tool.spec().name.as_str(), &*tool.spec().description), ("plan", "Plans a trip."));
    assert_eq!(tool.spec().approval, Approval::Required);
    let parameters = &tool.spec().parameters;
    assert_eq!(parameters["required"], json!(["city"]));
    assert_eq!(parameters["properties"]["city"], json!({"type": "string", "description": "Where to."}));
    assert_eq!(call(plan_trip, json!({"city": "Oslo"})).await.unwrap(), text("0 days in Oslo"));
    let error = call(plan_trip, json!({"city": "Oslo", "days": 300})).await.unwrap_err();
    assert!(error.message().starts_with("the argument 'days' cannot be read"), "{error}");
}

static THREADS: Mutex<Vec<std::thread::ThreadId>> = Mutex::new(Vec::new());

#[tool(crate = agent_gateway_core)]
fn where_am_i(context: &ToolContext, mut r#type: String) -> ToolOutput {
    THREADS.lock().unwrap().push(std::thread::current().id());
    r#type.push_str(context.agent_id.as_str());
    ToolOutput::Text(r#type)
}

#[tokio::test]
async fn a_plain_function_runs_on_a_thread_of_its_own() {
    assert_eq!(where_am_i.into_tool().unwrap().spec().description.as_ref(), "where am i");
    assert_eq!(call(where_am_i, json!({"type": "at "})).await.unwrap(), text("at helper"));
    assert_ne!(THREADS.lock().unwrap().pop().unwrap(), std::thread::current().id());
}

#[tool(crate = agent_gateway_core)]
fn breaks() -> u32 {
    panic!("at the disco")
}

#[tokio::test]
async fn a_panic_of_a_plain_function_is_an_unexpected_error() {
    assert_eq!(call(breaks, json!({})).await.unwrap_err().kind(), ErrorKind::Unexpected);
}

fn by_hand() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]})
}

/// Counts.
#[tool(crate = agent_gateway_core, parameters = by_hand())]
async fn count(n: u8, m: Option<u8>) -> u8 {
    n + m.unwrap_or_default()
}

#[tool(crate = agent_gateway_core, parameters = json!(["no", "schema"]))]
async fn lost() {}

#[tokio::test]
async fn a_schema_by_hand_is_used_as_it_is() {
    assert_eq!(*count.into_tool().unwrap().spec().parameters, by_hand());
    assert_eq!(call(count, json!({"n": 2})).await.unwrap(), ToolOutput::Json(json!(2)));
    let error = lost.into_tool().unwrap_err();
    assert!(error.to_string().contains("lost"), "{error}");
}

/// A folder of folders.
#[derive(Deserialize, Serialize, JsonSchema)]
struct Folder {
    #[serde(default)]
    inside: Vec<Folder>,
}

#[tool(crate = agent_gateway_core)]
async fn measure(folder: Folder) -> Folder {
    folder
}

#[tokio::test]
async fn a_type_that_contains_itself_is_described_once() {
    let tool: FunctionTool = measure.into_tool().unwrap();
    let parameters = &tool.spec().parameters;
    assert_eq!(parameters["properties"]["folder"]["description"], "A folder of folders.");
    assert!(parameters["$defs"]["Folder"].is_object(), "{parameters}");
    let error = call(measure, json!({"folder": {"inside": [{"inside": 1}]}})).await.unwrap_err();
    assert!(error.message().starts_with("the argument 'folder.inside[0].inside' cannot be read"), "{error}");
}

/// Results under another name, whose parts could both be told as values.
type Answer = std::result::Result<String, String>;

#[tool(crate = agent_gateway_core)]
async fn aliased() -> Answer {
    Err("try later".to_owned())
}

#[tool(crate = agent_gateway_core)]
async fn ours() -> Result<ToolOutput> {
    Err(agent_gateway_core::Error::unexpected("password=hunter2"))
}

#[tokio::test]
async fn a_result_is_one_whatever_it_is_called() {
    assert_eq!(call(aliased, json!({})).await.unwrap_err().message(), "try later");
    assert_eq!(
        call(ours, json!({})).await.unwrap_err().kind(),
        ErrorKind::Unexpected,
        "ours keep their kind"
    );
}

#[tool(crate = agent_gateway_core)]
async fn unsayable() -> std::collections::BTreeMap<(u8, u8), u8> {
    [((1, 2), 3)].into()
}

#[tokio::test]
async fn a_result_that_is_no_json_is_a_failed_call() {
    let error = call(unsayable, json!({})).await.unwrap_err();
    assert!(error.message().starts_with("the result cannot be written as JSON"), "{error}");
}

#[test]
fn many_parameters_are_as_good_as_few() {
    #[tool(crate = agent_gateway_core)]
    #[expect(clippy::too_many_arguments, reason = "that is the test")]
    async fn many(
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        arguments: u8,
        given: u8,
    ) -> u8 {
        a + b + c + d + e + f + g + h + i + arguments + given
    }
    let tool = many.into_tool().unwrap();
    assert_eq!(tool.spec().parameters["required"].as_array().unwrap().len(), 11);
    let arguments: JsonMap = JsonMap::from_iter([("a".to_owned(), json!(1))]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(tool.call(arguments, &context())).is_err());
}
