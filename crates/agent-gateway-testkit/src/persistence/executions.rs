//! Creating executions and finding them again.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{
        Departure, Execution, ExecutionStatus, Fence, Fingerprint, Guardrails, Idempotency, RunOptions,
    },
    id::{ConversationId, ExecutionId, IdempotencyKey, InstanceId, ModelName, ScheduleId, UserId},
    ports::{model::Delivery, persistence::PersistenceBackend},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{RIVALS, at, everyone, now, object, queued, running, stored, usage, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

fn idempotency(key: &str) -> Result<Idempotency, Finding> {
    Ok(Idempotency { key: IdempotencyKey::new(key)?, fingerprint: Fingerprint::of(&json!({"with": key})) })
}

/// An execution with something in every field.
fn full() -> Result<Execution, Finding> {
    let mut execution = running(3)?;
    execution.status = ExecutionStatus::Failed;
    execution.input = Some(object(json!({"b": [1, null], "a": {"x": true}})));
    execution.options = RunOptions {
        timeout_ms: Some(5_000),
        guardrails: Guardrails {
            max_iterations: Some(4),
            max_tool_calls: Some(0),
            max_tokens: Some(90_000),
            max_cost_usd: Some(0.25),
            timeout_ms: Some(4_000),
            max_delegation_depth: Some(1),
        },
        model: Some(ModelName::new("openai/gpt-5-mini")?),
        temperature: Some(0.5),
        max_tokens: Some(700),
        output_schema: Some(json!({"type": "object"})),
        delivery: Delivery::Incremental,
        departure: Departure::Detaches,
    };
    execution.result = Some(json!({"raw_text": "hi", "output": null}));
    execution.error = Some("it did not work".to_owned());
    execution.usage = Some(usage()?);
    execution.session_id = Some(ConversationId::new("sess 1")?);
    execution.user_id = Some(user("apikey:ann")?);
    execution.schedule_id = Some(ScheduleId::new("helper:daily")?);
    execution.schedule_name = Some("daily".to_owned());
    execution.parent_execution_id = Some(ExecutionId::new("parent")?);
    execution.root_execution_id = Some(ExecutionId::new("root")?);
    execution.delegation_depth = 2;
    execution.revision = "r1".to_owned();
    execution.idempotency = Some(idempotency("key 1")?);
    execution.instance = Some(InstanceId::new("process 1")?);
    execution.fence = Fence(7);
    execution.started_at = Some(at(4)?);
    execution.completed_at = Some(at(5)?);
    Ok(execution)
}

/// Every field is kept, also the empty ones.
pub async fn an_execution_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for execution in [full()?, queued(0)?] {
        let execution = stored(&*store, execution).await?;
        ensure_eq!(now(&*store, &execution.id).await?, execution, "the stored execution");
    }
    Ok(())
}

/// A second execution of the same id changes nothing.
pub async fn a_taken_execution_id_is_refused(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = stored(&*store, queued(0)?).await?;
    let mut second = full()?;
    second.id = first.id.clone();
    let taken = store.executions().create(&second).await;
    expect_kind(taken, ErrorKind::AlreadyExists, "creating an execution with a taken id")?;
    ensure_eq!(now(&*store, &first.id).await?, first, "the execution whose id was taken");
    Ok(())
}

/// Of many that create the same execution at the same time, one is told that it did.
pub async fn of_many_creators_one_wins(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = ExecutionId::generate();
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let mut execution = queued(0)?;
        execution.id = id.clone();
        execution.message = format!("from {rival}");
        let store = Arc::clone(&store);
        rivals.spawn(async move { (store.executions().create(&execution).await, execution) });
    }
    let mut winner = None;
    while let Some(rival) = rivals.join_next().await {
        let (outcome, execution) = rival.map_err(|error| broken(error.to_string()))?;
        match outcome {
            Ok(()) => ensure!(winner.replace(execution).is_none(), "two rivals created the same execution"),
            refused => expect_kind(refused, ErrorKind::AlreadyExists, "creating what a rival created")?,
        }
    }
    ensure_eq!(Some(now(&*store, &id).await?), winner, "the execution and what its creator wrote");
    Ok(())
}

