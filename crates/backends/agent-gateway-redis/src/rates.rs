//! Rate limits that processes share: one key for each that has used units, forgotten when all of them are back.
use std::num::ParseFloatError;

use agent_gateway_core::{
    Error, Result,
    ports::rate::{self, Charged, Quota, RateStore},
};
use async_trait::async_trait;

use crate::{Redis, connect::Ask, script::CHARGE};

/// Rate limits among processes, measured by the server's clock in microseconds.
#[derive(Clone, Debug)]
pub struct RedisRates {
    redis: Redis,
}

impl RedisRates {
    pub(crate) fn new(redis: Redis) -> Self {
        Self { redis }
    }
}

#[async_trait]
impl RateStore for RedisRates {
    async fn charge(&self, key: &str, cost: u32, quota: &Quota) -> Result<Charged> {
        rate::check(key, cost, quota).map_err(|error| error.during("redis.charge"))?;
        let inner = &self.redis.inner;
        let mut script = CHARGE.key(format!("{}{key}", inner.config.rate_prefix));
        script.arg(quota.most().get()).arg(quota.units().get()).arg(micros(quota)).arg(cost);
        // A repeated charge may count twice, which is the safe side.
        let there: String = inner.connections.ask("redis.charge", &Ask::Script(&script)).await?;
        let there = there.parse().map_err(|error: ParseFloatError| {
            Error::unexpected("the server counted no units").during("redis.charge").caused_by(error)
        })?;
        Ok(rate::answer(quota, there, cost).0)
    }
}

/// The quota's time in microseconds, with a fraction below that.
fn micros(quota: &Quota) -> f64 {
    quota.per().as_secs_f64() * 1e6
}
