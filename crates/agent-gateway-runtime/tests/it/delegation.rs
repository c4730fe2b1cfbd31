//! Runs that hand work to other agents.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    agent::{AgentDefinition, Availability, Delegates},
    approval::{ApprovalQuery, Verdict},
    execution::{Execution, ExecutionQuery, ExecutionStatus, StopReason},
    id::IdempotencyKey,
    page::PageRequest,
    ports::persistence::PersistenceBackend,
    principal::Principal,
    tool::Approval as Needs,
};
use agent_gateway_runtime::{CancelOutcome, Recipe, Refusal};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::{Source, World, agent, request, user};

fn hand(to: &str) -> Reply {
    Reply::calls([("delegate_to_agent", json!({"agent_id": to, "message": format!("work for {to}")}))])
}

fn boss(delegates: Delegates) -> AgentDefinition {
    let mut boss = agent("boss");
    boss.delegates_to = delegates;
    boss
}

async fn tree(world: &World, root: &Execution) -> Vec<Execution> {
    let query = ExecutionQuery { root_execution_id: Some(root.id.clone()), ..ExecutionQuery::default() };
    world.gateway.executions().tree(&query, &Principal::system()).await.unwrap()
}

/// What the model was told of its last call.
fn told(world: &World) -> String {
    format!("{:?}", world.model.requests().last().unwrap().messages.last().unwrap())
}

#[tokio::test]
async fn a_child_is_a_run_of_its_own_with_its_parents_owner() {
    let replies = [hand("worker"), Reply::text("child's work"), Reply::text("parent's answer")];
    let world = World::new([boss(Delegates::Anyone), agent("worker")], ScriptedModel::new(replies)).await;
    let done = world.finish(request("boss", "go")).await;
    assert_eq!(done.outcome.raw_text, "parent's answer");
    assert!(told(&world).contains("child's work"), "{}", told(&world));
    let root = world.stored(&done.execution_id).await;
    let tree = tree(&world, &root).await;
    assert_eq!(tree.len(), 2);
    let child = &tree[1];
    assert_eq!(child.parent_execution_id.as_ref(), Some(&root.id));
    assert_eq!((child.delegation_depth, child.status), (1, ExecutionStatus::Completed));
    assert_eq!((&child.user_id, child.agent_id.as_str()), (&root.user_id, "worker"));
    assert_eq!(child.message, "work for worker");
}

#[tokio::test]
async fn what_may_not_be_delegated_is_told_to_the_model() {
    let mut off = agent("off");
    off.availability = Availability::Disabled;
    let agents = || {
        [
            boss(Delegates::Only(vec!["worker".into(), "off".into(), "ghost".into()])),
            agent("worker"),
            agent("other"),
            off.clone(),
        ]
    };
    for (to, expected) in [
        ("boss", "itself"),
        ("other", "may not delegate"),
        ("off", "disabled"),
        ("ghost", "not found"),
        ("Not An Id", "may not delegate"),
    ] {
        let world = World::new(agents(), ScriptedModel::new([hand(to), Reply::text("alone")])).await;
        let done = world.finish(request("boss", "go")).await;
        assert_eq!(done.outcome.raw_text, "alone");
        let told = told(&world);
        assert!(told.contains("Error: ") && told.contains(expected), "{to}: {told}");
        assert_eq!(tree(&world, &world.stored(&done.execution_id).await).await.len(), 1, "{to}");
    }
}

#[tokio::test]
async fn who_names_nobody_has_no_such_tool() {
    let agents = [boss(Delegates::Only(Vec::new())), agent("worker")];
    let world = World::new(agents, ScriptedModel::new([Reply::text("alone")])).await;
    world.finish(request("boss", "go")).await;
    assert!(world.model.requests()[0].tools.is_empty());
    let alone = World::new([agent("boss")], ScriptedModel::new([Reply::text("alone")])).await;
    alone.finish(request("boss", "go")).await;
    assert!(alone.model.requests()[0].tools.is_empty());
}

