//! Sums over executions, where the store makes them itself.
use agent_gateway_core::{
    execution::{Execution, ExecutionStatus},
    ports::persistence::{AnalyticsStore, CostGroup, CostRow, CostWindow, PersistenceBackend},
};

use super::{agent, at, everyone, only, queued, stored, usage, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure, ensure_eq, skipped},
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
