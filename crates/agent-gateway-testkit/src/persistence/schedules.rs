//! Schedules, and who fires them.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    agent::Activation,
    id::ScheduleId,
    ports::persistence::{PersistenceBackend, ScheduleOwner, ScheduleRecord},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{RIVALS, agent, at, everyone, object, pages, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// A schedule of the workspace, made at second `number`.
pub(super) fn schedule(number: i64) -> Result<ScheduleRecord, Finding> {
    let id = ScheduleId::new(format!("helper:s{number}"))?;
    let owner = ScheduleOwner::Workspace;
    Ok(ScheduleRecord::new(id, agent("helper")?, "0 9 * * 1-5", "good morning", owner, at(number)?))
}

/// One with something in every field.
fn full(number: i64) -> Result<ScheduleRecord, Finding> {
    let mut schedule = schedule(number)?;
    schedule.name = "every weekday".to_owned();
    schedule.instructions = Some("Be cheerful.".to_owned());
    schedule.input = object(json!({"b": 1, "a": [true]}));
    schedule.activation = Activation::Inactive;
    schedule.timezone = "Europe/Berlin".to_owned();
    schedule.owner = ScheduleOwner::User(user("ann")?);
    schedule.last_run_at = Some(at(20)?);
    schedule.next_run_at = Some(at(30)?);
    Ok(schedule)
}

async fn now(store: &dyn PersistenceBackend, id: &ScheduleId) -> Result<ScheduleRecord, Finding> {
    let found = store.schedules().get(id, &everyone()).await?;
    found.ok_or_else(|| broken(format!("the schedule {id} should be there")))
}

/// Every field is kept, also the empty ones.
pub async fn a_schedule_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut admins = schedule(2)?;
    admins.owner = ScheduleOwner::Admin;
    for schedule in [schedule(0)?, full(1)?, admins] {
        store.schedules().create(&schedule).await?;
        ensure_eq!(now(&*store, &schedule.id).await?, schedule, "the stored schedule");
    }
    let unknown = store.schedules().get(&ScheduleId::new("nobody:knows")?, &everyone()).await?;
    ensure_eq!(unknown, None, "an unknown schedule");
    Ok(())
}

/// A second schedule of the same id changes nothing.
pub async fn a_taken_schedule_id_is_refused(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = schedule(1)?;
    store.schedules().create(&first).await?;
    let taken = store.schedules().create(&full(1)?).await;
    expect_kind(taken, ErrorKind::AlreadyExists, "creating a schedule with a taken id")?;
    ensure_eq!(now(&*store, &first.id).await?, first, "the schedule whose id was taken");
    Ok(())
}

/// A deleted one is gone from every reading, and its id may be used again.
pub async fn a_deleted_schedule_gives_its_id_free(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let schedules = store.schedules();
    let old = full(1)?;
    schedules.create(&old).await?;
    ensure!(schedules.delete(&old.id).await?, "the schedule should be deleted");
    ensure!(!schedules.delete(&old.id).await?, "it cannot be deleted twice");
    ensure_eq!(schedules.get(&old.id, &everyone()).await?, None, "the deleted schedule");
    let listed = pages(10, |page| async { schedules.list(&everyone(), page).await }).await?;
    ensure_eq!(listed, [], "the list without the deleted schedule");
    ensure!(
        !schedules.activate(&old.id, Activation::Active).await?,
        "a deleted schedule cannot be switched on"
    );
    ensure!(!schedules.claim(&old.id, at(30)?, None).await?, "a deleted schedule cannot be claimed");
    expect_kind(schedules.update(&old).await, ErrorKind::NotFound, "updating a deleted schedule")?;
    let new = schedule(1)?;
    schedules.create(&new).await?;
    ensure_eq!(now(&*store, &new.id).await?, new, "the new schedule of the same id");
    Ok(())
}

/// The definition is replaced; when it was made and last fired stays.
pub async fn an_update_keeps_what_has_happened(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let old = full(1)?;
    store.schedules().create(&old).await?;
    let mut new = schedule(1)?;
    new.created_at = at(99)?;
    new.last_run_at = Some(at(98)?);
    new.next_run_at = Some(at(97)?);
    store.schedules().update(&new).await?;
    new.created_at = old.created_at;
    new.last_run_at = old.last_run_at;
    ensure_eq!(now(&*store, &new.id).await?, new, "the updated schedule");
    let unknown = store.schedules().update(&schedule(2)?).await;
    expect_kind(unknown, ErrorKind::NotFound, "updating an unknown schedule")
}

/// Nothing else of it changes.
pub async fn a_schedule_is_switched_on_and_off(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut schedule = full(1)?;
    store.schedules().create(&schedule).await?;
    for activation in [Activation::Active, Activation::Inactive] {
        ensure!(store.schedules().activate(&schedule.id, activation).await?, "there is such a schedule");
        schedule.activation = activation;
        ensure_eq!(now(&*store, &schedule.id).await?, schedule, "the schedule switched to {activation:?}");
    }
    let unknown = store.schedules().activate(&ScheduleId::new("nobody:knows")?, Activation::Active).await?;
    ensure!(!unknown, "an unknown schedule cannot be switched on");
    Ok(())
}

/// A claim for the due time moves it on, another claim does nothing.
pub async fn a_claim_moves_the_schedule_on(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let schedules = store.schedules();
    let mut schedule = full(1)?;
    schedules.create(&schedule).await?;
    let id = schedule.id.clone();
    ensure!(!schedules.claim(&id, at(29)?, Some(at(40)?)).await?, "a claim for another time should fail");
    ensure_eq!(now(&*store, &id).await?, schedule, "the schedule after a claim for another time");
    for (due, next) in [(30, Some(40)), (40, None)] {
        let next = next.map(at).transpose()?;
        ensure!(schedules.claim(&id, at(due)?, next).await?, "a claim for the due time should work");
        ensure!(!schedules.claim(&id, at(due)?, next).await?, "a second claim for the same time should fail");
        (schedule.last_run_at, schedule.next_run_at) = (Some(at(due)?), next);
        ensure_eq!(now(&*store, &id).await?, schedule, "the schedule after its claim");
    }
    Ok(())
}

/// Of many processes that try, one fires.
pub async fn of_many_schedulers_one_claims(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let schedule = full(1)?;
    store.schedules().create(&schedule).await?;
    let mut rivals = JoinSet::new();
    for _ in 0..RIVALS {
        let (store, id, due, next) = (Arc::clone(&store), schedule.id.clone(), at(30)?, Some(at(40)?));
        rivals.spawn(async move { store.schedules().claim(&id, due, next).await });
    }
    let mut claimed = 0;
    while let Some(rival) = rivals.join_next().await {
        claimed += u32::from(rival.map_err(|error| broken(error.to_string()))??);
    }
    ensure_eq!(claimed, 1, "how many of {RIVALS} schedulers claimed the same time");
    Ok(())
}

/// In pages of any size.
pub async fn schedules_come_in_the_order_they_were_made(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut wanted = Vec::new();
    for number in [3, 1, 4, 0, 5, 9, 2, 6] {
        let mut schedule = schedule(number)?;
        // Two share an instant each.
        schedule.created_at = at(number / 2)?;
        store.schedules().create(&schedule).await?;
        wanted.push(schedule);
    }
    wanted.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    for limit in [1, 3, 8] {
        let found = pages(limit, |page| async { store.schedules().list(&everyone(), page).await }).await?;
        ensure_eq!(found, wanted, "the schedules in pages of {limit}");
    }
    Ok(())
}
