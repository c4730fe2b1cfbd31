//! Sums over executions.
use std::collections::BTreeMap;

use async_trait::async_trait;

use super::executions::{Executions, Stored};
use crate::{
    Result,
    execution::{ExecutionStatus, LogEvent, ModelTurn},
    ports::persistence::{AnalyticsStore, CostGroup, CostRow, CostWindow},
    principal::Visibility,
};

#[async_trait]
impl AnalyticsStore for Executions {
    async fn cost(&self, window: CostWindow, group: CostGroup, who: &Visibility) -> Result<Vec<CostRow>> {
        let rows = self.table.rows()?;
        let mut sums: BTreeMap<String, CostRow> = BTreeMap::new();
        for stored in rows.all() {
            let execution = &stored.execution;
            let inside = (window.since..window.until).contains(&execution.created_at);
            if !inside || !who.allows(execution.user_id.as_ref()) {
                continue;
            }
            for part in parts(group, stored) {
                let sum = sums.entry(part.group.clone()).or_insert_with(|| empty(part.group.clone()));
                sum.executions += part.executions;
                sum.completed += part.completed;
                sum.input_tokens += part.input_tokens;
                sum.output_tokens += part.output_tokens;
                sum.cost_usd += part.cost_usd;
            }
        }
        Ok(sums.into_values().collect())
    }
}

/// What one execution adds to the sums of its groups.
fn parts(group: CostGroup, stored: &Stored) -> Vec<CostRow> {
    let execution = &stored.execution;
    let name = match group {
        CostGroup::Agent => execution.agent_id.to_string(),
        CostGroup::User => execution.user_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        CostGroup::Day => execution.created_at.strftime("%Y-%m-%d").to_string(),
        CostGroup::Model => return by_model(stored),
    };
    let mut part = once(name, execution.status);
    if let Some(usage) = &execution.usage {
        part.input_tokens = usage.input_tokens;
        part.output_tokens = usage.output_tokens;
        part.cost_usd = usage.cost_usd;
    }
    vec![part]
}

fn by_model(stored: &Stored) -> Vec<CostRow> {
    let turns = stored.log.iter().filter_map(|entry| match &entry.event {
        LogEvent::ModelTurn(turn) => Some(turn),
        _ => None,
    });
    let mut parts: BTreeMap<&str, CostRow> = BTreeMap::new();
    for ModelTurn { model, tokens, cost_usd, .. } in turns {
        let first = || once(model.to_string(), stored.execution.status);
        let part = parts.entry(model.as_str()).or_insert_with(first);
        part.input_tokens += tokens.input_tokens;
        part.output_tokens += tokens.output_tokens;
        part.cost_usd += cost_usd.unwrap_or_default();
    }
    parts.into_values().collect()
}

fn once(group: String, status: ExecutionStatus) -> CostRow {
    let completed = u64::from(status == ExecutionStatus::Completed);
    CostRow { executions: 1, completed, ..empty(group) }
}

fn empty(group: String) -> CostRow {
    CostRow { group, executions: 0, completed: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0.0 }
}
