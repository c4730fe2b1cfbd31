//! Tool calls that wait for a person: who decides first, what comes too late, and how they are found.
use std::{collections::BTreeMap, sync::Arc};

use agent_gateway_core::{
    ErrorKind, JsonMap,
    approval::{Approval, ApprovalQuery, ApprovalStatus, Decided, Decision, Verdict},
    execution::{Advanced, Execution, ExecutionStatus, Fence, Transition},
    id::{ApprovalId, ExecutionId},
    page::PageRequest,
    ports::persistence::PersistenceBackend,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    RIVALS, agent, at, at_micros, everyone, finish, object, only, pages, running, stored,
    suspension::{asked, at_rest, decision},
    user,
};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// The approval as everyone sees it now.
async fn seen(store: &dyn PersistenceBackend, id: &ApprovalId) -> Result<Approval, Finding> {
    let found = store.approvals().get(id, &everyone()).await?;
    found.ok_or_else(|| broken(format!("the approval {id} should be there")))
}

/// Stores an execution that waits for exactly these calls.
async fn waits_for(
    store: &dyn PersistenceBackend,
    execution: Execution,
    approvals: &[Approval],
) -> CaseResult {
    let execution = stored(store, execution).await?;
    let change = Transition::Suspend {
        approvals: approvals.to_vec(),
        options: execution.options.clone(),
        entries: Vec::new(),
    };
    let advanced = store.executions().advance(&execution.id, execution.fence, &change).await?;
    ensure_eq!(advanced, Advanced::Applied, "the suspension of a running execution");
    Ok(())
}

/// An execution for each approval: they are asked at these seconds, and expire a minute later.
async fn asked_at(
    store: &dyn PersistenceBackend,
    seconds: impl IntoIterator<Item = i64>,
) -> Result<Vec<Approval>, Finding> {
    let mut approvals = Vec::new();
    for second in seconds {
        let execution = running(0)?;
        let approval = asked(&execution, second)?;
        waits_for(store, execution, std::slice::from_ref(&approval)).await?;
        approvals.push(approval);
    }
    Ok(approvals)
}

/// What `approval` looks like once it was decided.
fn decided(mut approval: Approval, decision: &Decision) -> Approval {
    approval.status = decision.verdict.status();
    approval.decision = Some(decision.clone());
    approval
}

/// Every field is kept, also the empty ones.
pub async fn an_approval_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = running(0)?;
    execution.user_id = Some(user("apikey:ann")?);
    execution.root_execution_id = Some(ExecutionId::new("root")?);
    execution.agent_id = agent("accountant")?;
    let mut full = asked(&execution, 2)?;
    full.question = Some("It's more than \"usual\":\n12.50 €".into());
    let mut empty = asked(&execution, 1)?;
    empty.user_id = None;
    empty.arguments = JsonMap::new();
    let id = execution.id.clone();
    waits_for(&*store, execution, &[full.clone(), empty.clone()]).await?;
    for approval in [&full, &empty] {
        ensure_eq!(seen(&*store, &approval.id).await?, *approval, "the stored approval");
    }
    let in_order = [empty.clone(), full.clone()];
    ensure_eq!(store.approvals().of_execution(&id).await?, in_order, "the approvals of the execution");
    let page = store.approvals().list(&ApprovalQuery::default(), &everyone(), PageRequest::first(10)).await?;
    ensure_eq!(page.items, [full, empty], "the listed approvals");
    Ok(())
}

/// What nobody was ever asked is not there, cannot be decided, and is no error to look for.
pub async fn an_unknown_approval_is_not_there(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    asked_at(&*store, [1]).await?;
    let id = ApprovalId::generate();
    ensure_eq!(store.approvals().get(&id, &everyone()).await?, None, "an unknown approval");
    let late = store.approvals().decide(&id, &decision(Verdict::Approve, at(2)?)).await;
    expect_kind(late, ErrorKind::NotFound, "a decision on an unknown approval")?;
    let found = store.approvals().of_execution(&ExecutionId::generate()).await?;
    ensure_eq!(found, [], "the approvals of an unknown execution");
    Ok(())
}

