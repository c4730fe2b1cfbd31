//! From preparing to closing, and across a restart.
use std::sync::Arc;

use agent_gateway_core::{
    Error, ErrorKind, JsonMap,
    agent::Activation,
    approval::{ApprovalQuery, Verdict},
    capability::Durability,
    execution::{Advanced, Cursor, ExecutionQuery, Fence},
    id::{ApprovalId, ConnectionId, ConversationId, IdempotencyKey, InstanceId, ScheduleId},
    message::Message,
    page::PageRequest,
    ports::persistence::{
        AgentSetup, Connection, ConnectionTransport, ConversationQuery, CostGroup, CostWindow, DeliveryQuery,
        PersistenceBackend, UserProfile,
    },
};

use super::{
    agent, at,
    audit::record,
    conversations::conversation,
    deliveries::delivery,
    drafts::piece,
    everyone, finish, now, queued, running,
    schedules::schedule,
    stored,
    suspension::{at_rest, decision},
    turns,
    turns::finish_saying,
    user,
};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind, skipped},
};

/// It says what it is, and that it is there.
pub async fn a_prepared_store_answers(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    store.ping().await?;
    ensure!(!store.info().name.is_empty(), "the store should have a name");
    Ok(())
}

fn connection() -> Result<Connection, Finding> {
    let transport = ConnectionTransport::StreamableHttp { url: "https://example.org/mcp".to_owned() };
    Ok(Connection::new(ConnectionId::new("the connection")?, "tools", transport, at(0)?))
}

/// Puts something into every store, and answers what should be read of it.
async fn fill(store: &dyn PersistenceBackend) -> Result<Vec<String>, Finding> {
    let execution = stored(store, running(0)?).await?;
    store.executions().append(&execution.id, Fence(1), &turns([1, 2])?).await?;
    let ended = store.executions().advance(&execution.id, Fence(1), &finish("done", turns([3])?)?).await?;
    ensure_eq!(ended, Advanced::Applied, "the end of the run");
    let waiting = stored(store, queued(1)?).await?.id;
    store.executions().append_draft(&waiting, Fence::NONE, &piece(0, 0, "I was ")).await?;
    store.executions().append_draft(&waiting, Fence::NONE, &piece(0, 6, "about to say")).await?;
    store.executions().announce(&InstanceId::new("a process")?, at(9)?).await?;
    let conversation = conversation(0)?;
    store.conversations().create(&conversation).await?;
    store.conversations().append(&conversation.id, 0, &[Message::user("hello")], at(2)?).await?;
    let mut talking = running(2)?;
    talking.session_id = Some(conversation.id);
    let talking = stored(store, talking).await?;
    let said = finish_saying(&[Message::user("and"), Message::assistant("so on")], 3)?;
    let ended = store.executions().advance(&talking.id, Fence(1), &said).await?;
    ensure_eq!(ended, Advanced::Applied, "the end of a turn");
    at_rest(store, running(3)?, 2).await?;
    let (_, asked) = at_rest(store, running(4)?, 3).await?;
    store.approvals().decide(&asked[0].id, &decision(Verdict::Deny, at(5)?)).await?;
    store.approvals().expire(asked[1].expires_at, 10).await?;
    store.schedules().create(&schedule(0)?).await?;
    store.users().put(&UserProfile::new(user("ann")?, at(0)?)).await?;
    store.users().put_setup(&AgentSetup::new(user("ann")?, agent("helper")?, at(0)?)).await?;
    store.deliveries().enqueue(&[delivery("webhook")?], at(0)?).await?;
    store.deliveries().claim(at(1)?, at(2)?, 1).await?;
    store.connections().create(&connection()?).await?;
    store.audit().append(&record(0)?).await?;
    read(store).await
}

/// Everything that a store holds, as text.
async fn read(store: &dyn PersistenceBackend) -> Result<Vec<String>, Finding> {
    let (who, page) = (everyone(), || PageRequest::first(100));
    let executions = store.executions().list(&ExecutionQuery::default(), &who, page()).await?.items;
    let (mut logs, mut drafts) = (Vec::new(), Vec::new());
    for execution in &executions {
        logs.push(store.executions().log(&execution.id, Cursor::START, 100).await?);
        drafts.push(store.executions().draft(&execution.id).await?);
    }
    let conversation = conversation(0)?.id;
    Ok(vec![
        format!("{executions:?}"),
        format!("{logs:?}"),
        format!("{drafts:?}"),
        format!("{:?}", store.executions().instances().await?),
        format!("{:?}", store.approvals().list(&ApprovalQuery::default(), &who, page()).await?.items),
        format!("{:?}", store.conversations().get(&conversation, &who).await?),
        format!("{:?}", store.conversations().messages(&conversation, 0, 10).await?),
        format!("{:?}", store.schedules().list(&who, page()).await?.items),
        format!("{:?}", store.users().get(&user("ann")?).await?),
        format!("{:?}", store.users().setup(&user("ann")?, &agent("helper")?).await?),
        format!("{:?}", store.deliveries().list(&DeliveryQuery::default(), &who, page()).await?.items),
        format!("{:?}", store.connections().list().await?),
        format!("{:?}", store.audit().list(page()).await?.items),
    ])
}

