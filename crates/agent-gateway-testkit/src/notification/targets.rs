//! Targets are judged when they are loaded.
use agent_gateway_core::{ErrorKind, ports::notification::NotificationBackend};

use super::Receiver;
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq, expect_kind, skipped},
};

/// The channel's own word, and a target that names it.
pub async fn a_good_target_is_accepted(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    let target = world.target();
    ensure!(!channel.channel().is_empty(), "a channel has a word by which targets choose it");
    ensure_eq!(target.channel, channel.channel(), "the channel of the world's target");
    channel.check(&target)?;
    Ok(())
}

/// What cannot be served is told before it is needed.
pub async fn a_bad_target_is_invalid(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    let bad = world.bad_targets();
    for target in &bad {
        expect_kind(channel.check(target), ErrorKind::Invalid, &format!("the target {target:?}"))?;
    }
    if bad.is_empty() { Err(skipped("the fixture's world knows no bad target")) } else { Ok(()) }
}

/// A target that was meant for another channel is not taken over.
pub async fn a_target_of_another_channel_is_invalid(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    let mut target = world.target();
    target.channel = format!("not-{}", channel.channel());
    expect_kind(channel.check(&target), ErrorKind::Invalid, "a target of another channel")
}