/// With who, when and why; the other approvals of the run go on waiting, and so does the run.
pub async fn a_decision_is_stored(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (execution, mut wanted) = at_rest(&*store, running(0)?, 4).await?;
    let verdicts =
        [Verdict::Approve, Verdict::Edit { arguments: object(json!({"amount": 1})) }, Verdict::Deny];
    for (place, verdict) in verdicts.into_iter().enumerate() {
        let decision = Decision {
            verdict,
            by: Some(user("apikey:bob")?),
            at: at_micros(1_760_000_004_123_456)?,
            reason: Some("It's too much – \"really\".\n".into()),
        };
        wanted[place] = decided(wanted[place].clone(), &decision);
        let answer = store.approvals().decide(&wanted[place].id, &decision).await?;
        let stored = Decided::Stored(Box::new(wanted[place].clone()));
        ensure_eq!(answer, stored, "the answer to decision {place}");
        let found = store.approvals().of_execution(&execution.id).await?;
        ensure_eq!(found, wanted, "the approvals after decision {place}");
    }
    ensure_eq!(super::now(&*store, &execution.id).await?, execution, "the execution, which still waits");
    Ok(())
}

/// The arguments of an edit are those that the call is made with, so they are kept byte for byte.
pub async fn an_edit_keeps_its_arguments(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let large = "0123456789abcdé\n".repeat(8 * 1024);
    let edits = [
        json!({}),
        json!({"z": 1, "a": {"y": 1, "b": 2, "10": 3, "9": 4}, "m": [{"q": 1, "c": 2}]}),
        json!({"1.0": 1.0, "1": 1, "tiny": 5e-324, "most": u64::MAX, "least": i64::MIN, "third": 1.0 / 3.0}),
        json!({"text": "'; -- $1 ? \u{0} \u{1F600} e\u{301} \\ \" \t\r\n", " ": [null, true, "", {}, []]}),
        json!({"verdict": "deny", "arguments": {"verdict": 1}}),
        json!({ "large": large }),
    ];
    let approvals = asked_at(&*store, std::iter::repeat_n(1, edits.len())).await?;
    for (approval, arguments) in approvals.iter().zip(edits) {
        let decision = decision(Verdict::Edit { arguments: object(arguments) }, at(2)?);
        store.approvals().decide(&approval.id, &decision).await?;
        let found = seen(&*store, &approval.id).await?;
        let text = |approval: &Approval| match &approval.decision {
            Some(Decision { verdict: Verdict::Edit { arguments }, .. }) => {
                Value::Object(arguments.clone()).to_string()
            }
            other => format!("no edit: {other:?}"),
        };
        ensure_eq!(text(&found), text(&decided(approval.clone(), &decision)), "the edited arguments");
        let asked = |approval: &Approval| Value::Object(approval.arguments.clone()).to_string();
        ensure_eq!(asked(&found), asked(approval), "the arguments that were asked for");
    }
    Ok(())
}

/// Whoever decides what is settled, or when the time is up, hears what is stored, and changes nothing.
pub async fn a_late_decision_changes_nothing(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let approvals = asked_at(&*store, [10, 10, 10, 10, 10, 9]).await?;
    let [in_time, due, over, settled, withdrawn, expired] = &approvals[..] else {
        return Err(broken("there are six approvals"));
    };
    let last = at_micros(due.expires_at.as_microsecond() - 1)?;
    let answer = store.approvals().decide(&in_time.id, &decision(Verdict::Deny, last)).await?;
    ensure!(matches!(answer, Decided::Stored(_)), "the last moment should be in time: {answer:?}");
    store.approvals().decide(&settled.id, &decision(Verdict::Deny, at(11)?)).await?;
    store.executions().advance(&withdrawn.execution_id, Fence(1), &finish("over", Vec::new())?).await?;
    store.approvals().expire(expired.expires_at, 10).await?;
    for (approval, when, status) in [
        (due, due.expires_at, ApprovalStatus::Pending),
        (over, at(1_000)?, ApprovalStatus::Pending),
        (settled, at(11)?, ApprovalStatus::Denied),
        (withdrawn, at(11)?, ApprovalStatus::Withdrawn),
        (expired, at(11)?, ApprovalStatus::Expired),
    ] {
        let stored = seen(&*store, &approval.id).await?;
        ensure_eq!(stored.status, status, "the status before a late decision");
        for verdict in [Verdict::Approve, Verdict::Edit { arguments: JsonMap::new() }, Verdict::Deny] {
            let answer = store.approvals().decide(&approval.id, &decision(verdict, when)).await?;
            let wanted = Decided::TooLate(Box::new(stored.clone()));
            ensure_eq!(answer, wanted, "the answer to a late decision on what is {status:?}");
        }
        ensure_eq!(seen(&*store, &approval.id).await?, stored, "what is {status:?} after a late decision");
    }
    Ok(())
}