/// Preparing what is prepared changes nothing, also when several do it at once.
pub async fn preparing_again_keeps_everything(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let wanted = fill(&*store).await?;
    let (first, second, third) = tokio::join!(store.prepare(), store.prepare(), store.prepare());
    first.and(second).and(third)?;
    ensure_eq!(read(&*store).await?, wanted, "everything after preparing again");
    Ok(())
}

/// The world of the guard through another handle, or the reason why there is none.
async fn another<F: Fixture<dyn PersistenceBackend>>(
    fixture: &F,
    durability: Durability,
    guard: &F::Guard,
) -> Result<Arc<dyn PersistenceBackend>, Finding> {
    match (fixture.reopen(guard).await?, durability) {
        (Some(again), _) => Ok(again),
        (None, Durability::Process) => Err(skipped("the store does not outlive its process")),
        (None, Durability::Durable) => Err(broken("the store says it is durable, and cannot be reopened")),
    }
}

/// What was answered is there after the handle was dropped without a word, and after it was closed.
pub async fn everything_survives_a_reopen(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (mut store, guard) = fixture.fresh().await?;
    let wanted = fill(&*store).await?;
    let durability = store.info().durability;
    for closed in [false, true] {
        if closed {
            store.close().await?;
        }
        drop(store);
        store = another(fixture, durability, &guard).await?;
        store.prepare().await?;
        ensure_eq!(read(&*store).await?, wanted, "everything after a reopen, closed before: {closed}");
    }
    Ok(())
}

/// Two processes share one world: what one has written, the other reads, and both write.
pub async fn two_handles_see_the_same(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (first, guard) = fixture.fresh().await?;
    let second = another(fixture, first.info().durability, &guard).await?;
    let wanted = fill(&*first).await?;
    ensure_eq!(read(&*second).await?, wanted, "what the second handle reads");
    let execution = stored(&*second, running(5)?).await?;
    let ended = first.executions().advance(&execution.id, Fence(1), &finish("done", turns([1])?)?).await?;
    ensure_eq!(ended, Advanced::Applied, "the end, by the first handle, of what the second began");
    let late = second.executions().advance(&execution.id, Fence(1), &finish("late", turns([1])?)?).await?;
    ensure!(late != Advanced::Applied, "the second handle ended what the first had ended");
    ensure_eq!(now(&*first, &execution.id).await?, now(&*second, &execution.id).await?, "what both read");
    Ok(())
}

/// Every method says so, and closing again is fine.
pub async fn a_closed_store_is_unavailable(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    fill(&*store).await?;
    store.close().await?;
    store.close().await?;
    let answers = [closed_rows(&*store).await?, closed_records(&*store).await?];
    for (method, answer) in answers.into_iter().flatten() {
        expect_kind(answer, ErrorKind::Unavailable, &format!("`{method}` after closing"))?;
    }
    Ok(())
}

