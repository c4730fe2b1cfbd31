//! What happens in a call.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use agent_gateway_core::{ports::tool::Tool, secret::Secret};
use futures::future::join_all;

use super::{Calls, context};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, skipped},
};

/// How long a call may take to begin or to stop.
const PATIENCE: Duration = Duration::from_secs(15);
const SECRET: &str = "s3cret-of-the-caller";

/// Good arguments get an answer.
pub async fn a_good_call_is_answered(fixture: &impl Fixture<dyn Tool, Guard: Calls>) -> CaseResult {
    let (tool, world) = fixture.fresh().await?;
    tool.call(world.good(), &context()?).await?;
    Ok(())
}

/// A run makes several calls at once, and several runs do.
pub async fn calls_at_the_same_time_are_all_answered(
    fixture: &impl Fixture<dyn Tool, Guard: Calls>,
) -> CaseResult {
    let (tool, world) = fixture.fresh().await?;
    let context = context()?;
    let answers = join_all((0..8).map(|_| tool.call(world.good(), &context))).await;
    for answer in answers {
        answer?;
    }
    Ok(())
}

/// The message goes to the model, so there is one; the tool is fine afterwards.
pub async fn a_failing_call_says_what_to_do_differently(
    fixture: &impl Fixture<dyn Tool, Guard: Calls>,
) -> CaseResult {
    let (tool, world) = fixture.fresh().await?;
    let Some(arguments) = world.failing() else {
        return Err(skipped("the tool answers everything"));
    };
    let answer = tool.call(arguments, &context()?).await;
    let Err(error) = answer else {
        return Err(broken(format!("the call should fail, it answered {answer:?}")));
    };
    ensure!(!error.message().trim().is_empty(), "the error says nothing");
    tool.call(world.good(), &context()?).await?;
    Ok(())
}

/// The caller's secrets go to the tool, and not from there to the model.
pub async fn an_error_holds_no_secret(fixture: &impl Fixture<dyn Tool, Guard: Calls>) -> CaseResult {
    let (tool, world) = fixture.fresh().await?;
    let Some(arguments) = world.failing() else {
        return Err(skipped("the tool answers everything"));
    };
    let mut context = context()?;
    context.user_secrets = Arc::new(BTreeMap::from([("token".to_owned(), Secret::new(SECRET))]));
    if let Err(error) = tool.call(arguments, &context).await {
        ensure!(!format!("{error:?}").contains(SECRET), "the error holds a secret of the caller");
    }
    Ok(())
}

/// A run that stops leaves nothing behind that still works for it.
pub async fn dropping_a_call_stops_it(fixture: &impl Fixture<dyn Tool, Guard: Calls>) -> CaseResult {
    let (tool, world) = fixture.fresh().await?;
    let Some(arguments) = world.endless() else {
        return Err(skipped("no call of the tool is endless"));
    };
    let context = context()?;
    let mut call = tool.call(arguments, &context);
    tokio::select! {
        answer = &mut call => return Err(broken(format!("an endless call answered {answer:?}"))),
        () = world.endless_begun() => {}
        () = tokio::time::sleep(PATIENCE) => return Err(broken("an endless call did not begin")),
    }
    drop(call);
    tokio::time::timeout(PATIENCE, world.endless_stopped())
        .await
        .map_err(|_| broken(format!("the call still ran {PATIENCE:?} after it was dropped")))
}
