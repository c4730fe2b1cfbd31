//! An open server, and what is on it.
use std::{fmt, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    capability::{BackendInfo, Durability},
};
use deadpool_redis::redis;

use crate::{
    RedisConfig, RedisLock, RedisQueue, RedisRates,
    connect::{Ask, Connections},
};

/// The oldest version that has every command.
const OLDEST: (u32, u32) = (6, 2);

/// An open server. Clones share its connections, which close with the last of them.
#[derive(Clone)]
pub struct Redis {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: RedisConfig,
    pub(crate) connections: Connections,
    version: String,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("config", &self.inner.config)
            .field("version", &self.inner.version)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// Connects, and finds out whether the server can be used.
    ///
    /// A refused user or password, a database that is not there, names that cannot work and a server older than 6.2 are
    /// `Misconfigured`; a server that does not answer is `Unavailable`. A server that may evict jobs, or that does not append
    /// them to a file, is used with a warning.
    pub async fn open(config: RedisConfig) -> Result<Self> {
        config.check()?;
        let connections = Connections::new(&config)?;
        let located = |error: Error| error.with("server", &config.location);
        let about: String =
            connections.ask("redis.open", &Ask::Command(&redis::cmd("INFO"))).await.map_err(located)?;
        let fact = |name: &str| {
            about.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
        };
        let version = fact("redis_version").to_owned();
        check_version(&version).map_err(located)?;
        if fact("maxmemory_policy").starts_with("allkeys") {
            tracing::warn!(
                server = config.location,
                "Redis may evict any key when its memory is full, also jobs: set maxmemory-policy to noeviction"
            );
        }
        // A server that hides the fact says nothing of what it keeps.
        if fact("aof_enabled") == "0" {
            tracing::warn!(
                server = config.location,
                "Redis loses accepted jobs when it crashes: set appendonly to yes, and appendfsync to always or everysec"
            );
        }
        Ok(Self { inner: Arc::new(Inner { connections, version, config }) })
    }

    /// The queue on this server. A key of another type under the stream's name is `Misconfigured`.
    pub async fn queue(&self) -> Result<RedisQueue> {
        RedisQueue::open(self.clone()).await
    }

    /// The lock on this server.
    #[must_use]
    pub fn lock(&self) -> RedisLock {
        RedisLock::new(self.clone())
    }

    /// The rate limits on this server.
    #[must_use]
    pub fn rates(&self) -> RedisRates {
        RedisRates::new(self.clone())
    }

    pub(crate) fn info(&self) -> BackendInfo {
        BackendInfo::new("redis", self.inner.config.location.clone(), Durability::Durable)
            .version(self.inner.version.clone())
    }
}

fn check_version(version: &str) -> Result<()> {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if found < OLDEST {
        return Err(Error::misconfigured("the Redis server is too old: 6.2 or newer is needed")
            .during("redis.open")
            .with("version", version));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_before_6_2_are_refused() {
        for good in ["6.2.0", "6.2", "7.0.15", "8.0.0-rc1", "10.1.1"] {
            check_version(good).unwrap();
        }
        for bad in ["6.0.16", "5.0.7", "", "unknown"] {
            let error = check_version(bad).unwrap_err();
            assert_eq!(error.kind(), agent_gateway_core::ErrorKind::Misconfigured, "{bad}");
        }
    }
}
