//! Sums over executions, where the store makes them itself.
use std::sync::Arc;

use agent_gateway_core::{
    execution::{Execution, ExecutionStatus, Fence, LogEntry, LogEvent, ResetReason, StepPlace},
    id::{ExecutionId, ModelName, SkillId},
    message::TokenUsage,
    ports::persistence::{AnalyticsStore, CostGroup, CostRow, CostWindow, PersistenceBackend},
};

use super::{agent, at, everyone, finish, only, queued, running, stored, turn, usage, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, skipped},
};

/// Seconds in a day.
const DAY: i64 = 86_400;

/// An execution of this agent and owner that used 120 and 30 tokens for 0.00125 USD.
fn paid(name: &str, owner: Option<&str>, second: i64) -> Result<Execution, Finding> {
    let mut execution = queued(second)?;
    execution.agent_id = agent(name)?;
    execution.user_id = owner.map(user).transpose()?;
    execution.status = ExecutionStatus::Completed;
    execution.usage = Some(usage()?);
    Ok(execution)
}

/// Three executions of Ann's, one of which used nothing and failed, and one of nobody's on the next day.
async fn filled(store: &dyn PersistenceBackend) -> Result<&dyn AnalyticsStore, Finding> {
    let analytics = store.analytics().ok_or_else(|| skipped("the store leaves sums to the runtime"))?;
    let mut failed = paid("helper", Some("ann"), 2)?;
    failed.status = ExecutionStatus::Failed;
    failed.usage = None;
    let all =
        [paid("helper", Some("ann"), 0)?, paid("other", Some("ann"), 1)?, failed, paid("helper", None, DAY)?];
    for execution in all {
        stored(store, execution).await?;
    }
    Ok(analytics)
}

fn window(since: i64, until: i64) -> Result<CostWindow, Finding> {
    Ok(CostWindow { since: at(since)?, until: at(until)? })
}

/// What `paid` executions that completed, and others without usage, sum to.
fn check(found: &[CostRow], wanted: &[(&str, u64, u64)], what: &str) -> CaseResult {
    let counts: Vec<_> =
        found.iter().map(|row| (row.group.as_str(), row.executions, row.completed)).collect();
    ensure_eq!(counts, wanted, "group, executions and completed ones {what}");
    for row in found {
        let tokens = (row.input_tokens, row.output_tokens);
        ensure_eq!(tokens, (row.completed * 120, row.completed * 30), "the tokens of {} {what}", row.group);
        let cost = row.completed as f64 * 0.001_25;
        let close = (row.cost_usd - cost).abs() < 1e-9;
        ensure!(close, "{} should cost {cost}, it is {}", row.group, row.cost_usd);
    }
    Ok(())
}

/// In the order of the agents.
pub async fn costs_are_summed_by_agent(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let sums = filled(&*store).await?.cost(window(0, DAY + 1)?, CostGroup::Agent, &everyone()).await?;
    check(&sums, &[("helper", 3, 2), ("other", 1, 1)], "by agent")
}

/// Executions without an owner have an empty name.
pub async fn costs_are_summed_by_user(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let sums = filled(&*store).await?.cost(window(0, DAY + 1)?, CostGroup::User, &everyone()).await?;
    check(&sums, &[("", 1, 1), ("ann", 3, 2)], "by user")
}

/// Days are those of UTC.
pub async fn costs_are_summed_by_day(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let sums = filled(&*store).await?.cost(window(0, DAY + 1)?, CostGroup::Day, &everyone()).await?;
    check(&sums, &[("2025-10-09", 3, 2), ("2025-10-10", 1, 1)], "by day")
}

fn model_turn(place: u64, model: &str, tokens: u64, cost_usd: Option<f64>) -> Result<LogEntry, Finding> {
    let mut entry = turn(place, "hello")?;
    if let LogEvent::ModelTurn(turn) = &mut entry.event {
        turn.model = ModelName::new(model)?;
        turn.tokens = TokenUsage { input_tokens: tokens, output_tokens: tokens / 2, cached_input_tokens: 0 };
        turn.cost_usd = cost_usd;
    }
    Ok(entry)
}

