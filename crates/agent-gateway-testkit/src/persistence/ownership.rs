//! Every owner's rows are shown to that owner and to administrators, and to nobody else.
use agent_gateway_core::{
    execution::ExecutionQuery,
    page::PageRequest,
    ports::persistence::{ConversationQuery, DeliveryQuery, PersistenceBackend, ScheduleOwner},
    principal::{AuthMethod, Principal, Scopes, Visibility},
};

use super::{
    at, conversations::conversation, deliveries::delivery, everyone, only, queued, schedules::schedule,
    stored, user,
};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure_eq},
};

const OWNERS: [Option<&str>; 3] = [Some("ann"), Some("bob"), None];

/// Who looks, and whose rows they see.
type Looker = (Visibility, Vec<Option<&'static str>>);

fn lookers() -> Result<Vec<Looker>, Finding> {
    let admin = Principal::user(user("root")?, AuthMethod::Oauth2, Scopes::new(["admin"])).visibility();
    Ok(vec![
        (only("ann")?, vec![Some("ann")]),
        (only("bob")?, vec![Some("bob")]),
        (only("eve")?, vec![]),
        (admin, OWNERS.to_vec()),
        (everyone(), OWNERS.to_vec()),
    ])
}

/// By id, by key, and in lists.
pub async fn executions_of_others_are_hidden(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut rows = Vec::new();
    for (owner, second) in OWNERS.into_iter().zip(0..) {
        let mut execution = queued(second)?;
        execution.user_id = owner.map(user).transpose()?;
        rows.push((owner, stored(&*store, execution).await?));
    }
    for (who, sees) in lookers()? {
        for (owner, execution) in &rows {
            let found = store.executions().get(&execution.id, &who).await?;
            ensure_eq!(
                found.is_some(),
                sees.contains(owner),
                "whether {who:?} gets the execution of {owner:?}"
            );
        }
        let list = store.executions().list(&ExecutionQuery::default(), &who, PageRequest::first(10)).await?;
        let found: Vec<_> = list.items.into_iter().rev().collect();
        let wanted: Vec<_> =
            rows.iter().filter(|(owner, _)| sees.contains(owner)).map(|(_, row)| row.clone()).collect();
        ensure_eq!(found, wanted, "what {who:?} sees in the list");
    }
    Ok(())
}

/// By id and in lists; and nobody deletes what they do not see.
pub async fn conversations_of_others_are_hidden(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut rows = Vec::new();
    for (owner, number) in OWNERS.into_iter().zip(0..) {
        let mut conversation = conversation(number)?;
        conversation.user_id = owner.map(user).transpose()?;
        store.conversations().create(&conversation).await?;
        rows.push((owner, conversation));
    }
    for (who, sees) in lookers()? {
        for (owner, conversation) in &rows {
            let found = store.conversations().get(&conversation.id, &who).await?;
            ensure_eq!(
                found.is_some(),
                sees.contains(owner),
                "whether {who:?} gets the conversation of {owner:?}"
            );
            if !sees.contains(owner) {
                let deleted = store.conversations().delete(&conversation.id, &who).await?;
                ensure_eq!(deleted, false, "whether {who:?} deletes the conversation of {owner:?}");
            }
        }
        let page = PageRequest::first(10);
        let list = store.conversations().list(&ConversationQuery::default(), &who, page).await?;
        ensure_eq!(list.items.len(), sees.len(), "how many conversations {who:?} sees in the list");
    }
    Ok(())
}

/// Those without a user are shown to all.
pub async fn schedules_of_others_are_hidden(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let owners = [
        ScheduleOwner::Workspace,
        ScheduleOwner::Admin,
        ScheduleOwner::User(user("ann")?),
        ScheduleOwner::User(user("bob")?),
    ];
    let mut rows = Vec::new();
    for (owner, number) in owners.into_iter().zip(0..) {
        let mut schedule = schedule(number)?;
        schedule.owner = owner;
        store.schedules().create(&schedule).await?;
        rows.push(schedule);
    }
    for (who, sees) in lookers()? {
        let seen =
            |owner: &ScheduleOwner| owner.user().is_none_or(|user| sees.contains(&Some(user.as_str())));
        for schedule in &rows {
            let found = store.schedules().get(&schedule.id, &who).await?;
            ensure_eq!(
                found.is_some(),
                seen(&schedule.owner),
                "whether {who:?} gets the schedule of {:?}",
                schedule.owner
            );
        }
        let found = store.schedules().list(&who, PageRequest::first(10)).await?.items;
        let wanted: Vec<_> = rows.iter().filter(|row| seen(&row.owner)).cloned().collect();
        ensure_eq!(found, wanted, "the schedules that {who:?} sees in the list");
    }
    Ok(())
}

/// In lists and in counts.
pub async fn deliveries_of_others_are_hidden(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for owner in OWNERS {
        let mut delivery = delivery("webhook")?;
        delivery.user_id = owner.map(user).transpose()?;
        store.deliveries().enqueue(&[delivery], at(0)?).await?;
    }
    let query = DeliveryQuery::default();
    for (who, sees) in lookers()? {
        let found = store.deliveries().list(&query, &who, PageRequest::first(10)).await?.items;
        let wanted =
            sees.iter().rev().map(|owner| owner.map(user).transpose()).collect::<Result<Vec<_>, _>>()?;
        let owners: Vec<_> = found.into_iter().map(|delivery| delivery.what.user_id).collect();
        ensure_eq!(owners, wanted, "the owners of the deliveries that {who:?} sees");
        let count = store.deliveries().count(&query, &who).await?;
        ensure_eq!(count, sees.len() as u64, "how many deliveries {who:?} counts");
    }
    Ok(())
}
