//! Calls that wait for a person.
use std::sync::Arc;

use agent_gateway_core::{
    JsonMap,
    approval::{Approval, ApprovalQuery, ApprovalStatus, Verdict},
    execution::{ExecutionEvent, ExecutionStatus, Mode, StopReason, Thread},
    id::IdempotencyKey,
    page::PageRequest,
    ports::{model::Delivery, tool::Tool},
    principal::Principal,
    tool::Approval as Needs,
};
use agent_gateway_runtime::{CancelOutcome, Gateway, Refusal, Submitted, Watched};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::world::{Source, World, agent, all, request, text, user};

fn pay() -> FnTool {
    let schema = json!({
        "type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"],
    });
    FnTool::text("pay", "paid").unwrap().parameters(schema).with_spec(|spec| spec.approval = Needs::Required)
}

fn wants_to_pay(amount: u32) -> Reply {
    Reply::calls([("pay", json!({ "amount": amount }))])
}

async fn world(tools: Vec<Arc<dyn Tool>>, replies: impl IntoIterator<Item = Reply>) -> World {
    World::start(Source::with([agent("helper")]), ScriptedModel::new(replies), |mut recipe| {
        recipe.code_tools = tools;
        recipe
    })
    .await
}

fn boss() -> Principal {
    user("boss", &["approvals:read", "approvals:decide"])
}

async fn pending(gateway: &Gateway) -> Vec<Approval> {
    let query = ApprovalQuery { status: Some(ApprovalStatus::Pending), ..ApprovalQuery::default() };
    gateway.approvals().list(&query, &boss(), PageRequest::first(50)).await.unwrap().items
}

async fn decide(gateway: &Gateway, approval: &Approval, verdict: Verdict) -> Result<Approval, Refusal> {
    gateway.approvals().decide(&approval.id, verdict, Some("because".to_owned()), &boss()).await
}