type Answers = Vec<(&'static str, Result<(), Error>)>;

async fn closed_rows(store: &dyn PersistenceBackend) -> Result<Answers, Finding> {
    let (who, execution, page) = (everyone(), queued(0)?, PageRequest::default);
    let (executions, conversations) = (store.executions(), store.conversations());
    let (id, talk) = (&execution.id, ConversationId::generate());
    let (key, process) = (IdempotencyKey::new("k")?, InstanceId::new("a process")?);
    let change = finish("done", Vec::new())?;
    let any = ConversationQuery::default();
    let (approvals, approval, asking) = (store.approvals(), ApprovalId::generate(), ApprovalQuery::default());
    let denied = decision(Verdict::Deny, at(5)?);
    Ok(vec![
        ("approvals.get", approvals.get(&approval, &who).await.map(drop)),
        ("approvals.list", approvals.list(&asking, &who, page()).await.map(drop)),
        ("approvals.of_execution", approvals.of_execution(id).await.map(drop)),
        ("approvals.decide", approvals.decide(&approval, &denied).await.map(drop)),
        ("approvals.expire", approvals.expire(at(0)?, 1).await.map(drop)),
        ("ping", store.ping().await),
        ("prepare", store.prepare().await),
        ("executions.create", executions.create(&execution).await),
        ("executions.get", executions.get(id, &who).await.map(drop)),
        ("executions.find_by_key", executions.find_by_key(&key, None).await.map(drop)),
        ("executions.list", executions.list(&ExecutionQuery::default(), &who, page()).await.map(drop)),
        ("executions.advance", executions.advance(id, Fence::NONE, &change).await.map(drop)),
        ("executions.append", executions.append(id, Fence::NONE, &turns([1])?).await.map(drop)),
        ("executions.log", executions.log(id, Cursor::START, 1).await.map(drop)),
        ("executions.forget_keys", executions.forget_keys(at(0)?).await.map(drop)),
        ("executions.append_draft", executions.append_draft(id, Fence::NONE, &piece(0, 0, "x")).await),
        ("executions.draft", executions.draft(id).await.map(drop)),
        ("executions.announce", executions.announce(&process, at(0)?).await),
        ("executions.instances", executions.instances().await.map(drop)),
        ("executions.retire", executions.retire(&process).await),
        ("executions.orphans", executions.orphans(at(0)?, 1).await.map(drop)),
        ("conversations.create", conversations.create(&conversation(9)?).await),
        ("conversations.get", conversations.get(&talk, &who).await.map(drop)),
        ("conversations.list", conversations.list(&any, &who, page()).await.map(drop)),
        ("conversations.append", conversations.append(&talk, 0, &[], at(0)?).await.map(drop)),
        ("conversations.tail", conversations.tail(&talk, 1).await.map(drop)),
        ("conversations.messages", conversations.messages(&talk, 0, 1).await.map(drop)),
        ("conversations.set_metadata", conversations.set_metadata(&talk, &JsonMap::new()).await),
        ("conversations.delete", conversations.delete(&talk, &who).await.map(drop)),
    ])
}

async fn closed_records(store: &dyn PersistenceBackend) -> Result<Answers, Finding> {
    let (who, page) = (everyone(), PageRequest::default);
    let (schedules, users, deliveries) = (store.schedules(), store.users(), store.deliveries());
    let connections = store.connections();
    let (schedule_id, ann, helper) = (ScheduleId::new("helper:s9")?, user("ann")?, agent("helper")?);
    let (any, connection_id) = (DeliveryQuery::default(), ConnectionId::generate());
    let setup = AgentSetup::new(ann.clone(), helper.clone(), at(0)?);
    let mut answers = vec![
        ("schedules.create", schedules.create(&schedule(9)?).await),
        ("schedules.update", schedules.update(&schedule(0)?).await),
        ("schedules.get", schedules.get(&schedule_id, &who).await.map(drop)),
        ("schedules.list", schedules.list(&who, page()).await.map(drop)),
        ("schedules.activate", schedules.activate(&schedule_id, Activation::Active).await.map(drop)),
        ("schedules.claim", schedules.claim(&schedule_id, at(0)?, None).await.map(drop)),
        ("schedules.delete", schedules.delete(&schedule_id).await.map(drop)),
        ("users.put", users.put(&UserProfile::new(ann.clone(), at(0)?)).await),
        ("users.get", users.get(&ann).await.map(drop)),
        ("users.delete", users.delete(&ann).await.map(drop)),
        ("users.put_setup", users.put_setup(&setup).await),
        ("users.setup", users.setup(&ann, &helper).await.map(drop)),
        ("users.delete_setup", users.delete_setup(&ann, &helper).await.map(drop)),
        ("deliveries.enqueue", deliveries.enqueue(&[delivery("slack")?], at(0)?).await.map(drop)),
        ("deliveries.claim", deliveries.claim(at(0)?, at(1)?, 1).await.map(drop)),
        ("deliveries.delivered", deliveries.delivered(1, at(0)?).await),
        ("deliveries.failed", deliveries.failed(1, "why", None).await),
        ("deliveries.list", deliveries.list(&any, &who, page()).await.map(drop)),
        ("deliveries.count", deliveries.count(&any, &who).await.map(drop)),
        ("connections.create", connections.create(&connection()?).await),
        ("connections.update", connections.update(&connection()?).await),
        ("connections.get", connections.get(&connection_id).await.map(drop)),
        ("connections.list", connections.list().await.map(drop)),
        ("connections.delete", connections.delete(&connection_id).await.map(drop)),
        ("audit.append", store.audit().append(&record(0)?).await),
        ("audit.list", store.audit().list(page()).await.map(drop)),
    ];
    if let Some(analytics) = store.analytics() {
        let window = CostWindow { since: at(0)?, until: at(1)? };
        answers.push(("analytics.cost", analytics.cost(window, CostGroup::Day, &who).await.map(drop)));
    }
    Ok(answers)
}
