//! What every [`ContextRetriever`] keeps: fitting passages, best first, no more than wanted.
//!
//! A retriever's world must know what it holds: its guard implements [`Library`].
use agent_gateway_core::ports::retrieval::{ContextRetriever, RetrievalQuery};

use crate::{fixture::Fixture, suite::suite};

pub mod passages;

suite!($ retrieval, retrieval_suite, [Fixture<dyn ContextRetriever, Guard: Library>], {
    passages: [
        an_answerable_query_finds_passages,
        the_best_passage_comes_first,
        passages_fit_the_wanted_size,
        an_unanswerable_query_finds_nothing,
        queries_at_the_same_time_do_not_mix,
    ],
});

/// What a retriever's world holds.
pub trait Library {
    /// A query that finds something within 4 000 characters.
    fn answerable(&self) -> RetrievalQuery;

    /// A query that finds nothing; `None` for retrievers that always find something.
    fn unanswerable(&self) -> Option<RetrievalQuery>;
}