/// Of many that decide the same approval at the same time, one is told that it did, and all others what it decided.
pub async fn of_many_decisions_the_first_counts(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let approval = asked_at(&*store, [1]).await?.remove(0);
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        let verdict = match rival % 3 {
            0 => Verdict::Approve,
            1 => Verdict::Deny,
            _ => Verdict::Edit { arguments: object(json!({ "rival": rival })) },
        };
        let mut decision = decision(verdict, at(2)?);
        decision.reason = Some(format!("rival {rival}").into());
        let (store, id) = (Arc::clone(&store), approval.id.clone());
        rivals.spawn(async move { (store.approvals().decide(&id, &decision).await, decision) });
    }
    let (mut winners, mut told) = (Vec::new(), Vec::new());
    while let Some(rival) = rivals.join_next().await {
        let (answer, decision) = rival.map_err(|error| broken(error.to_string()))?;
        match answer? {
            Decided::Stored(stored) => {
                ensure_eq!(*stored, decided(approval.clone(), &decision), "the winner's own decision");
                winners.push(*stored);
            }
            Decided::TooLate(stored) => told.push(*stored),
        }
    }
    ensure_eq!(winners.len(), 1, "how many were told that they decided");
    ensure_eq!(seen(&*store, &approval.id).await?, winners[0], "the approval and what its winner decided");
    for stored in told {
        ensure_eq!(stored, winners[0], "what somebody heard who came too late");
    }
    Ok(())
}

/// Those whose time is up, the oldest first, at most so many; nothing else changes, and nothing expires twice.
pub async fn what_is_due_expires_oldest_first(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut approvals = asked_at(&*store, [7, 3, 9, 5, 1]).await?;
    approvals.sort_by_key(|approval| approval.expires_at);
    let settled = decision(Verdict::Approve, at(8)?);
    store.approvals().decide(&approvals[1].id, &settled).await?;
    approvals[1] = decided(approvals[1].clone(), &settled);
    for (second, limit, wanted) in
        [(60, 9, &[][..]), (67, 0, &[]), (67, 2, &[0, 2]), (67, 2, &[3]), (67, 2, &[]), (99, 9, &[4])]
    {
        let expired = store.approvals().expire(at(second)?, limit).await?;
        let executions: Vec<_> = wanted.iter().map(|place| approvals[*place].execution_id.clone()).collect();
        ensure_eq!(expired, executions, "what expires at {second} with the limit {limit}");
        for place in wanted {
            approvals[*place].status = ApprovalStatus::Expired;
        }
        for approval in &approvals {
            ensure_eq!(seen(&*store, &approval.id).await?, *approval, "an approval at {second}");
        }
    }
    let run = store.executions().get(&approvals[0].execution_id, &everyone()).await?;
    let status = run.map(|execution| execution.status);
    ensure_eq!(
        status,
        Some(ExecutionStatus::Suspended),
        "the run whose approval expired, until it is resumed"
    );
    Ok(())
}

/// Several calls of one run expire together, and what its end withdrew does not.
pub async fn all_calls_of_a_run_expire(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (execution, _) = at_rest(&*store, running(0)?, 3).await?;
    let (over, _) = at_rest(&*store, running(0)?, 2).await?;
    store.executions().advance(&over.id, Fence(1), &finish("over", Vec::new())?).await?;
    let mut expired = store.approvals().expire(at(1_000)?, 10).await?;
    expired.dedup();
    ensure_eq!(expired, std::slice::from_ref(&execution.id), "the executions whose approvals expire");
    for (id, status) in [(&execution.id, ApprovalStatus::Expired), (&over.id, ApprovalStatus::Withdrawn)] {
        let found = store.approvals().of_execution(id).await?;
        let all = found.iter().all(|approval| approval.status == status && approval.decision.is_none());
        ensure!(all, "all of them should be {status:?}: {found:?}");
    }
    Ok(())
}