/// What a workflow asks a model within a tool call costs like any other turn.
pub async fn steps_of_a_workflow_count(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let analytics = store.analytics().ok_or_else(|| skipped("the store leaves sums to the runtime"))?;
    let mut step = model_turn(2, "openai/gpt-5-mini", 10, Some(0.25))?;
    if let LogEvent::ModelTurn(turn) = &mut step.event {
        let (skill, item) = (SkillId::new("report")?, 0);
        turn.within = Some(Arc::new(StepPlace { call_id: "call_1".into(), skill, step: "sum".into(), item }));
    }
    let id = stored(&*store, running(0)?).await?.id;
    let entries = [model_turn(1, "openai/gpt-5-mini", 100, Some(0.5))?, step];
    store.executions().append(&id, Fence(1), &entries).await?;
    let sums = analytics.cost(window(0, 1)?, CostGroup::Model, &everyone()).await?;
    let [CostRow { input_tokens, output_tokens, cost_usd, .. }] = &sums[..] else {
        return Err(broken(format!("one model took part: {sums:?}")));
    };
    ensure_eq!((*input_tokens, *output_tokens), (110, 55), "the tokens of a run with a workflow");
    ensure!((cost_usd - 0.75).abs() < 1e-9, "a run with a workflow should cost 0.75, it is {cost_usd}");
    Ok(())
}

/// By what the log says: an execution counts once for every model that took part, turns for their own model.
pub async fn costs_are_summed_by_model(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let analytics = filled(&*store).await?;
    let (large, small) = ("openai/gpt-5", "openai/gpt-5-mini");
    let both = [
        model_turn(1, large, 100, Some(0.5))?,
        model_turn(2, small, 10, Some(0.25))?,
        LogEntry { event: LogEvent::Reset(ResetReason::Fallback), ..model_turn(3, large, 0, None)? },
        model_turn(4, large, 200, Some(1.0))?,
    ];
    // One of Ann's that completed, one of hers under way, one of nobody's a day later that used no model.
    for (second, entries, end) in [(3, &both[..], true), (4, &both[..1], false), (DAY, &[], true)] {
        let mut execution = running(second)?;
        execution.user_id = (second < DAY).then(|| user("ann")).transpose()?;
        let id = stored(&*store, execution).await?.id;
        store.executions().append(&id, Fence(1), entries).await?;
        if end {
            store.executions().advance(&id, Fence(1), &finish("done", Vec::new())?).await?;
        }
    }
    // The price of a model may be unknown.
    let mut late = running(DAY)?;
    late.id = ExecutionId::new("late")?;
    let late = stored(&*store, late).await?.id;
    store.executions().append(&late, Fence(1), &[model_turn(1, "zz", 4, None)?]).await?;
    let row = |group: &str, executions, completed, input_tokens, cost_usd| {
        let output_tokens = input_tokens / 2;
        CostRow { group: group.to_owned(), executions, completed, input_tokens, output_tokens, cost_usd }
    };
    let anns = [row(large, 2, 1, 400, 2.0), row(small, 1, 1, 10, 0.25)];
    let all = [anns[0].clone(), anns[1].clone(), row("zz", 1, 0, 4, 0.0)];
    for (until, who, wanted) in [
        (DAY + 1, everyone(), &all[..]),
        (DAY, everyone(), &anns[..]),
        (DAY + 1, only("ann")?, &anns[..]),
        (4, everyone(), &[row(large, 1, 1, 300, 1.5), anns[1].clone()][..]),
        (DAY + 1, only("eve")?, &[]),
    ] {
        let sums = analytics.cost(window(0, until)?, CostGroup::Model, &who).await?;
        ensure_eq!(sums, wanted, "the sums by model until second {until} for {who:?}");
    }
    Ok(())
}

/// The beginning of a window belongs to it, its end does not; others' executions count for nothing.
pub async fn sums_keep_to_window_and_owner(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let analytics = filled(&*store).await?;
    let first = analytics.cost(window(1, DAY)?, CostGroup::Agent, &everyone()).await?;
    check(&first, &[("helper", 1, 0), ("other", 1, 1)], "in the window of the first day")?;
    let anns = analytics.cost(window(0, DAY + 1)?, CostGroup::Agent, &only("ann")?).await?;
    check(&anns, &[("helper", 2, 1), ("other", 1, 1)], "of Ann")?;
    let eves = analytics.cost(window(0, DAY + 1)?, CostGroup::Agent, &only("eve")?).await?;
    check(&eves, &[], "of somebody without executions")
}
