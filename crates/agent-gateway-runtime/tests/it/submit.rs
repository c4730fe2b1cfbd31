//! Admission, and the record of a run that was waited for.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind, Result,
    agent::{AgentScope, Availability},
    capability::ModelCapability,
    execution::{ExecutionQuery, ExecutionStatus, LogEvent, StopReason},
    id::ModelName,
    page::PageRequest,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
};
use agent_gateway_runtime::{MAX_MESSAGE_CHARS, Refusal, Submitted};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use futures::stream::BoxStream;
use serde_json::json;

use crate::world::{Source, World, agent, request, user};

#[tokio::test]
async fn an_answered_request_is_stored_whole() {
    let world = World::helper([Reply::text("Hello, Ann.")]).await;
    let done = world.finish(request("helper", "hello")).await;
    assert_eq!(done.outcome.raw_text, "Hello, Ann.");
    let stored = world.stored(&done.execution_id).await;
    assert_eq!(stored.status, ExecutionStatus::Completed);
    assert_eq!(stored.result.unwrap()["raw_text"], "Hello, Ann.");
    assert_eq!(stored.user_id.unwrap().as_str(), "ann");
    assert_eq!(stored.root_execution_id.as_ref(), Some(&done.execution_id), "a root is in its own tree");
    assert!(stored.started_at.is_some() && stored.completed_at.is_some());
    let log = world.log(&done.execution_id).await;
    assert!(matches!(&log[0].event, LogEvent::ModelTurn(turn) if &*turn.text == "Hello, Ann."));
    assert!(matches!(&log[1].event, LogEvent::Finished(outcome) if *outcome == *done.outcome));
}

#[tokio::test]
async fn a_failed_model_is_a_stored_failure_and_no_error() {
    let world = World::helper([Reply::error(ErrorKind::Unavailable, "the provider is down")]).await;
    let done = world.finish(request("helper", "hello")).await;
    let stored = world.stored(&done.execution_id).await;
    assert_eq!(stored.status, ExecutionStatus::Failed);
    assert_eq!(stored.error.as_deref(), Some("the provider is down"));
    assert!(stored.completed_at.is_some());
}

#[tokio::test]
async fn what_may_not_run_is_refused_and_leaves_no_record() {
    let (mut off, mut personal, mut strict) = (agent("off"), agent("personal"), agent("strict"));
    off.availability = Availability::Disabled;
    personal.scope = AgentScope::Personal;
    strict.input_schema = Some(std::sync::Arc::new(json!({"type": "object", "required": ["city"]})));
    let world = World::new([agent("helper"), off, personal, strict], ScriptedModel::new([])).await;
    let refuse = async |request| world.submit(request).await.unwrap_err();
    assert!(matches!(refuse(request("nobody", "hi")).await, Refusal::AgentNotFound(id) if id == "nobody"));
    assert!(matches!(refuse(request("off", "hi")).await, Refusal::AgentDisabled(_)));
    assert!(matches!(refuse(request("personal", "hi")).await, Refusal::SetupRequired(_)));
    assert!(
        matches!(refuse(request("helper", "")).await, Refusal::FieldInvalid(e) if e.kind == "string_too_short")
    );
    let long = "é".repeat(MAX_MESSAGE_CHARS + 1);
    assert!(
        matches!(refuse(request("helper", &long)).await, Refusal::FieldInvalid(e) if e.kind == "string_too_long")
    );
    assert!(
        matches!(refuse(request("strict", "hi")).await, Refusal::InputInvalid(e) if e[0].kind == "missing")
    );
    let mut unscoped = request("helper", "hi");
    unscoped.principal = user("bob", &["agents:invoke:other"]);
    assert!(matches!(refuse(unscoped).await, Refusal::ScopeMissing(_)));
    let mut hasty = request("helper", "hi");
    hasty.options.timeout_ms = Some(10);
    assert!(matches!(refuse(hasty).await, Refusal::FieldInvalid(_)));
    let mut foreign = request("helper", "hi");
    foreign.options.output_schema = Some(json!({"$ref": "http://127.0.0.1:1/schema"}));
    assert!(matches!(refuse(foreign).await, Refusal::FieldInvalid(_)));
    let all = world
        .gateway
        .executions()
        .list(&ExecutionQuery::default(), &user("root", &["*"]), PageRequest::default())
        .await
        .unwrap();
    assert!(all.items.is_empty() && world.model.requests().is_empty());
}

#[tokio::test]
async fn only_the_owner_and_admins_see_an_execution() {
    let world = World::helper([Reply::text("ok")]).await;
    let id = world.finish(request("helper", "hello")).await.execution_id;
    let executions = world.gateway.executions();
    for (name, scopes, sees) in
        [("ann", "executions:read", true), ("bob", "executions:read", false), ("eve", "admin", true)]
    {
        let who = user(name, &[scopes]);
        assert_eq!(executions.get(&id, &who).await.unwrap().is_some(), sees, "{name}");
        assert_eq!(executions.workflow(&id, &who).await.unwrap().is_some(), sees, "{name}");
        let listed = executions.list(&ExecutionQuery::default(), &who, PageRequest::default()).await.unwrap();
        assert_eq!(!listed.items.is_empty(), sees, "{name}");
    }
}

#[tokio::test]
async fn a_panic_in_a_tool_is_told_to_the_model_and_one_in_a_model_fails_the_run() {
    let tool = FnTool::new("explode", |_, _| async { panic!("boom") }).unwrap();
    let source = Source::default();
    source.0.lock().unwrap().agents.insert(agent("helper").id, Arc::new(agent("helper")));
    let replies = [Reply::calls([("explode", json!({}))]), Reply::text("it failed")];
    let world = World::start(source, ScriptedModel::new(replies), |mut recipe| {
        recipe.code_tools = vec![Arc::new(tool)];
        recipe
    });
    let world = world.await;
    assert_eq!(world.finish(request("helper", "hello")).await.outcome.raw_text, "it failed");
    assert_eq!(world.log_of_last().await, ["model_turn", "tool_turn", "model_turn", "finished"]);

    let gateway = world.with_model(Arc::new(Exploding)).await;
    let Ok(Submitted::Finished(done)) = gateway.executions().submit(request("helper", "hello")).await else {
        panic!("it did not run")
    };
    assert_eq!(done.outcome.stop_reason, StopReason::Error);
    assert_eq!(world.stored(&done.execution_id).await.status, ExecutionStatus::Failed);
}

#[tokio::test]
async fn over_the_bound_requests_are_busy_and_leave_nothing() {
    let world = World::helper([Reply::hang(), Reply::text("ok")]).await;
    let gateway = world.bounded(1).await;
    let executions = gateway.executions();
    let mut first = Box::pin(executions.submit(request("helper", "hello")));
    tokio::select! {
        _ = &mut first => panic!("the model never answers"),
        () = world.model.wait_for_requests(1) => {}
    }
    assert!(matches!(executions.submit(request("helper", "hello")).await, Err(Refusal::Busy)));
    drop(first);
    world.model.wait_for_dropped(1).await;
    // The seat is free once the cancelled run is recorded.
    while matches!(executions.submit(request("helper", "hello")).await, Err(Refusal::Busy)) {
        tokio::task::yield_now().await;
    }
}

/// A model that panics.
#[derive(Debug)]
struct Exploding;

#[async_trait::async_trait]
impl LanguageModel for Exploding {
    fn capability(&self, _: &ModelName) -> ModelCapability {
        ModelCapability::new("exploding")
    }

    async fn stream(&self, _: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        panic!("boom")
    }
}
