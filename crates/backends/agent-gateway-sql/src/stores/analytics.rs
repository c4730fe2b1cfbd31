use agent_gateway_core::{
    Result,
    ports::persistence::{AnalyticsStore, CostGroup, CostRow, CostWindow},
    principal::Visibility,
};
use async_trait::async_trait;

use super::Stores;
use crate::{Database, RowExt, select::Select};

#[async_trait]
impl<D: Database> AnalyticsStore for Stores<D> {
    async fn cost(&self, window: CostWindow, group: CostGroup, who: &Visibility) -> Result<Vec<CostRow>> {
        let (parts, grouped) = match group {
            CostGroup::Agent => (by_execution("agent_id"), ""),
            CostGroup::User => (by_execution("coalesce(user_id, '')"), ""),
            // The first ten characters of an instant in UTC are its day.
            CostGroup::Day => (by_execution("substr(CAST(created_at AS TEXT), 1, 10)"), ""),
            CostGroup::Model => (by_model(), " GROUP BY e.id, e.status, word"),
            _ => return Err(agent_gateway_core::Error::unsupported("this store cannot sum by that group")),
        };
        let parts = parts
            .filter("e.created_at >= ?", [window.since.into()])
            .filter("e.created_at < ?", [window.until.into()])
            .visible("e.user_id = ?", who)
            .all(self.0.names());
        let sums = format!(
            "SELECT word, count(*) AS executions, sum(CASE WHEN status = 'completed' THEN 1 ELSE 0 END) AS completed, \
             CAST(coalesce(sum(input_tokens), 0) AS BIGINT) AS input_tokens, \
             CAST(coalesce(sum(output_tokens), 0) AS BIGINT) AS output_tokens, \
             coalesce(sum(cost_usd), 0.0) AS cost_usd FROM ({}{grouped}) AS found GROUP BY word ORDER BY word",
            parts.text
        );
        let statement = crate::Statement { text: sums.into(), args: parts.args };
        self.0.read(statement).await?.iter().map(sum).collect()
    }
}

/// A row for each execution.
fn by_execution(word: &str) -> Select {
    Select::new(&format!(
        "SELECT {word} AS word, status, CAST(usage ->> 'input_tokens' AS BIGINT) AS input_tokens, \
         CAST(usage ->> 'output_tokens' AS BIGINT) AS output_tokens, \
         CAST(usage ->> 'cost_usd' AS DOUBLE PRECISION) AS cost_usd FROM {{p}}executions AS e"
    ))
}

/// A row for each model of each execution, once it is grouped by those.
fn by_model() -> Select {
    Select::new(
        "SELECT l.data ->> 'model' AS word, e.status, \
         sum(CAST(l.data -> 'tokens' ->> 'input_tokens' AS BIGINT)) AS input_tokens, \
         sum(CAST(l.data -> 'tokens' ->> 'output_tokens' AS BIGINT)) AS output_tokens, \
         sum(CAST(l.data ->> 'cost_usd' AS DOUBLE PRECISION)) AS cost_usd \
         FROM {p}executions AS e JOIN {p}execution_log AS l ON l.execution_id = e.id AND l.kind = 'model_turn'",
    )
}

fn sum<R: RowExt>(row: &R) -> Result<CostRow> {
    Ok(CostRow {
        group: row.text("word")?.unwrap_or_default(),
        executions: row.count("executions")?,
        completed: row.count("completed")?,
        input_tokens: row.count("input_tokens")?,
        output_tokens: row.count("output_tokens")?,
        cost_usd: row.float("cost_usd")?.unwrap_or_default(),
    })
}
