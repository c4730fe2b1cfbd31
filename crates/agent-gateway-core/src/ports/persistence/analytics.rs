use async_trait::async_trait;

use crate::{Result, Timestamp, principal::Visibility};

/// The time that a sum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostWindow {
    /// Executions accepted at or after.
    pub since: Timestamp,
    /// Executions accepted before.
    pub until: Timestamp,
}

/// What a sum is grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CostGroup {
    /// The agent.
    Agent,
    /// The owner.
    User,
    /// The calendar day in UTC.
    Day,
    /// The model that answered, as its provider names it. An execution counts for every model that took part, its tokens
    /// and its cost for the model that consumed them.
    Model,
}

/// The sum of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct CostRow {
    /// The agent, the user (empty without one), or the day as `YYYY-MM-DD`, or the model.
    pub group: String,
    /// How many executions.
    pub executions: u64,
    /// How many of them completed.
    pub completed: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Cost in USD.
    pub cost_usd: f64,
}

/// Sums over many executions.
#[async_trait]
pub trait AnalyticsStore: Send + Sync {
    /// Sums of the executions in the window, by group, in the order of the groups' names.
    async fn cost(&self, window: CostWindow, group: CostGroup, who: &Visibility) -> Result<Vec<CostRow>>;
}
