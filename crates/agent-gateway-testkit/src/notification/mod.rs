//! What every [`NotificationBackend`] keeps: one honest attempt, and targets judged before anything happens.
//!
//! A channel's world must be able to receive: its guard implements [`Receiver`].
use agent_gateway_core::{
    agent::NotificationTarget,
    clock::{Clock, SystemClock},
    execution::ExecutionStatus,
    id::{AgentId, ExecutionId},
    ports::notification::{Notice, NotificationBackend},
};
use async_trait::async_trait;

use crate::{
    fixture::Fixture,
    suite::{Finding, suite},
};

pub mod attempts;
pub mod targets;

suite!($ notification, notification_suite, [Fixture<dyn NotificationBackend, Guard: Receiver>], {
    targets: [
        a_good_target_is_accepted,
        a_bad_target_is_invalid,
        a_target_of_another_channel_is_invalid,
    ],
    attempts: [
        a_delivered_notice_arrives,
        a_repeated_notice_carries_the_same_id,
        a_refusal_is_final,
        an_absent_receiver_is_unavailable,
    ],
});

/// The other end of a channel, as a test stages it.
#[async_trait]
pub trait Receiver {
    /// A target that can be served.
    fn target(&self) -> NotificationTarget;

    /// Targets of this channel that cannot be served, such as one without an address.
    fn bad_targets(&self) -> Vec<NotificationTarget>;

    /// Makes the receiver answer like this from now on.
    async fn behave(&self, how: Behaviour);

    /// What arrived and was taken so far, in order, as text in which the notice's id can be found.
    async fn received(&self) -> Vec<String>;
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// It takes what comes.
    Accept,
    /// It refuses for good.
    Refuse,
    /// It is away, or says that it is overloaded.
    Away,
}

fn notice() -> Result<Notice, Finding> {
    let id = ExecutionId::generate();
    let agent = AgentId::new("helper")?;
    Ok(Notice::new(format!("notice-{id}"), id, agent, ExecutionStatus::Completed, SystemClock.now()))
}
