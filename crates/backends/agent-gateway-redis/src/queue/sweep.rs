//! Brings back what is in the group and nowhere in the queue, and forgets workers that are gone.
use std::time::Duration;

use agent_gateway_core::Result;

use super::keys::{Keys, millis};
use crate::{Redis, connect::Ask, script::SWEEP};

/// How many pending entries one step looks at.
const PAGE: usize = 1_000;
/// How long an entry is left alone that somebody read past the queue.
const ORPHAN: Duration = Duration::from_secs(60);
/// How long a consumer that holds nothing is remembered.
const CONSUMER: Duration = Duration::from_secs(60 * 60);

/// Looks at every pending entry, page by page.
pub(super) async fn sweep(redis: &Redis, keys: &Keys) -> Result<()> {
    let mut from = "-".to_owned();
    loop {
        let mut script = keys.script(&SWEEP);
        script.arg(&from).arg(PAGE).arg(millis(ORPHAN)).arg(millis(CONSUMER));
        from = redis.inner.connections.ask("redis.sweep", &Ask::Script(&script)).await?;
        if from.is_empty() {
            return Ok(());
        }
    }
}
