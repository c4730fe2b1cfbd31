//! Processes that say that they are alive, and the executions of those that are not.
use agent_gateway_core::{
    Timestamp,
    execution::{Execution, ExecutionStatus, Fence, Transition},
    id::InstanceId,
    ports::persistence::PersistenceBackend,
};

use super::{at, finish, now, queued, running, stored};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure_eq},
};

fn process(name: &str) -> Result<InstanceId, Finding> {
    Ok(InstanceId::new(name)?)
}

/// A running execution of this process.
fn run_by(name: &str, second: i64) -> Result<Execution, Finding> {
    let mut execution = running(second)?;
    execution.instance = Some(process(name)?);
    Ok(execution)
}

async fn known(store: &dyn PersistenceBackend) -> Result<Vec<(String, Timestamp)>, Finding> {
    let found = store.executions().instances().await?;
    let mut found: Vec<_> = found.into_iter().map(|(name, until)| (name.to_string(), until)).collect();
    found.sort();
    Ok(found)
}

/// With the instant that each said last, past ones included, until it is forgotten.
pub async fn announced_processes_are_known(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    ensure_eq!(known(&*store).await?, [], "the processes before one was announced");
    for (name, second) in [("host-1 'a'", 10), ("past", -1_000_000), ("host-1 'a'", 20)] {
        executions.announce(&process(name)?, at(second)?).await?;
    }
    let both = [("host-1 'a'".to_owned(), at(20)?), ("past".to_owned(), at(-1_000_000)?)];
    ensure_eq!(known(&*store).await?, both, "the announced processes");
    for _ in 0..2 {
        executions.retire(&process("past")?).await?;
        executions.retire(&process("unknown")?).await?;
        ensure_eq!(known(&*store).await?, both[..1], "the processes that were not forgotten");
    }
    Ok(())
}

/// A start names the process that sees the run through, or that a queue does; the end names nobody.
pub async fn an_execution_belongs_to_the_process_that_started_it(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, queued(0)?).await?.id;
    for (fence, name) in [(1, Some("a")), (2, Some("b")), (3, None), (4, Some("c"))] {
        let instance = name.map(process).transpose()?;
        let start = Transition::Start { fence: Fence(fence), instance: instance.clone(), at: at(1)? };
        store.executions().advance(&id, Fence(fence - 1), &start).await?;
        ensure_eq!(now(&*store, &id).await?.instance, instance, "the process after start {fence}");
    }
    store.executions().advance(&id, Fence(4), &finish("done", Vec::new())?).await?;
    ensure_eq!(now(&*store, &id).await?.instance, None, "the process after the end");
    Ok(())
}

/// What waits becomes the queue's; what runs, ended or is another's stays.
pub async fn handed_over_executions_are_the_queues(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    let waiting = |name: &str, second| {
        let mut execution = queued(second)?;
        execution.instance = Some(process(name)?);
        Ok::<_, Finding>(execution)
    };
    let mut mine = Vec::new();
    for second in 0..120 {
        mine.push(stored(&*store, waiting("a", second)?).await?.id);
    }
    let kept = [stored(&*store, waiting("a", 0)?).await?, stored(&*store, waiting("b", 1)?).await?];
    let runs = stored(&*store, run_by("a", 2)?).await?;
    let others: Vec<_> = [&kept[1], &runs].into_iter().map(|execution| execution.id.clone()).collect();
    for _ in 0..2 {
        executions.hand_over(&mine, &process("a")?).await?;
        executions.hand_over(&others, &process("a")?).await?;
        executions.hand_over(&[], &process("a")?).await?;
    }
    let mut wanted = Vec::from(kept);
    wanted.push(runs);
    ensure_eq!(executions.orphans(at(0)?, 1000).await?, wanted, "what still has a process");
    for id in [&mine[0], &mine[119]] {
        ensure_eq!(now(&*store, id).await?.instance, None, "the process of an execution of the queue");
    }
    Ok(())
}

/// Those of processes that were never announced, have ended, or have said nothing for too long; oldest first.
pub async fn executions_of_dead_processes_are_orphans(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    for (name, second) in [("alive", 100), ("just alive", 50), ("silent", 49), ("ended", 100)] {
        executions.announce(&process(name)?, at(second)?).await?;
    }
    executions.retire(&process("ended")?).await?;
    let mut waiting = run_by("unknown", 3)?;
    waiting.status = ExecutionStatus::Queued;
    for execution in [
        run_by("alive", 0)?,
        run_by("just alive", 1)?,
        // A queue sees to these.
        running(2)?,
        queued(2)?,
    ] {
        stored(&*store, execution).await?;
    }
    let mut wanted = Vec::new();
    for execution in [run_by("silent", 8)?, run_by("ended", 5)?, waiting, run_by("silent", 4)?] {
        wanted.push(stored(&*store, execution).await?);
    }
    let over = stored(&*store, run_by("silent", 6)?).await?;
    executions.advance(&over.id, Fence(1), &finish("done", Vec::new())?).await?;
    let mut over = run_by("silent", 7)?;
    over.status = ExecutionStatus::Failed;
    stored(&*store, over).await?;
    wanted.sort_by_key(|execution| execution.created_at);
    ensure_eq!(executions.orphans(at(50)?, 100).await?, wanted, "the orphans");
    ensure_eq!(executions.orphans(at(50)?, 2).await?, wanted[..2], "the oldest two");
    ensure_eq!(executions.orphans(at(51)?, 100).await?.len(), 5, "how many there are a second later");
    Ok(())
}

/// Who takes an orphan over by a start, or says that it lives, has it.
pub async fn an_orphan_that_is_taken_over_is_none(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    let (taken, kept) =
        (stored(&*store, run_by("dead", 0)?).await?, stored(&*store, run_by("slow", 1)?).await?);
    executions.announce(&process("new")?, at(100)?).await?;
    ensure_eq!(executions.orphans(at(50)?, 10).await?, [taken.clone(), kept], "the orphans");
    let start = Transition::Start { fence: Fence(2), instance: Some(process("new")?), at: at(50)? };
    executions.advance(&taken.id, Fence(1), &start).await?;
    executions.announce(&process("slow")?, at(100)?).await?;
    ensure_eq!(executions.orphans(at(50)?, 10).await?, [], "the orphans after both were taken care of");
    Ok(())
}
