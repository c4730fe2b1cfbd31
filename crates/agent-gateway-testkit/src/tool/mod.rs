//! What every [`Tool`] keeps: a spec that stands, and calls that do not disturb each other.
//!
//! A tool's world must know how to call it: its guard implements [`Calls`].
use agent_gateway_core::{
    JsonMap,
    id::{AgentId, ExecutionId},
    ports::tool::Tool,
    tool::ToolContext,
};
use async_trait::async_trait;

use crate::{
    fixture::Fixture,
    suite::{Finding, suite},
};

pub mod calls;
pub mod spec;

suite!($ tool, tool_suite, [Fixture<dyn Tool, Guard: Calls>], {
    spec: [
        the_spec_is_always_the_same,
        the_parameters_describe_an_object,
    ],
    calls: [
        a_good_call_is_answered,
        calls_at_the_same_time_are_all_answered,
        a_failing_call_says_what_to_do_differently,
        an_error_holds_no_secret,
        dropping_a_call_stops_it,
    ],
});

/// How a tool can be called in its world.
#[async_trait]
pub trait Calls: Sync {
    /// Arguments that fit the schema and that the tool can answer.
    fn good(&self) -> JsonMap;

    /// Arguments that fit the schema and that the tool cannot answer; `None` when there are none.
    fn failing(&self) -> Option<JsonMap>;

    /// Arguments of a call that runs until it is dropped; `None` when there are none.
    fn endless(&self) -> Option<JsonMap>;

    /// Waits until an endless call is under way.
    async fn endless_begun(&self);

    /// Waits until an endless call and everything that it started have stopped.
    async fn endless_stopped(&self);
}

fn context() -> Result<ToolContext, Finding> {
    Ok(ToolContext::root(ExecutionId::generate(), AgentId::new("helper")?))
}