/// Where a person and the clock come together, each approval ends in one way, and everybody hears which.
pub async fn of_a_decision_and_an_expiry_one_counts(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let approvals = asked_at(&*store, std::iter::repeat_n(1, 40)).await?;
    let (mut people, mut clocks) = (JoinSet::new(), JoinSet::new());
    for (place, approval) in approvals.iter().enumerate() {
        let (person, id) = (Arc::clone(&store), approval.id.clone());
        let decision = decision(Verdict::Approve, at(2)?);
        people.spawn(async move { (person.approvals().decide(&id, &decision).await, id) });
        if place % 4 == 0 {
            let (clock, then) = (Arc::clone(&store), at(1_000)?);
            clocks.spawn(async move { clock.approvals().expire(then, 3).await });
        }
    }
    let mut ends: BTreeMap<String, Vec<ApprovalStatus>> = BTreeMap::new();
    let names: BTreeMap<_, _> = approvals
        .iter()
        .map(|approval| (approval.execution_id.to_string(), approval.id.to_string()))
        .collect();
    while let Some(clock) = clocks.join_next().await {
        for execution in clock.map_err(|error| broken(error.to_string()))?? {
            let name = names.get(execution.as_str()).cloned().unwrap_or_default();
            ends.entry(name).or_default().push(ApprovalStatus::Expired);
        }
    }
    while let Some(person) = people.join_next().await {
        let (answer, id) = person.map_err(|error| broken(error.to_string()))?;
        match answer? {
            Decided::Stored(_) => ends.entry(id.to_string()).or_default().push(ApprovalStatus::Approved),
            Decided::TooLate(stored) => {
                ensure_eq!(stored.status, ApprovalStatus::Expired, "what came before a late decision");
            }
        }
    }
    for approval in &approvals {
        let stored = seen(&*store, &approval.id).await?.status;
        let told = ends.remove(approval.id.as_str()).unwrap_or_default();
        ensure_eq!(told, [stored], "how an approval ended, as its callers heard and as it is stored");
    }
    ensure!(ends.is_empty(), "nothing else should have expired: {ends:?}");
    Ok(())
}

/// In the order in which they were asked, by id where two were asked at the same time, and those of no other execution.
pub async fn approvals_of_a_run_come_in_order(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let execution = running(0)?;
    let mut approvals = Vec::new();
    for (id, second) in [("b", 5), ("c", 1), ("a", 5), ("d", 9), ("e", 5)] {
        let mut approval = asked(&execution, second)?;
        approval.id = ApprovalId::new(id)?;
        approvals.push(approval);
    }
    let run = execution.id.clone();
    waits_for(&*store, execution, &approvals).await?;
    asked_at(&*store, [2, 6]).await?;
    let found = store.approvals().of_execution(&run).await?;
    let ids: Vec<&str> = found.iter().map(|approval| approval.id.as_str()).collect();
    ensure_eq!(ids, ["c", "a", "b", "e", "d"], "the approvals in the order in which they were asked");
    let query = ApprovalQuery { execution_id: Some(run), ..ApprovalQuery::default() };
    let found = store.approvals().list(&query, &everyone(), PageRequest::first(10)).await?.items;
    let ids: Vec<&str> = found.iter().map(|approval| approval.id.as_str()).collect();
    ensure_eq!(ids, ["d", "e", "b", "a", "c"], "the same in a list, from the newest on");
    Ok(())
}

