use agent_gateway_core::{
    Result, Timestamp,
    id::{AgentId, UserId},
    ports::persistence::{AgentSetup, SetupCompletion, UserProfile, UserStore},
};
use async_trait::async_trait;

use super::{Stores, affected};
use crate::{Database, RowExt, Statement, Value, select::Select};

const PROFILE: &str = "user_id, display_name, email, metadata_json, first_seen_at, last_seen_at";
const SETUP: &str = "user_id, agent_id, instructions, config_values, encrypted_secrets, setup_completed, created_at, \
                     updated_at";

#[async_trait]
impl<D: Database> UserStore for Stores<D> {
    async fn put(&self, profile: &UserProfile) -> Result<()> {
        let text = format!(
            "INSERT INTO {{p}}users ({PROFILE}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE \
             SET display_name = $2, email = $3, metadata_json = $4, last_seen_at = $6"
        );
        let args = vec![
            profile.id.as_str().into(),
            profile.display_name.as_deref().into(),
            profile.email.as_deref().into(),
            Value::json(&profile.metadata)?,
            profile.first_seen_at.into(),
            profile.last_seen_at.into(),
        ];
        self.write_one(Statement::new(self.0.names(), &text, args)).await.map(drop)
    }

    async fn get(&self, id: &UserId) -> Result<Option<UserProfile>> {
        let select = Select::new(&format!("SELECT {PROFILE} FROM {{p}}users"))
            .filter("user_id = ?", [id.as_str().into()]);
        self.0.read(select.all(self.0.names())).await?.first().map(profile).transpose()
    }

    async fn delete(&self, id: &UserId) -> Result<bool> {
        let delete = |text| Statement::new(self.0.names(), text, vec![id.as_str().into()]);
        let program = vec![
            delete("DELETE FROM {p}user_agent_configs WHERE user_id = $1"),
            delete("DELETE FROM {p}users WHERE user_id = $1"),
        ];
        Ok(affected(&self.0.write(program).await?, 1)? > 0)
    }

    async fn put_setup(&self, setup: &AgentSetup) -> Result<()> {
        let text = format!(
            "INSERT INTO {{p}}user_agent_configs ({SETUP}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (user_id, agent_id) DO UPDATE SET instructions = $3, config_values = $4, \
             encrypted_secrets = $5, setup_completed = $6, updated_at = $8"
        );
        let args = vec![
            setup.user_id.as_str().into(),
            setup.agent_id.as_str().into(),
            setup.instructions.as_deref().into(),
            Value::json(&setup.config_values)?,
            Value::json(&setup.sealed_secrets)?,
            (setup.completion == SetupCompletion::Complete).into(),
            setup.created_at.into(),
            setup.updated_at.into(),
        ];
        self.write_one(Statement::new(self.0.names(), &text, args)).await.map(drop)
    }

    async fn setup(&self, user: &UserId, agent: &AgentId) -> Result<Option<AgentSetup>> {
        let select = Select::new(&format!("SELECT {SETUP} FROM {{p}}user_agent_configs"))
            .filter("user_id = ?", [user.as_str().into()])
            .filter("agent_id = ?", [agent.as_str().into()]);
        self.0.read(select.all(self.0.names())).await?.first().map(setup).transpose()
    }

    async fn delete_setup(&self, user: &UserId, agent: &AgentId) -> Result<bool> {
        let text = "DELETE FROM {p}user_agent_configs WHERE user_id = $1 AND agent_id = $2";
        let args = vec![user.as_str().into(), agent.as_str().into()];
        Ok(self.write_one(Statement::new(self.0.names(), text, args)).await?.affected > 0)
    }
}

fn profile<R: RowExt>(row: &R) -> Result<UserProfile> {
    // The reference lets both instants be null.
    let (first, last) = (row.time("first_seen_at")?, row.time("last_seen_at")?);
    let mut found =
        UserProfile::new(row.need_word("user_id")?, first.or(last).unwrap_or(Timestamp::UNIX_EPOCH));
    found.last_seen_at = last.unwrap_or(found.first_seen_at);
    found.display_name = row.text("display_name")?;
    found.email = row.text("email")?;
    found.metadata = row.map("metadata_json")?;
    Ok(found)
}

fn setup<R: RowExt>(row: &R) -> Result<AgentSetup> {
    let mut found =
        AgentSetup::new(row.need_word("user_id")?, row.need_word("agent_id")?, row.need_time("created_at")?);
    found.instructions = row.text("instructions")?;
    found.config_values = row.map("config_values")?;
    found.sealed_secrets = row.json("encrypted_secrets")?.unwrap_or_default();
    found.completion = match row.flag("setup_completed")? {
        Some(true) => SetupCompletion::Complete,
        _ => SetupCompletion::Partial,
    };
    found.updated_at = row.need_time("updated_at")?;
    Ok(found)
}
