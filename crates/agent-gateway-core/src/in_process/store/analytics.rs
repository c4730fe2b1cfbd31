//! Sums over executions.
use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Table, executions::Rows};
use crate::{
    Result,
    execution::{Execution, ExecutionStatus},
    ports::persistence::{AnalyticsStore, CostGroup, CostRow, CostWindow},
    principal::Visibility,
};

#[async_trait]
impl AnalyticsStore for Table<Rows> {
    async fn cost(&self, window: CostWindow, group: CostGroup, who: &Visibility) -> Result<Vec<CostRow>> {
        let rows = self.rows()?;
        let mut sums: BTreeMap<String, CostRow> = BTreeMap::new();
        for execution in rows.all() {
            let inside = (window.since..window.until).contains(&execution.created_at);
            if inside && who.allows(execution.user_id.as_ref()) {
                let name = name(group, execution);
                add(sums.entry(name.clone()).or_insert_with(|| empty(name)), execution);
            }
        }
        Ok(sums.into_values().collect())
    }
}

fn name(group: CostGroup, execution: &Execution) -> String {
    match group {
        CostGroup::Agent => execution.agent_id.to_string(),
        CostGroup::User => execution.user_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        CostGroup::Day => execution.created_at.strftime("%Y-%m-%d").to_string(),
    }
}

fn empty(group: String) -> CostRow {
    CostRow { group, executions: 0, completed: 0, input_tokens: 0, output_tokens: 0, cost_usd: 0.0 }
}

fn add(sum: &mut CostRow, execution: &Execution) {
    sum.executions += 1;
    sum.completed += u64::from(execution.status == ExecutionStatus::Completed);
    if let Some(usage) = &execution.usage {
        sum.input_tokens += usage.input_tokens;
        sum.output_tokens += usage.output_tokens;
        sum.cost_usd += usage.cost_usd;
    }
}
