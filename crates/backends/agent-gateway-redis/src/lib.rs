//! Redis for agent-gateway: an execution queue on streams, a lock and the shared rate limits.
//!
//! It needs Redis 6.2 or newer, one server and not a cluster of several; each queue's keys share one hash slot. Whether what
//! was accepted survives the server's death is the server's configuration (`appendonly`), and its memory policy must not
//! evict keys. `rediss://` needs a cryptography provider of rustls that the program has installed.
//!
//! ```no_run
//! # async fn open() -> agent_gateway_core::Result<()> {
//! use agent_gateway_core::ports::queue::ExecutionQueue;
//! use agent_gateway_redis::{Redis, RedisConfig};
//!
//! let redis = Redis::open(RedisConfig::parse("redis://localhost:6379/0")?).await?;
//! let queue = redis.queue().await?;
//! queue.prepare().await?;
//! let (lock, rates) = (redis.lock(), redis.rates());
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;

// Opening and talking to the server.
mod connect;
mod error;
mod open;
mod script;

// The ports.
mod lock;
mod queue;
mod rates;

pub use config::RedisConfig;
pub use lock::RedisLock;
pub use open::Redis;
pub use queue::RedisQueue;
pub use rates::RedisRates;