#[tokio::test]
async fn a_circle_ends_at_the_limit_of_depth() {
    let replies = [
        hand("worker"),
        hand("boss"),
        hand("worker"),
        hand("boss"),
        Reply::text("deepest"),
        Reply::text("deeper"),
        Reply::text("deep"),
        Reply::text("top"),
    ];
    let world = World::new([agent("boss"), agent("worker")], ScriptedModel::new(replies)).await;
    let done = world.finish(request("boss", "go")).await;
    assert_eq!(done.outcome.raw_text, "top");
    let tree = tree(&world, &world.stored(&done.execution_id).await).await;
    assert_eq!(tree.iter().map(|run| run.delegation_depth).max(), Some(3));
    assert_eq!(tree.len(), 4);
    let refused = &world.model.requests()[4];
    assert!(format!("{:?}", refused.messages.last()).contains("Error: the limit of 3"));
}

#[tokio::test]
async fn delegates_work_at_the_same_time() {
    let both = Reply::calls([
        ("delegate_to_agent", json!({"agent_id": "worker", "message": "one"})),
        ("delegate_to_agent", json!({"agent_id": "worker", "message": "two"})),
    ]);
    let child = || Reply::text("done").after(Duration::from_secs(20));
    let replies = [both, child(), child(), Reply::text("both")];
    let world = World::new([agent("boss"), agent("worker")], ScriptedModel::new(replies)).await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let done = world.finish(request("boss", "go")).await;
    assert_eq!(done.outcome.raw_text, "both");
    assert!(started.elapsed() < Duration::from_secs(39), "{:?}", started.elapsed());
}

