//! Schedules of the workspace, of administrators and of users.
use agent_gateway_core::{
    Result, Timestamp,
    agent::Activation,
    id::ScheduleId,
    page::{Page, PageRequest},
    ports::persistence::{PersistenceBackend, ScheduleRecord, ScheduleStore},
    principal::Visibility,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Create(ScheduleRecord),
    Update(ScheduleRecord),
    Activate { id: ScheduleId, activation: Activation },
    Claim { id: ScheduleId, due: Timestamp, next: Option<Timestamp> },
    Delete { id: ScheduleId },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn ScheduleStore) -> Result<()> {
        match self {
            Self::Create(schedule) => to.create(schedule).await,
            Self::Update(schedule) => to.update(schedule).await,
            Self::Activate { id, activation } => to.activate(id, *activation).await.map(drop),
            Self::Claim { id, due, next } => to.claim(id, *due, *next).await.map(drop),
            Self::Delete { id } => to.delete(id).await.map(drop),
        }
    }
}

#[async_trait]
impl ScheduleStore for Shared {
    async fn create(&self, schedule: &ScheduleRecord) -> Result<()> {
        self.write(Change::Create(schedule.clone())).await
    }

    async fn update(&self, schedule: &ScheduleRecord) -> Result<()> {
        self.write(Change::Update(schedule.clone())).await
    }

    async fn get(&self, id: &ScheduleId, who: &Visibility) -> Result<Option<ScheduleRecord>> {
        self.begin().await?.memory().schedules().get(id, who).await
    }

    async fn list(&self, who: &Visibility, page: PageRequest) -> Result<Page<ScheduleRecord>> {
        self.begin().await?.memory().schedules().list(who, page).await
    }

    async fn activate(&self, id: &ScheduleId, activation: Activation) -> Result<bool> {
        let turn = self.begin().await?;
        let known = turn.memory().schedules().activate(id, activation).await?;
        if known {
            turn.append(Change::Activate { id: id.clone(), activation }).await?;
        }
        Ok(known)
    }

    async fn claim(&self, id: &ScheduleId, due: Timestamp, next: Option<Timestamp>) -> Result<bool> {
        let turn = self.begin().await?;
        let claimed = turn.memory().schedules().claim(id, due, next).await?;
        if claimed {
            turn.append(Change::Claim { id: id.clone(), due, next }).await?;
        }
        Ok(claimed)
    }

    async fn delete(&self, id: &ScheduleId) -> Result<bool> {
        let turn = self.begin().await?;
        let deleted = turn.memory().schedules().delete(id).await?;
        if deleted {
            turn.append(Change::Delete { id: id.clone() }).await?;
        }
        Ok(deleted)
    }
}
