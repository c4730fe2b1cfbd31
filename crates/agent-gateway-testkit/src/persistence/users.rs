//! Users and their settings.
use std::collections::BTreeMap;

use agent_gateway_core::ports::persistence::{AgentSetup, PersistenceBackend, SetupCompletion, UserProfile};
use serde_json::json;

use super::{agent, at, object, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure, ensure_eq},
};

fn profile() -> Result<UserProfile, Finding> {
    let mut profile = UserProfile::new(user("ann")?, at(1)?);
    profile.display_name = Some("Ann".to_owned());
    profile.email = Some("ann@example.org".to_owned());
    profile.metadata = object(json!({"groups": ["b", "a"], "age": 7}));
    profile.last_seen_at = at(2)?;
    Ok(profile)
}

fn setup(owner: &str, name: &str) -> Result<AgentSetup, Finding> {
    let mut setup = AgentSetup::new(user(owner)?, agent(name)?, at(1)?);
    setup.instructions = Some("Call me Ann.".to_owned());
    setup.config_values = object(json!({"city": "Oslo", "area": 1}));
    setup.sealed_secrets = BTreeMap::from([("key".to_owned(), "v1.token".to_owned())]);
    setup.completion = SetupCompletion::Complete;
    setup.updated_at = at(2)?;
    Ok(setup)
}

/// Every field is kept, also the empty ones.
pub async fn a_profile_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for profile in [profile()?, UserProfile::new(user("bob")?, at(1)?)] {
        store.users().put(&profile).await?;
        ensure_eq!(store.users().get(&profile.id).await?, Some(profile), "the stored profile");
    }
    ensure_eq!(store.users().get(&user("eve")?).await?, None, "an unknown user");
    Ok(())
}

/// Everything else is replaced.
pub async fn a_profile_keeps_when_it_was_first_seen(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = profile()?;
    store.users().put(&first).await?;
    let mut second = UserProfile::new(first.id, at(50)?);
    store.users().put(&second).await?;
    second.first_seen_at = first.first_seen_at;
    ensure_eq!(store.users().get(&second.id).await?, Some(second), "the profile that was seen again");
    Ok(())
}

/// Every field is kept, for each user and agent.
pub async fn settings_come_back_as_they_were(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let empty = AgentSetup::new(user("bob")?, agent("helper")?, at(1)?);
    let all = [setup("ann", "helper")?, setup("ann", "other")?, empty];
    for setup in &all {
        store.users().put_setup(setup).await?;
    }
    for setup in all {
        let found = store.users().setup(&setup.user_id, &setup.agent_id).await?;
        ensure_eq!(found, Some(setup), "the stored settings");
    }
    let unknown = store.users().setup(&user("bob")?, &agent("other")?).await?;
    ensure_eq!(unknown, None, "settings that were never made");
    Ok(())
}

/// Everything else is replaced; and they can be removed.
pub async fn settings_keep_when_they_were_made(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let first = setup("ann", "helper")?;
    store.users().put_setup(&first).await?;
    let mut second = AgentSetup::new(first.user_id, first.agent_id, at(50)?);
    store.users().put_setup(&second).await?;
    second.created_at = first.created_at;
    let (user, agent) = (second.user_id.clone(), second.agent_id.clone());
    ensure_eq!(store.users().setup(&user, &agent).await?, Some(second), "the settings that were made again");
    ensure!(store.users().delete_setup(&user, &agent).await?, "the settings should be removed");
    ensure!(!store.users().delete_setup(&user, &agent).await?, "they cannot be removed twice");
    ensure_eq!(store.users().setup(&user, &agent).await?, None, "the removed settings");
    Ok(())
}

/// The settings of others stay.
pub async fn a_deleted_user_leaves_no_settings(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let users = store.users();
    users.put(&profile()?).await?;
    for setup in [setup("ann", "helper")?, setup("ann", "other")?, setup("bob", "helper")?] {
        users.put_setup(&setup).await?;
    }
    ensure!(users.delete(&user("ann")?).await?, "the user should be deleted");
    ensure!(!users.delete(&user("ann")?).await?, "the user cannot be deleted twice");
    ensure_eq!(users.get(&user("ann")?).await?, None, "the deleted user");
    for name in ["helper", "other"] {
        let left = users.setup(&user("ann")?, &agent(name)?).await?;
        ensure_eq!(left, None, "the deleted user's settings for {name}");
    }
    let kept = users.setup(&user("bob")?, &agent("helper")?).await?;
    ensure!(kept.is_some(), "another user's settings should stay");
    Ok(())
}