/// A filter that is set must fit, and several must fit together.
pub async fn every_filter_narrows_the_approvals(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    asked_at(&*store, 0..4).await?;
    let mut execution = running(0)?;
    execution.agent_id = agent("special")?;
    execution.root_execution_id = Some(ExecutionId::new("root")?);
    let special = asked(&execution, 10)?;
    waits_for(&*store, execution, std::slice::from_ref(&special)).await?;
    let denied = decision(Verdict::Deny, at(11)?);
    store.approvals().decide(&special.id, &denied).await?;
    let special = decided(special, &denied);
    let all = ApprovalQuery::default;
    let fits = async |query: &ApprovalQuery| {
        Ok::<_, Finding>(store.approvals().list(query, &everyone(), PageRequest::first(10)).await?.items)
    };
    for query in [
        ApprovalQuery { status: Some(ApprovalStatus::Denied), ..all() },
        ApprovalQuery { agent_id: Some(special.agent_id.clone()), ..all() },
        ApprovalQuery { execution_id: Some(special.execution_id.clone()), ..all() },
        ApprovalQuery { root_execution_id: Some(special.root_execution_id.clone()), ..all() },
        ApprovalQuery {
            status: Some(ApprovalStatus::Denied),
            agent_id: Some(special.agent_id.clone()),
            execution_id: Some(special.execution_id.clone()),
            root_execution_id: Some(special.root_execution_id.clone()),
        },
    ] {
        ensure_eq!(fits(&query).await?, std::slice::from_ref(&special), "the approvals that fit {query:?}");
    }
    for (query, count) in [
        (all(), 5),
        (ApprovalQuery { status: Some(ApprovalStatus::Pending), ..all() }, 4),
        (ApprovalQuery { status: Some(ApprovalStatus::Withdrawn), ..all() }, 0),
        (ApprovalQuery { agent_id: Some(agent("helper")?), ..all() }, 4),
        (
            ApprovalQuery { agent_id: Some(agent("helper")?), status: Some(ApprovalStatus::Denied), ..all() },
            0,
        ),
    ] {
        ensure_eq!(fits(&query).await?.len(), count, "how many approvals fit {query:?}");
    }
    Ok(())
}

/// By id and in lists: what a run asks is its owner's, and an administrator's.
pub async fn approvals_of_others_are_hidden(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut rows = Vec::new();
    for (owner, second) in [Some("ann"), Some("bob"), None].into_iter().zip(1..) {
        let mut execution = running(0)?;
        execution.user_id = owner.map(user).transpose()?;
        let approval = asked(&execution, second)?;
        waits_for(&*store, execution, std::slice::from_ref(&approval)).await?;
        rows.push((owner, approval));
    }
    for (who, sees) in [
        (only("ann")?, vec![Some("ann")]),
        (only("bob")?, vec![Some("bob")]),
        (only("eve")?, vec![]),
        (everyone(), vec![Some("ann"), Some("bob"), None]),
    ] {
        for (owner, approval) in &rows {
            let found = store.approvals().get(&approval.id, &who).await?;
            ensure_eq!(
                found.is_some(),
                sees.contains(owner),
                "whether {who:?} gets the approval of {owner:?}"
            );
        }
        for query in [
            ApprovalQuery::default(),
            ApprovalQuery { status: Some(ApprovalStatus::Pending), ..ApprovalQuery::default() },
        ] {
            let list = store.approvals().list(&query, &who, PageRequest::first(10)).await?;
            let found: Vec<_> = list.items.into_iter().rev().collect();
            let shown = rows.iter().filter(|(owner, _)| sees.contains(owner));
            let wanted: Vec<_> = shown.map(|(_, approval)| approval.clone()).collect();
            ensure_eq!(found, wanted, "what {who:?} sees in the list");
        }
    }
    Ok(())
}

/// Following the cursors shows every approval once, whatever the size of a page.
pub async fn pages_show_every_approval_once(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    // Several share an instant, so that a page ends among them.
    let mut wanted = asked_at(&*store, (0..23).map(|number| number / 5)).await?;
    wanted.sort_by(|a, b| (b.created_at, b.id.as_str()).cmp(&(a.created_at, a.id.as_str())));
    let who = everyone();
    for query in [
        ApprovalQuery::default(),
        ApprovalQuery { status: Some(ApprovalStatus::Pending), ..ApprovalQuery::default() },
    ] {
        for limit in [1, 4, 22, 23, 100] {
            let found = pages(limit, |page| store.approvals().list(&query, &who, page)).await?;
            ensure_eq!(found, wanted, "the approvals in pages of {limit}");
        }
    }
    Ok(())
}

/// A page starts behind the last row that was shown, wherever new rows came in.
pub async fn approvals_asked_meanwhile_do_not_shift_pages(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let wanted = asked_at(&*store, [60, 50, 40, 30, 20, 10]).await?;
    let (mut found, mut request) = (Vec::new(), PageRequest::first(2));
    for newest in 100.. {
        let page = store.approvals().list(&ApprovalQuery::default(), &everyone(), request).await?;
        found.extend(page.items);
        let Some(next) = page.next else { break };
        request = PageRequest::first(2).after(next);
        ensure!(newest < 110, "the pages do not end while approvals are asked for");
        asked_at(&*store, [newest]).await?;
    }
    ensure_eq!(found, wanted, "the approvals that were there when the first page was read");
    Ok(())
}
