//! The notification outbox.
use agent_gateway_core::{
    Result, Timestamp,
    page::{Page, PageRequest},
    ports::persistence::{Delivery, DeliveryQuery, DeliveryStore, NewDelivery, PersistenceBackend},
    principal::Visibility,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Enqueue { deliveries: Vec<NewDelivery>, at: Timestamp },
    Claim { now: Timestamp, until: Timestamp, limit: u32 },
    Delivered { id: u64, at: Timestamp },
    Failed { id: u64, why: String, again: Option<Timestamp> },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn DeliveryStore) -> Result<()> {
        match self {
            Self::Enqueue { deliveries, at } => to.enqueue(deliveries, *at).await.map(drop),
            Self::Claim { now, until, limit } => to.claim(*now, *until, *limit).await.map(drop),
            Self::Delivered { id, at } => to.delivered(*id, *at).await,
            Self::Failed { id, why, again } => to.failed(*id, why, *again).await,
        }
    }
}

#[async_trait]
impl DeliveryStore for Shared {
    async fn enqueue(&self, deliveries: &[NewDelivery], at: Timestamp) -> Result<Vec<u64>> {
        let turn = self.begin().await?;
        let ids = turn.memory().deliveries().enqueue(deliveries, at).await?;
        turn.append(Change::Enqueue { deliveries: deliveries.to_vec(), at }).await?;
        Ok(ids)
    }

    async fn claim(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Delivery>> {
        let turn = self.begin().await?;
        let claimed = turn.memory().deliveries().claim(now, until, limit).await?;
        // The outbox asks again and again: asking in vain leaves no line.
        if !claimed.is_empty() {
            turn.append(Change::Claim { now, until, limit }).await?;
        }
        Ok(claimed)
    }

    async fn delivered(&self, id: u64, at: Timestamp) -> Result<()> {
        self.write(Change::Delivered { id, at }).await
    }

    async fn failed(&self, id: u64, why: &str, again: Option<Timestamp>) -> Result<()> {
        self.write(Change::Failed { id, why: why.to_owned(), again }).await
    }

    async fn list(
        &self,
        query: &DeliveryQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        self.begin().await?.memory().deliveries().list(query, who, page).await
    }

    async fn count(&self, query: &DeliveryQuery, who: &Visibility) -> Result<u64> {
        self.begin().await?.memory().deliveries().count(query, who).await
    }
}
