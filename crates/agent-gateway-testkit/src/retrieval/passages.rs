//! What a query finds.
use std::sync::Arc;

use agent_gateway_core::ports::retrieval::ContextRetriever;
use futures::future::try_join_all;

use super::Library;
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq, skipped},
};

/// Each passage has a text, a source that a person can follow and a score that can be compared.
pub async fn an_answerable_query_finds_passages(
    fixture: &impl Fixture<dyn ContextRetriever, Guard: Library>,
) -> CaseResult {
    let (retriever, world) = fixture.fresh().await?;
    let passages = retriever.retrieve(&world.answerable()).await?;
    ensure!(!passages.is_empty(), "the query should find something");
    for passage in &passages {
        ensure!(!passage.text.trim().is_empty(), "a passage has no text: {passage:?}");
        ensure!(!passage.source.is_empty(), "a passage has no source: {passage:?}");
        ensure!(passage.score.is_finite(), "a passage has no score: {passage:?}");
    }
    Ok(())
}

/// Scores fall.
pub async fn the_best_passage_comes_first(
    fixture: &impl Fixture<dyn ContextRetriever, Guard: Library>,
) -> CaseResult {
    let (retriever, world) = fixture.fresh().await?;
    let passages = retriever.retrieve(&world.answerable()).await?;
    let falling = passages.is_sorted_by(|a, b| a.score >= b.score);
    ensure!(falling, "the best should come first: {passages:?}");
    Ok(())
}

/// All passages together stay within the characters that are wanted.
pub async fn passages_fit_the_wanted_size(
    fixture: &impl Fixture<dyn ContextRetriever, Guard: Library>,
) -> CaseResult {
    let (retriever, world) = fixture.fresh().await?;
    for max_chars in [0, 1, 10, 100, 4_000] {
        let mut query = world.answerable();
        query.max_chars = max_chars;
        let passages = retriever.retrieve(&query).await?;
        let size: usize = passages.iter().map(|passage| passage.text.chars().count()).sum();
        ensure!(size <= max_chars, "{max_chars} characters are wanted, the passages have {size}");
    }
    Ok(())
}

/// Nothing found is an empty list, not an error.
pub async fn an_unanswerable_query_finds_nothing(
    fixture: &impl Fixture<dyn ContextRetriever, Guard: Library>,
) -> CaseResult {
    let (retriever, world) = fixture.fresh().await?;
    let Some(query) = world.unanswerable() else {
        return Err(skipped("the retriever always finds something"));
    };
    let passages = retriever.retrieve(&query).await?;
    ensure!(passages.is_empty(), "nothing fits, and it found {passages:?}");
    Ok(())
}

/// Many runs share one retriever, and each gets the answer to its own query.
pub async fn queries_at_the_same_time_do_not_mix(
    fixture: &impl Fixture<dyn ContextRetriever, Guard: Library>,
) -> CaseResult {
    let (retriever, world) = fixture.fresh().await?;
    let query = world.answerable();
    let alone = retriever.retrieve(&query).await?;
    let other = world.unanswerable().unwrap_or_else(|| world.answerable());
    let queries: Vec<_> = (0..8).map(|number| if number % 2 == 0 { &query } else { &other }).collect();
    let ask = |query| {
        let retriever = Arc::clone(&retriever);
        async move { retriever.retrieve(query).await }
    };
    let answers = try_join_all(queries.into_iter().map(ask)).await?;
    for answer in answers.iter().step_by(2) {
        ensure_eq!(*answer, alone, "the answer to the same query beside others");
    }
    Ok(())
}
