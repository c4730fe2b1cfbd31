//! Changes of state: compare-and-set under a fence.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{Advanced, Cursor, Execution, ExecutionStatus, Fence, Outcome, StopReason, Transition},
    id::ExecutionId,
    ports::persistence::PersistenceBackend,
};
use serde_json::to_value;
use tokio::task::JoinSet;

use super::{RIVALS, at, finish, now, outcome, queued, running, stored, turns, usage};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

fn start(fence: u64, second: i64) -> Result<Transition, Finding> {
    Ok(Transition::Start { fence: Fence(fence), instance: None, at: at(second)? })
}

fn refused(status: ExecutionStatus, fence: u64) -> Advanced {
    Advanced::Refused { status, fence: Fence(fence) }
}

/// Everything of the execution stays but what the start sets.
pub async fn a_start_sets_status_fence_and_time(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = stored(&*store, queued(0)?).await?;
    let advanced = store.executions().advance(&execution.id, Fence::NONE, &start(1, 10)?).await?;
    ensure_eq!(advanced, Advanced::Applied, "the start of a queued execution");
    execution.status = ExecutionStatus::Running;
    execution.fence = Fence(1);
    execution.started_at = Some(at(10)?);
    ensure_eq!(now(&*store, &execution.id).await?, execution, "the started execution");
    Ok(())
}

/// An attempt that is not newer than the stored one is refused.
pub async fn a_start_needs_a_higher_fence(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = queued(0)?;
    execution.fence = Fence(5);
    let execution = stored(&*store, execution).await?;
    for fence in [0, 4, 5] {
        let advanced = store.executions().advance(&execution.id, Fence(5), &start(fence, 10)?).await?;
        ensure_eq!(advanced, refused(ExecutionStatus::Queued, 5), "a start with the fence {fence} after 5");
    }
    ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after refused starts");
    Ok(())
}

/// A second attempt does not move the time of the first.
pub async fn a_later_start_keeps_the_first_time(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, queued(0)?).await?;
    for (fence, second) in [(1, 10), (2, 20)] {
        let advanced =
            store.executions().advance(&execution.id, Fence(fence - 1), &start(fence, second)?).await?;
        ensure_eq!(advanced, Advanced::Applied, "the start with the fence {fence}");
    }
    let found = now(&*store, &execution.id).await?;
    ensure_eq!(
        (found.fence, found.started_at),
        (Fence(2), Some(at(10)?)),
        "fence and start of the second attempt"
    );
    Ok(())
}

/// What `execution` looks like after it ended with `outcome`.
fn finished(mut execution: Execution, outcome: &Outcome) -> Result<Execution, Finding> {
    execution.status = outcome.stop_reason.status();
    execution.result = Some(to_value(outcome).map_err(|error| broken(error.to_string()))?);
    execution.usage = Some(outcome.usage.clone());
    execution.error.clone_from(&outcome.error);
    execution.completed_at = Some(at(60)?);
    Ok(execution)
}

/// Status, result, usage, error and time are set together, for every way to stop.
pub async fn a_finish_stores_everything(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for reason in [
        StopReason::Completed,
        StopReason::MaxIterations,
        StopReason::MaxToolCalls,
        StopReason::Timeout,
        StopReason::Cancelled,
        StopReason::Error,
    ] {
        let execution = stored(&*store, running(0)?).await?;
        let mut outcome = Outcome::new(reason, "as far as it came", usage()?);
        if reason == StopReason::Error {
            outcome = outcome.error("the model is away");
        }
        let change = Transition::Finish {
            outcome: Box::new(outcome.clone()),
            entries: Vec::new(),
            said: Vec::new(),
            at: at(60)?,
        };
        let advanced = store.executions().advance(&execution.id, Fence(1), &change).await?;
        ensure_eq!(advanced, Advanced::Applied, "the end by {reason:?}");
        let wanted = finished(execution, &outcome)?;
        ensure_eq!(now(&*store, &wanted.id).await?, wanted, "the execution that ended by {reason:?}");
    }
    Ok(())
}

/// The last entries are in the log, and those that were there before are skipped.
pub async fn a_finish_carries_its_entries(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, running(0)?).await?;
    store.executions().append(&execution.id, Fence(1), &turns([1, 2])?).await?;
    let change = finish("done", turns([2, 3, 4])?)?;
    let advanced = store.executions().advance(&execution.id, Fence(1), &change).await?;
    ensure_eq!(advanced, Advanced::Applied, "the end with entries");
    let log = store.executions().log(&execution.id, Cursor::START, 10).await?;
    ensure_eq!(log, turns(1..=4)?, "the log of the finished run");
    Ok(())
}

/// Entries that leave a gap are a conflict, and the run has not ended.
pub async fn a_finish_over_a_gap_changes_nothing(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, running(0)?).await?;
    let gap = store.executions().advance(&execution.id, Fence(1), &finish("done", turns([1, 3])?)?).await;
    expect_kind(gap, ErrorKind::Conflict, "an end whose entries leave a gap")?;
    ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after the gap");
    let log = store.executions().log(&execution.id, Cursor::START, 10).await?;
    ensure!(log.is_empty(), "nothing should be in the log after the gap: {log:?}");
    Ok(())
}

