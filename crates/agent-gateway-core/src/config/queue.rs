//! `queue` and `scheduler`: runs that nobody waits for.
use serde::{Deserialize, Serialize};

use crate::{agent::ExecutionMode, secret::Secret};

/// The section `queue`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// The backend's name, or `none`; which names exist is the catalog's knowledge.
    pub backend: String,
    /// Where Redis is; it may hold a password.
    pub redis_url: Secret,
    /// Where RabbitMQ is; it may hold a password.
    pub rabbitmq_url: Secret,
    /// The stream's key in Redis.
    pub stream_key: String,
    /// The queue's name in RabbitMQ.
    pub queue_name: String,
    /// The consumer group in Redis.
    pub consumer_group: String,
    /// Runs that this process works on at once.
    pub workers: usize,
    /// Attempts after the first one.
    pub max_retries: u32,
    /// Seconds after which a silent worker loses its run.
    pub visibility_timeout_s: u64,
    /// Seconds that a stopping process gives to its runs.
    pub drain_timeout_s: u64,
    /// The mode of agents that state none.
    pub default_execution_mode: ExecutionMode,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            backend: "none".into(),
            redis_url: Secret::new("redis://localhost:6379/0"),
            rabbitmq_url: Secret::new("amqp://guest:guest@localhost:5672/"),
            stream_key: "ag:executions".into(),
            queue_name: "ag.executions".into(),
            consumer_group: "ag-workers".into(),
            workers: 4,
            max_retries: 3,
            visibility_timeout_s: 300,
            drain_timeout_s: 30,
            default_execution_mode: ExecutionMode::Sync,
        }
    }
}

/// The section `scheduler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchedulerConfig {
    /// Whether anything runs by the clock.
    pub enabled: bool,
    /// How the weekdays of a cron expression are counted.
    pub cron_dialect: CronDialect,
    /// Seconds by which a firing may be late.
    pub misfire_grace_seconds: u64,
    /// Runs of one schedule at once.
    pub max_instances: u32,
    /// Whether several missed firings become one.
    pub coalesce: bool,
    /// The lock that keeps replicas from firing the same schedule.
    pub distributed_lock: DistributedLockConfig,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            cron_dialect: CronDialect::Standard,
            misfire_grace_seconds: 60,
            max_instances: 1,
            coalesce: true,
            distributed_lock: DistributedLockConfig::default(),
        }
    }
}

/// How cron expressions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CronDialect {
    /// As Vixie cron: 0 and 7 are Sunday, two restricted day fields are alternatives.
    Standard,
    /// As APScheduler: 0 is Monday, both day fields must match.
    Apscheduler,
}

/// The section `scheduler.distributed_lock`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DistributedLockConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Which one.
    pub backend: LockChoice,
    /// Where Redis is; empty: `queue.redis_url`. It may hold a password.
    pub redis_url: Secret,
    /// Stands before every lock's key.
    pub key_prefix: String,
    /// Seconds after which a lock of a dead process is free.
    pub lock_ttl_seconds: u64,
}

impl Default for DistributedLockConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            backend: LockChoice::Auto,
            redis_url: Secret::default(),
            key_prefix: "ag:sched-lock:".into(),
            lock_ttl_seconds: 300,
        }
    }
}

/// Where locks are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockChoice {
    /// In Redis if the queue is there, else in the database.
    Auto,
    /// In Redis.
    Redis,
    /// In Postgres.
    Postgres,
    /// Nowhere.
    None,
}
