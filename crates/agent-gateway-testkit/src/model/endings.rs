//! An answer ends once, and whoever does not want it can leave.
use agent_gateway_core::{
    ErrorKind, Retry,
    ports::model::{Delivery, LanguageModel, ModelEvent},
};
use futures::StreamExt;

use super::{PATIENCE, Scene, Stage, listen};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq, skipped},
};

/// Exactly one `Finished`, after which there is nothing more.
pub async fn a_stream_has_one_finish_at_its_end(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let Some(mut request) = world.play(Scene::Text("one two three".to_owned())).await else {
        return Err(skipped("the fixture cannot stage a text"));
    };
    request.delivery = Delivery::Incremental;
    let heard = listen(&*model, request).await?;
    if let Some(error) = heard.error {
        return Err(error.into());
    }
    let ends = heard.events.iter().filter(|event| matches!(event, ModelEvent::Finished { .. })).count();
    ensure_eq!(ends, 1, "how often the stream finished");
    ensure_eq!(heard.afterwards, 0, "how much came after the end");
    Ok(())
}

/// Half an answer is an error that may be retried, never a short answer.
pub async fn an_answer_that_is_cut_off_is_unavailable(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    for delivery in [Delivery::Whole, Delivery::Incremental] {
        let (model, world) = fixture.fresh().await?;
        let Some(mut request) = world.play(Scene::CutOff).await else {
            return Err(skipped("the fixture cannot cut an answer off"));
        };
        request.delivery = delivery;
        let heard = listen(&*model, request).await?;
        let Some(error) = heard.error else {
            return Err(broken(format!("an answer that is cut off ended with {:?}", heard.events.last())));
        };
        ensure_eq!(error.kind(), ErrorKind::Unavailable, "the kind of {error:?}");
        ensure!(!error.message().is_empty(), "the error says nothing");
    }
    Ok(())
}

/// A request that is wrong stays wrong, and there is no answer beside the error.
pub async fn a_refused_request_is_an_error_without_an_answer(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let Some(request) = world.play(Scene::Refuse).await else {
        return Err(skipped("the fixture cannot refuse"));
    };
    let heard = listen(&*model, request).await?;
    let Some(error) = heard.error else {
        return Err(broken(format!("a refused request was answered: {:?}", heard.events)));
    };
    ensure_eq!(error.retry(), Retry::Never, "whether {error:?} may be retried");
    ensure!(heard.events.is_empty(), "a refused request was answered before the error: {:?}", heard.events);
    Ok(())
}

/// An error is an end too.
pub async fn nothing_follows_an_error(fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let Some(mut request) = world.play(Scene::CutOff).await else {
        return Err(skipped("the fixture cannot cut an answer off"));
    };
    request.delivery = Delivery::Incremental;
    let heard = listen(&*model, request).await?;
    ensure_eq!(heard.afterwards, 0, "how much came after the error");
    Ok(())
}

/// The provider sees that nobody listens any more.
pub async fn dropping_the_stream_stops_the_call(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let Some(mut request) = world.play(Scene::Hang).await else {
        return Err(skipped("the fixture cannot hang"));
    };
    request.delivery = Delivery::Incremental;
    let mut stream = model.stream(request).await?;
    let first = tokio::time::timeout(PATIENCE, stream.next()).await;
    ensure!(matches!(first, Ok(Some(Ok(_)))), "something should come before the silence, it was {first:?}");
    drop(stream);
    tokio::time::timeout(PATIENCE, world.caller_gone())
        .await
        .map_err(|_| broken(format!("the call still ran {PATIENCE:?} after its stream was dropped")))
}
