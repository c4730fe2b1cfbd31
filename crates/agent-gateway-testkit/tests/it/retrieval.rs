use std::sync::Arc;

use agent_gateway_core::{
    Result,
    id::AgentId,
    ports::retrieval::{ContextRetriever, Passage, RetrievalQuery},
};
use agent_gateway_testkit::{
    Fixture,
    retrieval::{self, Library},
};
use async_trait::async_trait;

/// Whether a shelf counts what it hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Counted,
    Ignored,
}

/// Finds the lines that hold the query's text.
#[derive(Debug)]
struct Shelf(Size);

const LINES: [&str; 3] = ["tea is green", "tea is black or green or white", "coffee is black"];

#[async_trait]
impl ContextRetriever for Shelf {
    async fn retrieve(&self, query: &RetrievalQuery) -> Result<Vec<Passage>> {
        let mut left = query.max_chars;
        let mut found = Vec::new();
        for (number, line) in LINES.iter().enumerate().filter(|(_, line)| line.contains(&query.text)) {
            if self.0 == Size::Counted {
                if line.len() > left {
                    continue;
                }
                left -= line.len();
            }
            let source = format!("line {number}");
            found.push(Passage { text: (*line).into(), source, score: 1.0 / line.len() as f64 });
        }
        Ok(found)
    }
}

struct Shelves(Size);
struct Catalogue;

fn query(text: &str) -> RetrievalQuery {
    RetrievalQuery::new(text, AgentId::new("helper").unwrap(), 4_000)
}

impl Library for Catalogue {
    fn answerable(&self) -> RetrievalQuery {
        query("tea")
    }
    fn unanswerable(&self) -> Option<RetrievalQuery> {
        Some(query("water"))
    }
}

#[async_trait]
impl Fixture<dyn ContextRetriever> for Shelves {
    type Guard = Catalogue;
    async fn fresh(&self) -> Result<(Arc<dyn ContextRetriever>, Catalogue)> {
        Ok((Arc::new(Shelf(self.0)), Catalogue))
    }
    async fn reopen(&self, _guard: &Catalogue) -> Result<Option<Arc<dyn ContextRetriever>>> {
        Ok(None)
    }
}

agent_gateway_testkit::retrieval_suite!(Shelves(Size::Counted));

#[tokio::test(start_paused = true)]
async fn a_retriever_that_ignores_the_wanted_size_is_found() {
    let report = retrieval::conforms(&Shelves(Size::Ignored)).await;
    assert_eq!(report.failed(), ["passages_fit_the_wanted_size"], "{report}");
}
