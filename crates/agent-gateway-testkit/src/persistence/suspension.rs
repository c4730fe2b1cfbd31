//! Runs at rest: what a suspension stores, what it stops, and how it ends.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind, Timestamp,
    approval::{Approval, ApprovalStatus, AskedCall, Decision, Verdict},
    execution::{
        Advanced, Cursor, Departure, Execution, ExecutionQuery, ExecutionStatus, Fence, LogEntry, LogEvent,
        RunOptions, Transition,
    },
    id::{ApprovalId, ConversationId, ExecutionId, InstanceId},
    page::PageRequest,
    ports::persistence::PersistenceBackend,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    RIVALS, at, drafts::piece, everyone, finish, now, object, queued, running, stored, turns, usage,
};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// A pending approval of a call of `execution`, asked `second` seconds after the first, which expires a minute later.
pub(super) fn asked(execution: &Execution, second: i64) -> Result<Approval, Finding> {
    let call = AskedCall {
        call_id: format!("call_{second}").into(),
        tool: "pay".into(),
        arguments: object(json!({"to": "Zoë", "amount": 12.5, "at": {"b": 1, "a": [null, true]}})),
        question: None,
    };
    let run = (execution.id.clone(), execution.agent_id.clone());
    let mut approval = Approval::new(ApprovalId::generate(), run, call, (at(second)?, at(second + 60)?));
    approval.user_id.clone_from(&execution.user_id);
    approval.root_execution_id.clone_from(execution.root_execution_id.as_ref().unwrap_or(&execution.id));
    Ok(approval)
}

/// What an administrator says, and when.
pub(super) fn decision(verdict: Verdict, at: Timestamp) -> Decision {
    Decision { verdict, by: None, at, reason: None }
}

fn suspended(place: u64) -> Result<LogEntry, Finding> {
    let event = LogEvent::Suspended { delegated: Vec::new(), usage: usage()? };
    Ok(LogEntry { sequence: Cursor(place), at: at(7)?, event })
}

/// What a run rests with that somebody may come back for.
fn resting() -> RunOptions {
    RunOptions { departure: Departure::Detaches, timeout_ms: Some(9_000), ..RunOptions::default() }
}

fn suspend(approvals: Vec<Approval>, entries: Vec<LogEntry>) -> Transition {
    Transition::Suspend { approvals, options: resting(), entries }
}

fn resume(process: Option<&str>) -> Result<Transition, Finding> {
    Ok(Transition::Resume { instance: process.map(InstanceId::new).transpose()? })
}

fn start(fence: u64, second: i64) -> Result<Transition, Finding> {
    Ok(Transition::Start { fence: Fence(fence), instance: None, at: at(second)? })
}

fn refused(status: ExecutionStatus, fence: u64) -> Advanced {
    Advanced::Refused { status, fence: Fence(fence) }
}

/// An execution at rest until `approvals` calls of it are decided, as it is stored, and those approvals.
pub(super) async fn at_rest(
    store: &dyn PersistenceBackend,
    execution: Execution,
    approvals: i64,
) -> Result<(Execution, Vec<Approval>), Finding> {
    let execution = stored(store, execution).await?;
    let approvals: Vec<_> =
        (0..approvals).map(|second| asked(&execution, second)).collect::<Result<_, Finding>>()?;
    let change = suspend(approvals.clone(), vec![suspended(1)?]);
    let advanced = store.executions().advance(&execution.id, execution.fence, &change).await?;
    ensure_eq!(advanced, Advanced::Applied, "the suspension of a running execution");
    Ok((now(store, &execution.id).await?, approvals))
}

