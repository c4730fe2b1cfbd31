use std::sync::Arc;

use agent_gateway_core::{
    Result,
    ports::rate::{Charged, Quota, RateStore},
};
use async_trait::async_trait;

/// Looks first and uses the units afterwards, so that charges at the same time pass together.
/// Found by [`charges_at_once_use_no_more_than_there_is`](crate::rates::charging::charges_at_once_use_no_more_than_there_is).
#[derive(Debug)]
pub struct ChargesLate(pub Arc<dyn RateStore>);

#[async_trait]
impl RateStore for ChargesLate {
    async fn charge(&self, key: &str, cost: u32, quota: &Quota) -> Result<Charged> {
        let seen = self.0.charge(key, 0, quota).await?.standing();
        tokio::task::yield_now().await;
        let charged = self.0.charge(key, cost, quota).await?;
        // What was there when it looked is what it answers from.
        Ok(if seen.remaining >= cost { Charged::Allowed(charged.standing()) } else { charged })
    }
}

/// Counts all keys as one.
/// Found by [`keys_do_not_touch_each_other`](crate::rates::charging::keys_do_not_touch_each_other).
#[derive(Debug)]
pub struct MixesKeys(pub Arc<dyn RateStore>);

#[async_trait]
impl RateStore for MixesKeys {
    async fn charge(&self, key: &str, cost: u32, quota: &Quota) -> Result<Charged> {
        self.0.charge(if key.is_empty() || key.len() > 512 { key } else { "all" }, cost, quota).await
    }
}
