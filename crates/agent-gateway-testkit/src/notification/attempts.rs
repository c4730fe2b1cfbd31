//! One attempt, and what its answer means.
use agent_gateway_core::{ErrorKind, Retry, ports::notification::NotificationBackend};

use super::{Behaviour, Receiver, notice};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq, expect_kind},
};

/// `Ok` means that the receiver took it.
pub async fn a_delivered_notice_arrives(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    world.behave(Behaviour::Accept).await;
    channel.deliver(&notice()?, &world.target()).await?;
    ensure_eq!(world.received().await.len(), 1, "how many notices arrived");
    Ok(())
}

/// A receiver can tell a repeat: both carry the notice's id.
pub async fn a_repeated_notice_carries_the_same_id(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    world.behave(Behaviour::Accept).await;
    let notice = notice()?;
    for _ in 0..2 {
        channel.deliver(&notice, &world.target()).await?;
    }
    let received = world.received().await;
    ensure_eq!(received.len(), 2, "how many attempts arrived");
    let named = received.iter().all(|text| text.contains(&notice.id));
    ensure!(named, "each attempt should carry {:?}: {received:?}", notice.id);
    Ok(())
}

/// A receiver that says no will say no again: nobody asks a second time.
pub async fn a_refusal_is_final(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    world.behave(Behaviour::Refuse).await;
    let answer = channel.deliver(&notice()?, &world.target()).await;
    let Err(error) = answer else {
        return Err(broken(format!("the receiver refused, and the answer is {answer:?}")));
    };
    let named = matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Forbidden);
    ensure!(named, "a refusal should be Invalid or Forbidden, it was {error:?}");
    ensure!(!matches!(error.retry(), Retry::Later(_)), "a refusal should not be repeated: {error:?}");
    Ok(())
}

/// A receiver that is away may come back: the outbox tries again.
pub async fn an_absent_receiver_is_unavailable(
    fixture: &impl Fixture<dyn NotificationBackend, Guard: Receiver>,
) -> CaseResult {
    let (channel, world) = fixture.fresh().await?;
    world.behave(Behaviour::Away).await;
    let notice = notice()?;
    let answer = channel.deliver(&notice, &world.target()).await;
    let later = answer.as_ref().err().map(|error| matches!(error.retry(), Retry::Later(_)));
    expect_kind(answer, ErrorKind::Unavailable, "a delivery to a receiver that is away")?;
    ensure_eq!(later, Some(true), "whether the attempt may be repeated");
    world.behave(Behaviour::Accept).await;
    channel.deliver(&notice, &world.target()).await?;
    ensure_eq!(world.received().await.len(), 1, "how many notices arrived when the receiver was back");
    Ok(())
}