/// Status, options, entries and approvals are there together; process and draft are gone; the rest stays.
pub async fn a_suspension_stores_everything(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = running(0)?;
    execution.instance = Some(InstanceId::new("a process")?);
    let mut execution = stored(&*store, execution).await?;
    let (executions, id) = (store.executions(), execution.id.clone());
    executions.append(&id, Fence(1), &turns([1])?).await?;
    executions.append_draft(&id, Fence(1), &piece(1, 0, "what if")).await?;
    let approvals = vec![asked(&execution, 1)?, asked(&execution, 2)?];
    let mut entries = turns([1, 2])?;
    entries.push(suspended(3)?);
    let advanced = executions.advance(&id, Fence(1), &suspend(approvals.clone(), entries.clone())).await?;
    ensure_eq!(advanced, Advanced::Applied, "the suspension");
    execution.status = ExecutionStatus::Suspended;
    execution.options = resting();
    execution.instance = None;
    ensure_eq!(now(&*store, &id).await?, execution, "the suspended execution");
    ensure_eq!(executions.log(&id, Cursor::START, 10).await?, entries, "the log of the suspended execution");
    ensure_eq!(executions.draft(&id).await?, None, "the draft of the suspended execution");
    ensure_eq!(store.approvals().of_execution(&id).await?, approvals, "the approvals that it waits for");
    Ok(())
}

/// A run may wait for another run alone.
pub async fn a_suspension_needs_no_approvals(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (execution, _) = at_rest(&*store, running(0)?, 0).await?;
    ensure_eq!(execution.status, ExecutionStatus::Suspended, "the status of a run that waits for another");
    ensure_eq!(store.approvals().of_execution(&execution.id).await?, [], "its approvals");
    Ok(())
}

/// Only what runs comes to rest, and only for the attempt that runs it; a refused suspension leaves nothing behind.
pub async fn a_suspension_needs_a_running_run_and_its_fence(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    let mut cases = Vec::new();
    for fence in [0, 2] {
        cases.push((stored(&*store, running(0)?).await?, fence));
    }
    cases.push((stored(&*store, queued(0)?).await?, 0));
    cases.push((at_rest(&*store, running(0)?, 0).await?.0, 1));
    for status in [ExecutionStatus::Completed, ExecutionStatus::Cancelled] {
        let mut over = running(0)?;
        over.status = status;
        cases.push((stored(&*store, over).await?, 1));
    }
    for (execution, fence) in cases {
        let log = executions.log(&execution.id, Cursor::START, 10).await?;
        let entry = suspended(log.len() as u64 + 1)?;
        let change = suspend(vec![asked(&execution, 1)?], vec![entry]);
        let advanced = executions.advance(&execution.id, Fence(fence), &change).await?;
        let what = format!("a suspension of {} with the fence {fence}", execution.status);
        ensure_eq!(advanced, refused(execution.status, execution.fence.0), "{what}");
        ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after {what}");
        ensure_eq!(executions.log(&execution.id, Cursor::START, 10).await?, log, "the log after {what}");
        let approvals = store.approvals().of_execution(&execution.id).await?;
        ensure_eq!(approvals, [], "the approvals after {what}");
    }
    Ok(())
}

/// Entries that leave a gap are a conflict, and the run goes on.
pub async fn a_suspension_over_a_gap_changes_nothing(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = stored(&*store, running(0)?).await?;
    let change = suspend(vec![asked(&execution, 1)?], vec![suspended(2)?]);
    let gap = store.executions().advance(&execution.id, Fence(1), &change).await;
    expect_kind(gap, ErrorKind::Conflict, "a suspension whose entries leave a gap")?;
    ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after the gap");
    ensure_eq!(store.approvals().of_execution(&execution.id).await?, [], "the approvals after the gap");
    Ok(())
}

/// Nothing rests, or goes on, that was never created.
pub async fn an_unknown_execution_cannot_rest(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = ExecutionId::generate();
    for change in [suspend(Vec::new(), Vec::new()), resume(None)?] {
        let unknown = store.executions().advance(&id, Fence::NONE, &change).await;
        expect_kind(unknown, ErrorKind::NotFound, "a change of an unknown execution")?;
    }
    Ok(())
}

/// A message of the queue that comes again starts nothing that waits for a person.
pub async fn a_suspended_run_cannot_start(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (execution, _) = at_rest(&*store, running(0)?, 1).await?;
    for fence in [1, 2, 9] {
        let advanced = store.executions().advance(&execution.id, Fence(1), &start(fence, 30)?).await?;
        ensure_eq!(advanced, refused(ExecutionStatus::Suspended, 1), "a start with the fence {fence}");
    }
    ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after refused starts");
    Ok(())
}