fn arguments(value: &Value) -> JsonMap {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn an_approved_call_is_made_once_and_as_it_was_asked() {
    let tool = pay();
    let world = world(vec![Arc::new(tool.clone())], [wants_to_pay(5), Reply::text("all paid")]).await;
    let done = world.finish(request("helper", "pay")).await;
    assert_eq!(done.outcome.stop_reason, StopReason::Suspended);
    assert_eq!(world.stored(&done.execution_id).await.status, ExecutionStatus::Suspended);
    assert!(tool.calls().is_empty());
    let waiting = pending(&world.gateway).await;
    assert_eq!(waiting.len(), 1);
    assert_eq!((&*waiting[0].tool, &waiting[0].arguments["amount"]), ("pay", &json!(5)));
    assert_eq!(waiting[0].user_id.as_ref().map(AsRef::as_ref), Some("ann"));
    let decided = decide(&world.gateway, &waiting[0], Verdict::Approve).await.unwrap();
    assert_eq!(decided.status, ApprovalStatus::Approved);
    let ended = world.ended(&done.execution_id).await;
    assert_eq!(ended.status, ExecutionStatus::Completed);
    assert_eq!(ended.result.unwrap()["raw_text"], "all paid");
    let calls = tool.calls();
    assert_eq!((calls.len(), &calls[0].arguments["amount"]), (1, &json!(5)));
    assert_eq!(world.model.requests().len(), 2);
    let usage = ended.usage.unwrap();
    assert_eq!((usage.llm_calls, usage.tool_calls), (2, 1));
    let kinds: Vec<_> = world.log(&done.execution_id).await.iter().map(|entry| entry.event.kind()).collect();
    let expected = [
        "model_turn",
        "approval_requested",
        "suspended",
        "approval_settled",
        "reset",
        "tool_turn",
        "model_turn",
        "finished",
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_denied_call_is_not_made_and_the_model_is_told_why() {
    let tool = pay();
    let world = world(vec![Arc::new(tool.clone())], [wants_to_pay(5), Reply::text("not paid")]).await;
    let done = world.finish(request("helper", "pay")).await;
    decide(&world.gateway, &pending(&world.gateway).await[0], Verdict::Deny).await.unwrap();
    let ended = world.ended(&done.execution_id).await;
    assert_eq!(ended.result.unwrap()["raw_text"], "not paid");
    assert!(tool.calls().is_empty());
    let told = format!("{:?}", world.model.requests()[1].messages.last());
    assert!(told.contains("denied") && told.contains("because"), "{told}");
}

#[tokio::test]
async fn an_edited_call_has_the_arguments_of_the_person_which_must_fit() {
    let tool = pay();
    let world = world(vec![Arc::new(tool.clone())], [wants_to_pay(500), Reply::text("paid less")]).await;
    let done = world.finish(request("helper", "pay")).await;
    let waiting = pending(&world.gateway).await;
    let misfit = Verdict::Edit { arguments: arguments(&json!({"amount": "a lot"})) };
    let refused = decide(&world.gateway, &waiting[0], misfit).await.unwrap_err();
    assert!(matches!(refused, Refusal::InputInvalid(_)), "{refused}");
    assert_eq!(pending(&world.gateway).await.len(), 1);
    let fit = Verdict::Edit { arguments: arguments(&json!({"amount": 50})) };
    decide(&world.gateway, &waiting[0], fit).await.unwrap();
    world.ended(&done.execution_id).await;
    assert_eq!(tool.calls()[0].arguments["amount"], 50);
}

#[tokio::test]
async fn of_several_decisions_the_first_counts() {
    let tool = pay();
    let world = world(vec![Arc::new(tool.clone())], [wants_to_pay(1), Reply::text("done")]).await;
    let done = world.finish(request("helper", "pay")).await;
    let waiting = pending(&world.gateway).await;
    let (yes, no) = tokio::join!(
        decide(&world.gateway, &waiting[0], Verdict::Approve),
        decide(&world.gateway, &waiting[0], Verdict::Deny),
    );
    assert_eq!(u8::from(yes.is_ok()) + u8::from(no.is_ok()), 1);
    let late = decide(&world.gateway, &waiting[0], Verdict::Approve).await.unwrap_err();
    assert!(matches!(late, Refusal::ApprovalSettled(..)), "{late}");
    world.ended(&done.execution_id).await;
    assert_eq!(tool.calls().len(), usize::from(yes.is_ok()));
}

#[tokio::test]
async fn only_who_may_decide_decides_and_others_see_what_is_theirs() {
    let world = world(vec![Arc::new(pay())], [wants_to_pay(1)]).await;
    world.finish(request("helper", "pay")).await;
    let waiting = &pending(&world.gateway).await[0];
    let approvals = world.gateway.approvals();
    let owner = user("ann", &["approvals:read", "agents:invoke"]);
    let all = ApprovalQuery::default();
    assert_eq!(approvals.list(&all, &owner, PageRequest::first(9)).await.unwrap().items.len(), 1);
    let refused = approvals.decide(&waiting.id, Verdict::Approve, None, &owner).await.unwrap_err();
    assert!(matches!(refused, Refusal::ScopeMissing(_)), "{refused}");
    let stranger = user("bob", &["approvals:read", "approvals:decide:other"]);
    assert!(approvals.list(&all, &stranger, PageRequest::first(9)).await.unwrap().items.is_empty());
    assert!(approvals.get(&waiting.id, &stranger).await.unwrap().is_none());
    let refused = approvals.decide(&waiting.id, Verdict::Approve, None, &stranger).await.unwrap_err();
    assert!(matches!(refused, Refusal::ApprovalNotFound(_)), "{refused}");
    let of_agent = user("eve", &["approvals:decide:helper"]);
    approvals.decide(&waiting.id, Verdict::Deny, None, &of_agent).await.unwrap();
}

#[tokio::test]
async fn after_its_time_a_call_is_not_made_and_cannot_be_decided_on() {
    let tool = pay();
    let model = ScriptedModel::new([wants_to_pay(1), Reply::text("too late")]);
    let world = World::start(Source::with([agent("helper")]), model, |mut recipe| {
        recipe.code_tools = vec![Arc::new(tool.clone())];
        recipe.limits.approval_window = std::time::Duration::ZERO;
        recipe
    })
    .await;
    let done = world.finish(request("helper", "pay")).await;
    let known = world.gateway.approvals();
    let approval = known.list(&ApprovalQuery::default(), &boss(), PageRequest::first(9)).await.unwrap();
    let late = decide(&world.gateway, &approval.items[0], Verdict::Approve).await.unwrap_err();
    assert!(matches!(late, Refusal::ApprovalSettled(_, ApprovalStatus::Expired)), "{late}");
    let ended = world.ended(&done.execution_id).await;
    assert_eq!(ended.result.unwrap()["raw_text"], "too late");
    assert!(tool.calls().is_empty());
}

#[tokio::test]
async fn calls_beside_the_one_that_waits_are_made_once() {
    let (tool, other) = (pay(), FnTool::text("look", "seen").unwrap());
    let both = Reply::calls([("look", json!({})), ("pay", json!({"amount": 1})), ("look", json!({}))]);
    let tools: Vec<Arc<dyn Tool>> = vec![Arc::new(tool.clone()), Arc::new(other.clone())];
    let world = world(tools, [both, Reply::text("done")]).await;
    let done = world.finish(request("helper", "pay")).await;
    assert_eq!(other.calls().len(), 2);
    decide(&world.gateway, &pending(&world.gateway).await[0], Verdict::Approve).await.unwrap();
    let ended = world.ended(&done.execution_id).await;
    assert_eq!((other.calls().len(), tool.calls().len()), (2, 1));
    assert_eq!(ended.usage.unwrap().tool_calls, 3);
}

#[tokio::test]
async fn another_process_decides_and_goes_on_after_the_first_has_gone() {
    let tool = pay();
    let world = world(vec![Arc::new(tool.clone())], [wants_to_pay(7)]).await;
    let done = world.finish(request("helper", "pay")).await;
    world.gateway.stop_intake();
    let store = world.store.clone();
    let model = ScriptedModel::new([Reply::text("paid elsewhere")]);
    let second = World::on_with(store, model, |mut recipe| {
        recipe.code_tools = vec![Arc::new(tool.clone())];
        recipe
    })
    .await;
    let waiting = pending(&second.gateway).await;
    decide(&second.gateway, &waiting[0], Verdict::Approve).await.unwrap();
    let ended = second.ended(&done.execution_id).await;
    assert_eq!(ended.result.unwrap()["raw_text"], "paid elsewhere");
    assert_eq!(tool.calls().len(), 1);
}

#[tokio::test]
async fn a_cancelled_run_waits_for_nobody() {
    let world = world(vec![Arc::new(pay())], [wants_to_pay(1)]).await;
    let done = world.finish(request("helper", "pay")).await;
    let waiting = pending(&world.gateway).await;
    let cancelled =
        world.gateway.executions().cancel(&done.execution_id, &user("ann", &["*"])).await.unwrap();
    assert_eq!(cancelled, CancelOutcome::Requested);
    assert_eq!(world.ended(&done.execution_id).await.status, ExecutionStatus::Cancelled);
    assert!(pending(&world.gateway).await.is_empty());
    let late = decide(&world.gateway, &waiting[0], Verdict::Approve).await.unwrap_err();
    assert!(matches!(late, Refusal::ApprovalSettled(_, ApprovalStatus::Withdrawn)), "{late}");
}

#[tokio::test]
async fn a_stream_ends_with_the_rest_and_a_watcher_sees_the_end() {
    let world = world(vec![Arc::new(pay())], [wants_to_pay(1), Reply::text("paid")]).await;
    let streaming = world.stream(request("helper", "pay")).await;
    let id = streaming.execution_id.clone();
    let own = all(streaming.events).await;
    assert!(matches!(own.last().unwrap().event, ExecutionEvent::Suspended { .. }), "{own:?}");
    let asked = own.iter().find_map(|event| match &event.event {
        ExecutionEvent::ApprovalRequired { approval_id, call, .. } => {
            Some((approval_id.clone(), call.clone()))
        }
        _ => None,
    });
    let (approval_id, call) = asked.unwrap();
    assert_eq!((&*call.tool, &call.arguments["amount"]), ("pay", &json!(1)));
    // Who leaves does not end a run that waits for a person.
    assert_eq!(world.stored(&id).await.status, ExecutionStatus::Suspended);
    let watched = world.gateway.executions().events(&id, &user("ann", &[]), None).await.unwrap().unwrap();
    let Watched::Telling(_, events) = watched else { panic!("told") };
    let mut watcher = JoinSet::new();
    watcher.spawn(all(*events));
    world.gateway.approvals().decide(&approval_id, Verdict::Approve, None, &boss()).await.unwrap();
    let seen = watcher.join_next().await.unwrap().unwrap();
    assert!(matches!(seen.last().unwrap().event, ExecutionEvent::Finished(_)), "{seen:?}");
    let settled = |event: &ExecutionEvent| {
        matches!(event, ExecutionEvent::ApprovalSettled { status: ApprovalStatus::Approved, .. })
    };
    assert!(seen.iter().any(|event| settled(&event.event)));
    assert_eq!(text(&seen), "paid");
}

#[tokio::test]
async fn queued_runs_and_turns_of_conversations_rest_and_go_on_alike() {
    let world = world(
        vec![Arc::new(pay())],
        [wants_to_pay(1), Reply::text("queued and paid"), wants_to_pay(2), Reply::text("said and paid")],
    )
    .await;
    let Submitted::Queued(queued) = world.submit(request("helper", "pay").mode(Mode::Detach)).await.unwrap()
    else {
        panic!("not queued")
    };
    while world.stored(&queued.id).await.status != ExecutionStatus::Suspended {
        tokio::task::yield_now().await;
    }
    decide(&world.gateway, &pending(&world.gateway).await[0], Verdict::Approve).await.unwrap();
    assert_eq!(world.ended(&queued.id).await.result.unwrap()["raw_text"], "queued and paid");

    let turn = world.finish(request("helper", "pay").thread(Thread::New)).await;
    assert_eq!(turn.outcome.stop_reason, StopReason::Suspended);
    decide(&world.gateway, &pending(&world.gateway).await[0], Verdict::Approve).await.unwrap();
    let ended = world.ended(&turn.execution_id).await;
    assert_eq!(ended.result.unwrap()["turn_count"], 1);
    let said = world.said(&turn.session_id.unwrap()).await;
    assert_eq!(said, [("user", "pay".to_owned()), ("assistant", "said and paid".to_owned())]);
}

#[tokio::test]
async fn a_repeated_request_gets_the_run_that_rests_and_later_its_end() {
    let world = world(vec![Arc::new(pay())], [wants_to_pay(1), Reply::text("paid")]).await;
    let keyed = |delivery| {
        let request = request("helper", "pay").delivery(delivery);
        request.idempotency_key(IdempotencyKey::new("k").unwrap())
    };
    let first = world.finish(keyed(Delivery::Whole)).await;
    let again = world.finish(keyed(Delivery::Whole)).await;
    assert_eq!(again.execution_id, first.execution_id);
    assert_eq!(again.outcome.stop_reason, StopReason::Suspended);
    decide(&world.gateway, &pending(&world.gateway).await[0], Verdict::Approve).await.unwrap();
    world.ended(&first.execution_id).await;
    let last = world.finish(keyed(Delivery::Whole)).await;
    assert_eq!((last.outcome.stop_reason, last.outcome.raw_text.as_str()), (StopReason::Completed, "paid"));
}

#[tokio::test]
async fn many_rests_are_no_interruptions() {
    let tool = pay();
    let turns = (0..8).map(wants_to_pay).chain([Reply::text("paid eight times")]);
    let world = world(vec![Arc::new(tool.clone())], turns).await;
    let done = world.finish(request("helper", "pay")).await;
    for _ in 0..8 {
        let waiting = loop {
            match pending(&world.gateway).await.pop() {
                Some(waiting) => break waiting,
                None => tokio::task::yield_now().await,
            }
        };
        decide(&world.gateway, &waiting, Verdict::Approve).await.unwrap();
    }
    let ended = world.ended(&done.execution_id).await;
    assert_eq!(ended.result.unwrap()["raw_text"], "paid eight times");
    assert_eq!(tool.calls().len(), 8);
}

#[tokio::test]
async fn a_session_whose_turn_rests_is_busy_at_once_and_its_deletion_ends_that_turn() {
    let world = world(vec![Arc::new(pay())], [wants_to_pay(1)]).await;
    let turn = world.finish(request("helper", "pay").thread(Thread::New)).await;
    let session = turn.session_id.unwrap();
    tokio::time::pause();
    let asked = tokio::time::Instant::now();
    let next = world.submit(request("helper", "and?").thread(Thread::Existing(session.clone()))).await;
    assert!(matches!(next, Err(Refusal::SessionBusy(_))), "{next:?}");
    assert!(asked.elapsed() < std::time::Duration::from_secs(5), "{:?}", asked.elapsed());
    assert!(world.gateway.sessions().delete(&session, &user("ann", &[])).await.unwrap());
    assert_eq!(world.ended(&turn.execution_id).await.status, ExecutionStatus::Cancelled);
    assert!(pending(&world.gateway).await.is_empty());
}