/// A worker that lost its attempt cannot end the run, and a newer fence than the stored one cannot either.
pub async fn a_finish_needs_the_stored_fence(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = running(0)?;
    execution.fence = Fence(2);
    let execution = stored(&*store, execution).await?;
    for fence in [0, 1, 3] {
        let change = finish("late", turns([1])?)?;
        let advanced = store.executions().advance(&execution.id, Fence(fence), &change).await?;
        ensure_eq!(
            advanced,
            refused(ExecutionStatus::Running, 2),
            "an end under the fence {fence}, stored is 2"
        );
    }
    ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after refused ends");
    let log = store.executions().log(&execution.id, Cursor::START, 10).await?;
    ensure!(log.is_empty(), "a refused end should leave nothing in the log: {log:?}");
    Ok(())
}

/// An execution that never ran can end, when it is cancelled while it waits.
pub async fn a_queued_execution_can_finish(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, queued(0)?).await?;
    let change = finish("", Vec::new())?;
    let advanced = store.executions().advance(&execution.id, Fence::NONE, &change).await?;
    ensure_eq!(advanced, Advanced::Applied, "the end of a queued execution");
    let found = now(&*store, &execution.id).await?;
    ensure_eq!((found.status, found.started_at), (ExecutionStatus::Completed, None), "its status and start");
    Ok(())
}

/// What has ended stays as it ended, whoever asks.
pub async fn a_final_status_never_changes(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, running(0)?).await?;
    store.executions().advance(&execution.id, Fence(1), &finish("first", turns([1])?)?).await?;
    let ended = finished(execution, &outcome("first")?)?;
    let again =
        [(Fence(1), finish("second", turns([2])?)?), (Fence(1), start(2, 70)?), (Fence(2), start(9, 70)?)];
    for (fence, change) in again {
        let advanced = store.executions().advance(&ended.id, fence, &change).await?;
        ensure_eq!(advanced, refused(ExecutionStatus::Completed, 1), "a change after the end");
    }
    ensure_eq!(now(&*store, &ended.id).await?, ended, "the ended execution");
    let log = store.executions().log(&ended.id, Cursor::START, 10).await?;
    ensure_eq!(log, turns([1])?, "the log of the ended execution");
    Ok(())
}

/// What was never created cannot change.
pub async fn an_unknown_execution_cannot_advance(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = ExecutionId::generate();
    for change in [start(1, 10)?, finish("done", turns([1])?)?] {
        let advanced = store.executions().advance(&id, Fence::NONE, &change).await;
        expect_kind(advanced, ErrorKind::NotFound, "a change of an unknown execution")?;
    }
    let log = store.executions().log(&id, Cursor::START, 10).await?;
    ensure!(log.is_empty(), "an unknown execution should have no log: {log:?}");
    Ok(())
}

/// Makes many rivals try a change each, and answers the place of the one that won.
async fn race(
    store: &Arc<dyn PersistenceBackend>,
    id: &ExecutionId,
    fence: Fence,
    change: impl Fn(usize) -> Result<Transition, Finding>,
) -> Result<usize, Finding> {
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let (store, id, change) = (Arc::clone(store), id.clone(), change(rival)?);
        rivals.spawn(async move { (rival, store.executions().advance(&id, fence, &change).await) });
    }
    let mut winners = Vec::new();
    while let Some(rival) = rivals.join_next().await {
        let (rival, advanced) = rival.map_err(|error| broken(error.to_string()))?;
        if advanced? == Advanced::Applied {
            winners.push(rival);
        }
    }
    match winners[..] {
        [winner] => Ok(winner),
        _ => Err(broken(format!("of {RIVALS} rivals one should win, these did: {winners:?}"))),
    }
}

/// Of many attempts with the same fence, one runs.
pub async fn of_many_starters_one_wins(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, queued(0)?).await?;
    let winner = race(&store, &execution.id, Fence::NONE, |rival| start(1, second(rival))).await?;
    let found = now(&*store, &execution.id).await?;
    ensure_eq!(found.started_at, Some(at(second(winner))?), "the start, which is the winner's");
    Ok(())
}

/// Of many that end the same run, one does, and everything stored is that one's.
pub async fn of_many_finishers_one_wins(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, running(0)?).await?;
    let change = |rival: usize| finish(&format!("by {rival}"), turns(1..=rival as u64 + 1)?);
    let winner = race(&store, &execution.id, Fence(1), change).await?;
    let wanted = finished(execution, &outcome(&format!("by {winner}"))?)?;
    ensure_eq!(now(&*store, &wanted.id).await?, wanted, "the execution, which is the winner's");
    let log = store.executions().log(&wanted.id, Cursor::START, 200).await?;
    ensure_eq!(log.len(), winner + 1, "the length of the log, which is the winner's");
    Ok(())
}

fn second(rival: usize) -> i64 {
    i64::try_from(rival).unwrap_or_default()
}