/// It is queued again, for the process that resumed it, and the next attempt starts like any other.
pub async fn a_resumed_run_can_start(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for process in [Some("a process"), None] {
        let (mut execution, _) = at_rest(&*store, running(0)?, 1).await?;
        let (executions, id) = (store.executions(), execution.id.clone());
        ensure_eq!(
            executions.advance(&id, Fence(1), &resume(process)?).await?,
            Advanced::Applied,
            "resuming for {process:?}"
        );
        execution.status = ExecutionStatus::Queued;
        execution.instance = process.map(InstanceId::new).transpose()?;
        ensure_eq!(now(&*store, &id).await?, execution, "the resumed execution");
        let again = executions.advance(&id, Fence(1), &start(1, 30)?).await?;
        ensure_eq!(
            again,
            refused(ExecutionStatus::Queued, 1),
            "a start under the fence of the attempt before"
        );
        ensure_eq!(executions.advance(&id, Fence(1), &start(2, 30)?).await?, Advanced::Applied, "the start");
        execution.status = ExecutionStatus::Running;
        execution.fence = Fence(2);
        execution.instance = None;
        ensure_eq!(now(&*store, &id).await?, execution, "the execution under way again");
    }
    Ok(())
}

/// Only what rests goes on, and only under its fence.
pub async fn only_a_suspended_run_can_resume(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut cases = Vec::new();
    for fence in [0, 2] {
        cases.push((at_rest(&*store, running(0)?, 1).await?.0, fence));
    }
    cases.push((stored(&*store, queued(0)?).await?, 0));
    cases.push((stored(&*store, running(0)?).await?, 1));
    let mut over = running(0)?;
    over.status = ExecutionStatus::Failed;
    cases.push((stored(&*store, over).await?, 1));
    for (execution, fence) in cases {
        let advanced =
            store.executions().advance(&execution.id, Fence(fence), &resume(Some("a process"))?).await?;
        let what = format!("resuming what is {} with the fence {fence}", execution.status);
        ensure_eq!(advanced, refused(execution.status, execution.fence.0), "{what}");
        ensure_eq!(now(&*store, &execution.id).await?, execution, "the execution after {what}");
    }
    Ok(())
}

/// Of many that see that everything is there, one wakes the run.
pub async fn of_many_that_resume_one_wins(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (execution, _) = at_rest(&*store, running(0)?, 1).await?;
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let (store, id, name) = (Arc::clone(&store), execution.id.clone(), format!("process {rival}"));
        let change = resume(Some(&name))?;
        rivals.spawn(async move { (store.executions().advance(&id, Fence(1), &change).await, name) });
    }
    let mut winners = Vec::new();
    while let Some(rival) = rivals.join_next().await {
        let (advanced, name) = rival.map_err(|error| broken(error.to_string()))?;
        if advanced? == Advanced::Applied {
            winners.push(name);
        }
    }
    let holder = now(&*store, &execution.id).await?.instance.map(|process| process.to_string());
    ensure_eq!(winners, Vec::from_iter(holder), "who resumed the run, and whose it is");
    ensure_eq!(winners.len(), 1, "how many resumed the run");
    Ok(())
}

