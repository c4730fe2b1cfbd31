//! What the provider says arrives whole.
use agent_gateway_core::ports::model::{Delivery, FinishReason, LanguageModel, ModelExt};
use serde_json::{Value, json};

use super::{Scene, Stage};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure_eq, skipped},
};

const TEXT: &str = "First line\nGrüße, 世界 🌍 \"quoted\" \\ {braces}\n\n  last line";

fn calls() -> Vec<(String, Value)> {
    vec![
        ("add".to_owned(), json!({"a": 1, "text": "two\n\"three\""})),
        ("list".to_owned(), json!({})),
        ("add".to_owned(), json!({"nested": {"list": [1, null, "ä"]}})),
    ]
}

/// Byte for byte, with the reason why the model stopped.
pub async fn a_text_comes_back_as_it_was(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let Some(request) = world.play(Scene::Text(TEXT.to_owned())).await else {
        return Err(skipped("the fixture cannot stage a text"));
    };
    let answer = model.complete(request).await?;
    ensure_eq!(&*answer.text, TEXT, "the text");
    ensure_eq!(answer.tool_calls.len(), 0, "how many calls a text asks for");
    ensure_eq!(answer.reason, FinishReason::Stop, "why the model stopped");
    Ok(())
}

/// Names and arguments, each call with an id of its own.
pub async fn tool_calls_come_back_in_their_order(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let Some(request) = world.play(Scene::Calls(calls())).await else {
        return Err(skipped("the fixture cannot stage tool calls"));
    };
    let answer = model.complete(request).await?;
    let asked = answer.tool_calls.iter().map(|call| (call.name.to_string(), call.arguments.to_json()));
    ensure_eq!(asked.collect::<Vec<_>>(), calls(), "the calls");
    ensure_eq!(answer.reason, FinishReason::ToolCalls, "why the model stopped");
    let mut ids: Vec<_> = answer.tool_calls.iter().map(|call| &call.id).collect();
    ids.sort();
    ids.dedup();
    ensure_eq!(ids.len(), calls().len(), "how many different ids the calls have");
    Ok(())
}

/// Piece by piece or at once, the fold is the same.
pub async fn both_deliveries_give_the_same_answer(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    for scene in [Scene::Text(TEXT.to_owned()), Scene::Calls(calls())] {
        let mut answers = Vec::new();
        for delivery in [Delivery::Whole, Delivery::Incremental] {
            let (model, world) = fixture.fresh().await?;
            let Some(mut request) = world.play(scene.clone()).await else {
                return Err(skipped(format!("the fixture cannot stage {scene:?}")));
            };
            request.delivery = delivery;
            let answer = model.complete(request).await?;
            let calls: Vec<_> =
                answer.tool_calls.into_iter().map(|call| (call.name, call.arguments)).collect();
            answers.push((answer.text, calls, answer.usage, answer.reason));
        }
        ensure_eq!(answers.first(), answers.last(), "the whole answer and the one in pieces");
    }
    Ok(())
}

/// Many runs share one model, and each gets its own answer.
pub async fn answers_at_the_same_time_do_not_mix(
    fixture: &impl Fixture<dyn LanguageModel, Guard: Stage>,
) -> CaseResult {
    let (model, world) = fixture.fresh().await?;
    let (one, two) = (Scene::Text("one".to_owned()), Scene::Text("two".to_owned()));
    let (Some(first), Some(second)) = (world.play(one).await, world.play(two).await) else {
        return Err(skipped("the fixture cannot stage two texts"));
    };
    let (first, second) = tokio::join!(model.complete(first), model.complete(second));
    let mut texts = [first?.text.to_string(), second?.text.to_string()];
    texts.sort();
    ensure_eq!(texts, ["one", "two"], "both answers");
    Ok(())
}