fn keyed(owner: Option<&str>, key: &str) -> Result<Execution, Finding> {
    let mut execution = queued(0)?;
    execution.user_id = owner.map(user).transpose()?;
    execution.idempotency = Some(idempotency(key)?);
    Ok(execution)
}

/// An owner's key runs once, also that of no owner.
pub async fn a_used_idempotency_key_is_refused(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for owner in [Some("ann"), None] {
        let first = stored(&*store, keyed(owner, "k")?).await?;
        let second = keyed(owner, "k")?;
        let used = store.executions().create(&second).await;
        expect_kind(used, ErrorKind::AlreadyExists, "creating an execution with a used key")?;
        ensure_eq!(now(&*store, &first.id).await?, first, "the execution whose key was used");
        let found = store.executions().get(&second.id, &everyone()).await?;
        ensure!(found.is_none(), "the refused execution should not be stored: {found:?}");
    }
    Ok(())
}

/// The same key of another owner is another key.
pub async fn every_owner_has_keys_of_their_own(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for owner in [Some("ann"), Some("bob"), None] {
        stored(&*store, keyed(owner, "k")?).await?;
    }
    stored(&*store, keyed(Some("ann"), "K")?).await?;
    Ok(())
}

/// Each owner finds their own execution by its key.
pub async fn a_key_finds_its_execution(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let key = IdempotencyKey::new("k")?;
    let (ann, bob) = (UserId::new("ann")?, UserId::new("bob")?);
    let find = async |owner| store.executions().find_by_key(&key, owner).await;
    ensure_eq!(find(Some(&ann)).await?, None, "an unused key");
    let anns = stored(&*store, keyed(Some("ann"), "k")?).await?;
    ensure_eq!(find(Some(&bob)).await?, None, "the key of another owner");
    let bobs = stored(&*store, keyed(Some("bob"), "k")?).await?;
    ensure_eq!(find(None).await?, None, "the key of others, asked for by nobody");
    let nobodys = stored(&*store, keyed(None, "k")?).await?;
    ensure_eq!(find(Some(&ann)).await?, Some(anns), "the execution of Ann's key");
    ensure_eq!(find(Some(&bob)).await?, Some(bobs), "the execution of Bob's key");
    ensure_eq!(find(None).await?, Some(nobodys), "the execution of nobody's key");
    Ok(())
}

/// Keys of executions accepted before an instant are free again; the executions stay.
pub async fn a_forgotten_key_is_free(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    let accepted = |key: &str, second| {
        let mut execution = keyed(Some("ann"), key)?;
        execution.created_at = at(second)?;
        Ok::<_, Finding>(execution)
    };
    let mut old = stored(&*store, accepted("old", 9)?).await?;
    let kept = [stored(&*store, accepted("kept", 10)?).await?, stored(&*store, accepted("new", 11)?).await?];
    stored(&*store, queued(1)?).await?;
    ensure_eq!(executions.forget_keys(at(10)?).await?, 1, "how many keys were freed");
    ensure_eq!(executions.forget_keys(at(10)?).await?, 0, "how many were freed the second time");
    old.idempotency = None;
    ensure_eq!(now(&*store, &old.id).await?, old, "the execution whose key was freed");
    let ann = UserId::new("ann")?;
    let find = async |key| executions.find_by_key(&IdempotencyKey::new(key)?, Some(&ann)).await;
    ensure_eq!(find("old").await?, None, "the freed key");
    for execution in &kept {
        let key = execution.idempotency.as_ref().map_or("", |with| with.key.as_str());
        ensure_eq!(find(key).await?, Some(execution.clone()), "the execution of a key that is kept");
        let used = executions.create(&accepted(key, 20)?).await;
        expect_kind(used, ErrorKind::AlreadyExists, "a key that is kept")?;
    }
    let again = stored(&*store, accepted("old", 20)?).await?;
    ensure_eq!(find("old").await?, Some(again), "the execution of the key's second use");
    Ok(())
}

/// What was never created is not there, and that is no error.
pub async fn an_unknown_execution_is_not_there(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    stored(&*store, queued(0)?).await?;
    let found = store.executions().get(&ExecutionId::generate(), &everyone()).await?;
    ensure_eq!(found, None, "an unknown execution");
    Ok(())
}