/// The end withdraws what is pending of this execution, and nothing that is settled or another's.
pub async fn the_end_withdraws_what_is_pending(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (executions, approvals) = (store.executions(), store.approvals());
    let (_, others) = at_rest(&*store, running(0)?, 1).await?;
    let rests = async || at_rest(&*store, running(0)?, 4).await;
    let (cancelled, resumed) = (rests().await?, rests().await?);
    executions.advance(&resumed.0.id, Fence(1), &resume(None)?).await?;
    for (execution, asked) in [cancelled, resumed] {
        let mut wanted = asked;
        for (place, verdict) in [(0, Verdict::Approve), (1, Verdict::Deny)] {
            let decision = decision(verdict, at(5)?);
            approvals.decide(&wanted[place].id, &decision).await?;
            wanted[place].status = decision.verdict.status();
            wanted[place].decision = Some(decision);
        }
        let ended = executions.advance(&execution.id, Fence(1), &finish("over", turns([2])?)?).await?;
        ensure_eq!(ended, Advanced::Applied, "the end of what is {}", execution.status);
        wanted[2].status = ApprovalStatus::Withdrawn;
        wanted[3].status = ApprovalStatus::Withdrawn;
        let found = approvals.of_execution(&execution.id).await?;
        ensure_eq!(found, wanted, "the approvals of what was {} and has ended", execution.status);
    }
    ensure_eq!(approvals.of_execution(&others[0].execution_id).await?, others, "those of another execution");
    Ok(())
}

/// An end that is refused withdraws nothing.
pub async fn a_refused_end_withdraws_nothing(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (execution, approvals) = at_rest(&*store, running(0)?, 2).await?;
    let refused = store.executions().advance(&execution.id, Fence(2), &finish("over", turns([2])?)?).await?;
    ensure!(refused != Advanced::Applied, "an end under another fence was applied");
    let gap = store.executions().advance(&execution.id, Fence(1), &finish("over", turns([3])?)?).await;
    expect_kind(gap, ErrorKind::Conflict, "an end whose entries leave a gap")?;
    let found = store.approvals().of_execution(&execution.id).await?;
    ensure_eq!(found, approvals, "the approvals after refused ends");
    Ok(())
}

/// A turn at rest is a turn under way: the conversation's next one waits for its end.
pub async fn a_suspended_turn_keeps_its_conversation(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let turn = || {
        let mut turn = running(0)?;
        turn.session_id = Some(ConversationId::new("talk")?);
        Ok::<_, Finding>(turn)
    };
    let (first, _) = at_rest(&*store, turn()?, 1).await?;
    let next = turn()?;
    for change in [resume(None)?, start(2, 30)?] {
        let early = store.executions().create(&next).await;
        let status = now(&*store, &first.id).await?.status;
        expect_kind(early, ErrorKind::Conflict, &format!("a turn while another is {status}"))?;
        store.executions().advance(&first.id, Fence(1), &change).await?;
    }
    store.executions().advance(&first.id, Fence(2), &finish("done", turns([2])?)?).await?;
    stored(&*store, next).await?;
    Ok(())
}

/// While it waits for a person, no process has to see it through; once it is resumed, one has to again.
pub async fn what_waits_is_no_orphan(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let executions = store.executions();
    let mut execution = running(0)?;
    execution.instance = Some(InstanceId::new("dead")?);
    let (execution, _) = at_rest(&*store, execution, 1).await?;
    ensure_eq!(executions.orphans(at(100)?, 10).await?, [], "the orphans while it waits");
    executions.advance(&execution.id, Fence(1), &resume(Some("dead"))?).await?;
    let orphan = now(&*store, &execution.id).await?;
    ensure_eq!(executions.orphans(at(100)?, 10).await?, [orphan], "the orphans once it was resumed");
    executions.hand_over(std::slice::from_ref(&execution.id), &InstanceId::new("dead")?).await?;
    ensure_eq!(executions.orphans(at(100)?, 10).await?, [], "the orphans once a queue has it");
    Ok(())
}

/// By their status, like all others.
pub async fn suspended_runs_are_listed(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    stored(&*store, running(1)?).await?;
    let (execution, _) = at_rest(&*store, running(0)?, 1).await?;
    let list = async || {
        let query = ExecutionQuery { status: Some(ExecutionStatus::Suspended), ..ExecutionQuery::default() };
        Ok::<_, Finding>(store.executions().list(&query, &everyone(), PageRequest::first(10)).await?.items)
    };
    ensure_eq!(list().await?, std::slice::from_ref(&execution), "the suspended executions");
    store.executions().advance(&execution.id, Fence(1), &resume(None)?).await?;
    ensure_eq!(list().await?, [], "the suspended executions once it was resumed");
    Ok(())
}
