//! Lists of executions, and the cursors of every list.
use agent_gateway_core::{
    ErrorKind,
    approval::ApprovalQuery,
    execution::{Execution, ExecutionQuery, ExecutionStatus},
    id::{ConversationId, ExecutionId, InstanceId, ScheduleId},
    page::{PageCursor, PageRequest},
    ports::persistence::{ConversationQuery, DeliveryQuery, PersistenceBackend},
};

use super::{
    agent, at, audit, conversations, deliveries, everyone, pages, queued, running, schedules, stored,
    suspension,
};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

async fn list(
    store: &dyn PersistenceBackend,
    query: &ExecutionQuery,
    page: PageRequest,
) -> Result<Vec<Execution>, Finding> {
    Ok(store.executions().list(query, &everyone(), page).await?.items)
}

/// By the time they were accepted, and by id where two were accepted at the same time.
pub async fn executions_come_newest_first(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for (id, second) in [("b", 5), ("c", 1), ("a", 5), ("d", 9), ("e", 5)] {
        let mut execution = queued(second)?;
        execution.id = ExecutionId::new(id)?;
        stored(&*store, execution).await?;
    }
    let found = list(&*store, &ExecutionQuery::default(), PageRequest::first(10)).await?;
    let ids: Vec<&str> = found.iter().map(|execution| execution.id.as_str()).collect();
    ensure_eq!(ids, ["d", "e", "b", "a", "c"], "the executions from the newest on");
    Ok(())
}

/// A filter that is set must fit, and several must fit together.
pub async fn every_filter_narrows_the_list(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for second in 0..4 {
        stored(&*store, queued(second)?).await?;
    }
    let mut special = queued(10)?;
    special.agent_id = agent("special")?;
    special.session_id = Some(ConversationId::new("session")?);
    special.root_execution_id = Some(ExecutionId::new("root")?);
    special.schedule_id = Some(ScheduleId::new("special:daily")?);
    special.instance = Some(InstanceId::new("a process")?);
    special.status = ExecutionStatus::Failed;
    let special = stored(&*store, special).await?;
    let all = ExecutionQuery::default;
    let narrow = [
        ExecutionQuery { agent_id: Some(special.agent_id.clone()), ..all() },
        ExecutionQuery { session_id: special.session_id.clone(), ..all() },
        ExecutionQuery { root_execution_id: special.root_execution_id.clone(), ..all() },
        ExecutionQuery { schedule_id: special.schedule_id.clone(), ..all() },
        ExecutionQuery { status: Some(ExecutionStatus::Failed), ..all() },
        ExecutionQuery { instance: special.instance.clone(), ..all() },
        ExecutionQuery { since: Some(at(10)?), ..all() },
        ExecutionQuery {
            since: Some(at(3)?),
            until: Some(at(10)?),
            status: Some(ExecutionStatus::Failed),
            ..all()
        },
    ];
    for query in narrow {
        let found = list(&*store, &query, PageRequest::first(10)).await?;
        ensure_eq!(found, std::slice::from_ref(&special), "the executions that fit {query:?}");
    }
    for (query, count) in [
        (ExecutionQuery { until: Some(at(2)?), ..all() }, 3),
        (ExecutionQuery { status: Some(ExecutionStatus::Queued), ..all() }, 4),
        (ExecutionQuery { status: Some(ExecutionStatus::Completed), ..all() }, 0),
        (ExecutionQuery { since: Some(at(11)?), ..all() }, 0),
        (
            ExecutionQuery {
                agent_id: Some(special.agent_id),
                status: Some(ExecutionStatus::Queued),
                ..all()
            },
            0,
        ),
    ] {
        let found = list(&*store, &query, PageRequest::first(10)).await?;
        ensure_eq!(found.len(), count, "how many executions fit {query:?}");
    }
    Ok(())
}

/// Following the cursors shows every row once, whatever the size of a page.
pub async fn pages_show_every_execution_once(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut wanted = Vec::new();
    for number in 0..23 {
        // Several share an instant, so that a page ends among them.
        wanted.push(stored(&*store, queued(number / 5)?).await?);
    }
    wanted.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let (query, who) = (ExecutionQuery::default(), everyone());
    for limit in [1, 4, 22, 23, 100] {
        let found = pages(limit, |page| store.executions().list(&query, &who, page)).await?;
        ensure_eq!(found, wanted, "the executions in pages of {limit}");
    }
    Ok(())
}

/// A page starts behind the last row that was shown, wherever new rows came in.
pub async fn rows_added_meanwhile_do_not_shift_pages(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut wanted = Vec::new();
    for second in [60, 50, 40, 30, 20, 10] {
        wanted.push(stored(&*store, queued(second)?).await?);
    }
    let (query, who) = (ExecutionQuery::default(), everyone());
    let mut found = Vec::new();
    let mut request = PageRequest::first(2);
    for newest in 100.. {
        let page = store.executions().list(&query, &who, request).await?;
        found.extend(page.items);
        let Some(next) = page.next else { break };
        request = PageRequest::first(2).after(next);
        ensure!(newest < 110, "the pages do not end while rows are added");
        stored(&*store, queued(newest)?).await?;
    }
    ensure_eq!(found, wanted, "the executions that were there when the first page was read");
    Ok(())
}

/// A cursor that no list gave, or that another list gave, is refused by every list.
pub async fn a_foreign_cursor_is_invalid(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let store = &*store;
    for number in 0..2 {
        stored(store, queued(number)?).await?;
        store.conversations().create(&conversations::conversation(number)?).await?;
        store.schedules().create(&schedules::schedule(number)?).await?;
        store.deliveries().enqueue(&[deliveries::delivery("webhook")?], at(number)?).await?;
        store.audit().append(&audit::record(number)?).await?;
        suspension::at_rest(store, running(number)?, 1).await?;
    }
    let (who, first) = (everyone(), || PageRequest::first(1));
    let (executions, deliveries) = (ExecutionQuery::default(), DeliveryQuery::default());
    let (conversations, approvals) = (ConversationQuery::default(), ApprovalQuery::default());
    let own = [
        store.executions().list(&executions, &who, first()).await?.next,
        store.conversations().list(&conversations, &who, first()).await?.next,
        store.schedules().list(&who, first()).await?.next,
        store.deliveries().list(&deliveries, &who, first()).await?.next,
        store.audit().list(first()).await?.next,
        store.approvals().list(&approvals, &who, first()).await?.next,
    ];
    let own: Vec<PageCursor> = own.into_iter().flatten().collect();
    ensure_eq!(own.len(), 6, "the lists that give a cursor when there are more rows than the page holds");
    for list in 0..own.len() {
        let strange = ["", "1", "0:x", "%00"].map(|text| PageCursor(text.to_owned()));
        let others =
            own.iter().enumerate().filter(|(other, _)| *other != list).map(|(_, cursor)| cursor.clone());
        for cursor in strange.into_iter().chain(others) {
            let page = first().after(cursor.clone());
            let answer = match list {
                0 => store.executions().list(&executions, &who, page).await.map(drop),
                1 => store.conversations().list(&conversations, &who, page).await.map(drop),
                2 => store.schedules().list(&who, page).await.map(drop),
                3 => store.deliveries().list(&deliveries, &who, page).await.map(drop),
                4 => store.audit().list(page).await.map(drop),
                5 => store.approvals().list(&approvals, &who, page).await.map(drop),
                _ => return Err(broken("there are six lists")),
            };
            expect_kind(answer, ErrorKind::Invalid, &format!("list {list} behind the foreign {cursor:?}"))?;
        }
    }
    Ok(())
}
