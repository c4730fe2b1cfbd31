//! The notification outbox.
use std::{collections::HashSet, sync::Arc};

use agent_gateway_core::{
    ErrorKind,
    id::ExecutionId,
    page::PageRequest,
    ports::persistence::{Delivery, DeliveryQuery, DeliveryStatus, NewDelivery, PersistenceBackend},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{agent, at, everyone, object, pages, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// A notification by this channel.
pub(super) fn delivery(channel: &str) -> Result<NewDelivery, Finding> {
    Ok(NewDelivery {
        execution_id: ExecutionId::generate(),
        agent_id: agent("helper")?,
        user_id: None,
        event_type: "execution.completed".to_owned(),
        channel: channel.to_owned(),
        target: "https://example.org/hook".to_owned(),
        payload: object(json!({"status": "completed", "attempt": 1})),
    })
}

async fn enqueued(store: &dyn PersistenceBackend, count: usize, second: i64) -> Result<Vec<u64>, Finding> {
    let new = (0..count).map(|_| delivery("webhook")).collect::<Result<Vec<_>, _>>()?;
    Ok(store.deliveries().enqueue(&new, at(second)?).await?)
}

async fn now(store: &dyn PersistenceBackend, id: u64) -> Result<Delivery, Finding> {
    let all =
        store.deliveries().list(&DeliveryQuery::default(), &everyone(), PageRequest::first(500)).await?;
    let found = all.items.into_iter().find(|delivery| delivery.id == id);
    found.ok_or_else(|| broken(format!("the delivery {id} should be there")))
}

fn numbers(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// Every field is kept, also the empty ones.
pub async fn a_delivery_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut owned = delivery("slack")?;
    owned.user_id = Some(user("ann")?);
    owned.payload = object(json!({"z": 1, "a": {"b": null}}));
    let new = [owned, delivery("webhook")?];
    let ids = store.deliveries().enqueue(&new, at(5)?).await?;
    for (id, what) in ids.into_iter().zip(new) {
        ensure_eq!(now(&*store, id).await?, Delivery::new(id, what, at(5)?), "the accepted delivery");
    }
    Ok(())
}

/// In the order in which they were given.
pub async fn numbers_rise(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut ids = enqueued(&*store, 3, 0).await?;
    ensure_eq!(enqueued(&*store, 0, 1).await?, Vec::<u64>::new(), "the numbers of no deliveries");
    ids.extend(enqueued(&*store, 2, 1).await?);
    ensure_eq!(ids.len(), 5, "how many numbers five deliveries get");
    ensure!(ids.is_sorted_by(|a, b| a < b), "the numbers should rise: {ids:?}");
    Ok(())
}

/// It comes back when its time is over, and every attempt is counted.
pub async fn a_claimed_delivery_is_hidden_until_its_time(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = enqueued(&*store, 1, 0).await?[0];
    let mut wanted = now(&*store, id).await?;
    for (attempt, second) in [(1, 0), (2, 10)] {
        let claimed = store.deliveries().claim(at(second)?, at(second + 10)?, 5).await?;
        (wanted.attempts, wanted.due_at) = (attempt, at(second + 10)?);
        ensure_eq!(claimed, [wanted.clone()], "the delivery that is claimed for attempt {attempt}");
        ensure_eq!(now(&*store, id).await?, wanted, "the stored delivery in attempt {attempt}");
        let hidden = store.deliveries().claim(at(second + 9)?, at(100)?, 5).await?;
        ensure_eq!(hidden, [], "what can be claimed while attempt {attempt} is under way");
    }
    Ok(())
}

/// No more than asked for, and nothing that is not due.
pub async fn claims_take_what_is_due_oldest_first(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let ids = enqueued(&*store, 4, 10).await?;
    enqueued(&*store, 1, 50).await?;
    let early = store.deliveries().claim(at(9)?, at(100)?, 10).await?;
    ensure_eq!(early, [], "what is due before its time");
    for wanted in [&ids[..3], &ids[3..], &[]] {
        let claimed = store.deliveries().claim(at(10)?, at(100)?, 3).await?;
        ensure_eq!(numbers(&claimed), wanted, "at most 3 of what is due");
    }
    Ok(())
}

/// Claims at the same time take every delivery once.
pub async fn two_claims_never_share_a_delivery(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let ids = enqueued(&*store, 40, 0).await?;
    let mut senders = JoinSet::new();
    for _ in 0..20 {
        let (store, now, until) = (Arc::clone(&store), at(1)?, at(100)?);
        senders.spawn(async move { store.deliveries().claim(now, until, 3).await });
    }
    let mut claimed = Vec::new();
    while let Some(sender) = senders.join_next().await {
        claimed.extend(numbers(&sender.map_err(|error| broken(error.to_string()))??));
    }
    let distinct: HashSet<u64> = claimed.iter().copied().collect();
    ensure_eq!(
        (claimed.len(), distinct.len()),
        (ids.len(), ids.len()),
        "claimed deliveries, and distinct ones"
    );
    Ok(())
}

/// It is never claimed again; saying so twice is harmless, and a late failure changes nothing.
pub async fn a_delivered_notification_is_done(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = enqueued(&*store, 1, 0).await?[0];
    store.deliveries().claim(at(1)?, at(2)?, 1).await?;
    for _ in 0..2 {
        store.deliveries().delivered(id, at(3)?).await?;
    }
    store.deliveries().failed(id, "too late", Some(at(4)?)).await?;
    let found = now(&*store, id).await?;
    ensure_eq!(
        (found.status, found.delivered_at),
        (DeliveryStatus::Delivered, Some(at(3)?)),
        "status and time"
    );
    ensure_eq!(store.deliveries().claim(at(50)?, at(60)?, 5).await?, [], "what is left to claim");
    Ok(())
}

/// The reason is kept; with a time it is claimed again then, without it never.
pub async fn a_failed_attempt_is_repeated_or_given_up(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let deliveries = store.deliveries();
    let id = enqueued(&*store, 1, 0).await?[0];
    deliveries.claim(at(0)?, at(90)?, 1).await?;
    deliveries.failed(id, "503", Some(at(20)?)).await?;
    let found = now(&*store, id).await?;
    ensure_eq!(
        (found.status, found.last_error.as_deref(), found.due_at),
        (DeliveryStatus::Pending, Some("503"), at(20)?),
        "status, reason and time of the failed attempt"
    );
    ensure_eq!(deliveries.claim(at(19)?, at(90)?, 1).await?, [], "what is due before the next attempt");
    ensure_eq!(
        numbers(&deliveries.claim(at(20)?, at(90)?, 1).await?),
        [id],
        "what is due at the next attempt"
    );
    deliveries.failed(id, "410", None).await?;
    let found = now(&*store, id).await?;
    ensure_eq!(
        (found.status, found.last_error.as_deref(), found.attempts),
        (DeliveryStatus::Failed, Some("410"), 2),
        "status, reason and attempts of the one that was given up"
    );
    ensure_eq!(deliveries.claim(at(500)?, at(600)?, 5).await?, [], "what is left to claim");
    Ok(())
}

/// An unknown number is no delivery.
pub async fn an_unknown_delivery_is_not_found(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = enqueued(&*store, 1, 0).await?[0];
    for unknown in [id + 1, u64::MAX] {
        let delivered = store.deliveries().delivered(unknown, at(1)?).await;
        expect_kind(delivered, ErrorKind::NotFound, "marking an unknown delivery as delivered")?;
        let failed = store.deliveries().failed(unknown, "why", None).await;
        expect_kind(failed, ErrorKind::NotFound, "marking an unknown delivery as failed")?;
    }
    Ok(())
}

/// A filter that is set must fit, in lists and in counts.
pub async fn deliveries_are_filtered_and_counted(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    enqueued(&*store, 3, 0).await?;
    let mut special = delivery("slack")?;
    special.agent_id = agent("special")?;
    let id = store.deliveries().enqueue(&[special.clone()], at(1)?).await?[0];
    store.deliveries().delivered(id, at(2)?).await?;
    let all = DeliveryQuery::default;
    for (query, count) in [
        (all(), 4),
        (DeliveryQuery { status: Some(DeliveryStatus::Delivered), ..all() }, 1),
        (DeliveryQuery { agent_id: Some(special.agent_id), ..all() }, 1),
        (DeliveryQuery { channel: Some("slack".to_owned()), ..all() }, 1),
        (DeliveryQuery { execution_id: Some(special.execution_id), ..all() }, 1),
        (DeliveryQuery { status: Some(DeliveryStatus::Pending), ..all() }, 3),
        (
            DeliveryQuery {
                status: Some(DeliveryStatus::Pending),
                channel: Some("slack".to_owned()),
                ..all()
            },
            0,
        ),
    ] {
        let found = store.deliveries().list(&query, &everyone(), PageRequest::first(10)).await?.items;
        let counted = store.deliveries().count(&query, &everyone()).await?;
        ensure_eq!((found.len() as u64, counted), (count, count), "listed and counted by {query:?}");
        ensure!(count != 1 || found[0].id == id, "the one that fits {query:?} should be {id}: {found:?}");
    }
    Ok(())
}

/// Newest first, in pages of any size.
pub async fn pages_show_every_delivery_once(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut wanted = enqueued(&*store, 12, 0).await?;
    wanted.reverse();
    for limit in [1, 5, 12, 100] {
        let read =
            |page| async { store.deliveries().list(&DeliveryQuery::default(), &everyone(), page).await };
        ensure_eq!(numbers(&pages(limit, read).await?), wanted, "the deliveries in pages of {limit}");
    }
    Ok(())
}
