use std::time::Duration;

use agent_gateway_core::Result;
use deadpool_redis::redis::{Script, ScriptInvocation};

use crate::{RedisConfig, config::hash_tag};

/// What stands for "never", and keeps sums with the time of day exact in a script's numbers.
const FAR: u64 = 1000 * 60 * 60 * 24 * 365 * 1000;

/// The names in Redis of one queue.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) stream: String,
    leases: String,
    delayed: String,
    ids: String,
    pub(super) bell: String,
    dead: String,
    pub(super) cancel: String,
    group: String,
}

impl Keys {
    pub(super) fn new(config: &RedisConfig) -> Result<Self> {
        let stream = &config.stream_key;
        // With the whole name or its own tag as the hash tag, all of them share the stream's slot.
        let base = match hash_tag(stream)? {
            Some(_) => stream.clone(),
            None => format!("{{{stream}}}"),
        };
        let key = |what: &str| format!("{base}:{what}");
        Ok(Self {
            stream: stream.clone(),
            leases: key("leases"),
            delayed: key("delayed"),
            ids: key("ids"),
            bell: key("bell"),
            dead: key("dead"),
            cancel: key("cancel"),
            group: config.consumer_group.clone(),
        })
    }

    /// A script of the queue with its keys and its first argument.
    pub(super) fn script<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in [&self.stream, &self.leases, &self.delayed, &self.ids, &self.bell, &self.dead] {
            call.key(key);
        }
        call.arg(&self.group);
        call
    }
}

/// Whole milliseconds, rounded up so that no time is cut short, below a thousand years.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).map_or(FAR, |millis| millis.min(FAR))
}
