//! What is known before a call.
use agent_gateway_core::ports::tool::Tool;
use serde_json::Value;

use super::{Calls, context};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq},
};

/// Before a call, after it, from any thread.
pub async fn the_spec_is_always_the_same(fixture: &impl Fixture<dyn Tool, Guard: Calls>) -> CaseResult {
    let (tool, world) = fixture.fresh().await?;
    let before = tool.spec().clone();
    tool.call(world.good(), &context()?).await?;
    ensure_eq!(*tool.spec(), before, "the spec after a call");
    Ok(())
}

/// Providers take object schemas only, and a model needs to be told what a tool is for.
pub async fn the_parameters_describe_an_object(fixture: &impl Fixture<dyn Tool, Guard: Calls>) -> CaseResult {
    let (tool, _world) = fixture.fresh().await?;
    let spec = tool.spec();
    let kind = spec.parameters.get("type").and_then(Value::as_str);
    ensure_eq!(kind, Some("object"), "the `type` of the parameters");
    ensure!(!spec.description.trim().is_empty(), "the tool does not say what it does");
    Ok(())
}