#[tokio::test]
async fn who_cancels_a_parent_cancels_its_children() {
    let replies = [hand("worker"), Reply::hang()];
    let world = World::new([agent("boss"), agent("worker")], ScriptedModel::new(replies)).await;
    let mut waiting = JoinSet::new();
    let executions = world.gateway.executions();
    waiting.spawn(async move { executions.submit(request("boss", "go")).await });
    world.model.wait_for_requests(2).await;
    let everything = Principal::system();
    let page = PageRequest::first(10);
    let all = world.store.executions().list(&ExecutionQuery::default(), &everything.visibility(), page).await;
    let all = all.unwrap().items;
    let root = all.iter().find(|run| run.parent_execution_id.is_none()).unwrap();
    let child = all.iter().find(|run| run.parent_execution_id.is_some()).unwrap();
    let cancelled = world.gateway.executions().cancel(&root.id, &user("ann", &[])).await.unwrap();
    assert_eq!(cancelled, CancelOutcome::Requested);
    assert_eq!(world.ended(&child.id).await.status, ExecutionStatus::Cancelled);
    world.model.wait_for_dropped(1).await;
    waiting.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_child_has_no_more_time_than_its_parent_has_left() {
    let replies = [hand("worker"), Reply::hang()];
    let world = World::new([agent("boss"), agent("worker")], ScriptedModel::new(replies)).await;
    tokio::time::pause();
    let mut limited = request("boss", "go");
    limited.options.timeout_ms = Some(2_000);
    let done = world.finish(limited).await;
    assert_eq!(done.outcome.stop_reason, StopReason::Timeout);
    let tree = tree(&world, &world.stored(&done.execution_id).await).await;
    let child = world.ended(&tree[1].id).await;
    assert!(
        matches!(child.status, ExecutionStatus::Timeout | ExecutionStatus::Cancelled),
        "{}",
        child.status
    );
}

#[tokio::test]
async fn a_child_that_waits_for_a_person_lets_its_parent_rest_too() {
    let tool = FnTool::text("pay", "paid").unwrap().with_spec(|spec| spec.approval = Needs::Required);
    let replies = [
        hand("worker"),
        Reply::calls([("pay", json!({}))]),
        Reply::text("child has paid"),
        Reply::text("parent knows"),
    ];
    let source = Source::with([agent("boss"), agent("worker")]);
    let world = World::start(source, ScriptedModel::new(replies), |mut recipe| {
        recipe.code_tools = vec![Arc::new(tool.clone())];
        recipe
    })
    .await;
    let done = world.finish(request("boss", "go")).await;
    assert_eq!(done.outcome.stop_reason, StopReason::Suspended);
    let root = world.stored(&done.execution_id).await;
    assert_eq!(root.status, ExecutionStatus::Suspended);
    let query = ApprovalQuery { root_execution_id: Some(root.id.clone()), ..ApprovalQuery::default() };
    let decider = user("eve", &["approvals:decide"]);
    let approvals = world.gateway.approvals();
    let waiting = approvals.list(&query, &decider, PageRequest::first(9)).await.unwrap().items;
    assert_eq!(waiting[0].agent_id.as_str(), "worker");
    approvals.decide(&waiting[0].id, Verdict::Approve, None, &decider).await.unwrap();
    let ended = world.ended(&root.id).await;
    assert_eq!(ended.result.unwrap()["raw_text"], "parent knows");
    assert_eq!(tool.calls().len(), 1);
    let tree = tree(&world, &root).await;
    assert_eq!(tree.len(), 2, "the child is found again, not run twice");
    assert_eq!(tree[1].status, ExecutionStatus::Completed);
}

#[tokio::test]
async fn a_cancelled_parent_that_rests_takes_its_child_with_it() {
    let tool = FnTool::text("pay", "paid").unwrap().with_spec(|spec| spec.approval = Needs::Required);
    let source = Source::with([agent("boss"), agent("worker")]);
    let replies = [hand("worker"), Reply::calls([("pay", json!({}))])];
    let world = World::start(source, ScriptedModel::new(replies), |mut recipe| {
        recipe.code_tools = vec![Arc::new(tool.clone())];
        recipe
    })
    .await;
    let done = world.finish(request("boss", "go")).await;
    let root = world.stored(&done.execution_id).await;
    let child = tree(&world, &root).await[1].id.clone();
    world.gateway.executions().cancel(&root.id, &user("ann", &[])).await.unwrap();
    assert_eq!(world.ended(&child).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test]
async fn no_caller_takes_the_key_of_a_child() {
    let world = World::helper([]).await;
    let key = IdempotencyKey::new("delegation:x-1-0").unwrap();
    let refused = world.submit(request("helper", "go").idempotency_key(key)).await.unwrap_err();
    assert!(matches!(refused, Refusal::FieldInvalid(_)), "{refused}");
}

/// A coordinator whose worker waits for a person.
async fn waiting_worker(replies: impl IntoIterator<Item = Reply>, change: impl FnOnce(&mut Recipe)) -> World {
    let tool = FnTool::text("pay", "paid").unwrap().with_spec(|spec| spec.approval = Needs::Required);
    let hang = FnTool::new("hang", |_, _| std::future::pending()).unwrap();
    let source = Source::with([agent("boss"), agent("worker")]);
    World::start(source, ScriptedModel::new(replies), |mut recipe| {
        recipe.code_tools = vec![Arc::new(tool), Arc::new(hang)];
        change(&mut recipe);
        recipe
    })
    .await
}

#[tokio::test]
async fn a_child_that_rests_does_not_outlive_a_parent_that_runs_out_of_time() {
    let both = hand("worker").call("hang", &json!({}));
    let world = waiting_worker([both, Reply::calls([("pay", json!({}))])], |_| {}).await;
    tokio::time::pause();
    let mut limited = request("boss", "go");
    limited.options.timeout_ms = Some(2_000);
    let done = world.finish(limited).await;
    assert_eq!(done.outcome.stop_reason, StopReason::Timeout);
    let root = world.stored(&done.execution_id).await;
    let child = tree(&world, &root).await[1].id.clone();
    while !world.stored(&child).await.status.is_final() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(world.stored(&child).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test]
async fn a_child_that_rested_is_not_counted_twice() {
    let replies = [
        hand("worker"),
        Reply::calls([("pay", json!({}))]),
        Reply::text("child has paid"),
        Reply::text("parent knows"),
    ];
    let world = waiting_worker(replies, |recipe| recipe.limits.max_delegations = 1).await;
    let done = world.finish(request("boss", "go")).await;
    let decider = user("eve", &["approvals:decide:worker"]);
    let approvals = world.gateway.approvals();
    let found = approvals.list(&ApprovalQuery::default(), &decider, PageRequest::first(9)).await.unwrap();
    approvals.decide(&found.items[0].id, Verdict::Approve, None, &decider).await.unwrap();
    assert_eq!(world.ended(&done.execution_id).await.result.unwrap()["raw_text"], "parent knows");
    assert!(told(&world).contains("child has paid"), "{}", told(&world));
}
