use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    JsonMap, Result, Timestamp,
    agent::Activation,
    id::{AgentId, ScheduleId, UserId},
    page::{Page, PageRequest},
    principal::Visibility,
};

/// A stored schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleRecord {
    /// Its id, such as `agent:name`.
    pub id: ScheduleId,
    /// The agent that it runs.
    pub agent_id: AgentId,
    /// Its name.
    pub name: String,
    /// The five fields of the cron expression.
    pub cron_expr: String,
    /// What the agent is told.
    pub message: String,
    /// Instructions for the prompt.
    pub instructions: Option<String>,
    /// The structured input.
    pub input: JsonMap,
    /// Whether it fires.
    pub activation: Activation,
    /// The IANA zone.
    pub timezone: String,
    /// Whose it is.
    pub owner: ScheduleOwner,
    /// When it last fired.
    pub last_run_at: Option<Timestamp>,
    /// When it fires next.
    pub next_run_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl ScheduleRecord {
    /// An active schedule in UTC without input.
    pub fn new(
        id: ScheduleId,
        agent_id: AgentId,
        cron_expr: impl Into<String>,
        message: impl Into<String>,
        owner: ScheduleOwner,
        created_at: Timestamp,
    ) -> Self {
        Self {
            name: id.as_str().rsplit(':').next().unwrap_or_default().to_owned(),
            id,
            agent_id,
            cron_expr: cron_expr.into(),
            message: message.into(),
            instructions: None,
            input: JsonMap::new(),
            activation: Activation::Active,
            timezone: "UTC".to_owned(),
            owner,
            last_run_at: None,
            next_run_at: None,
            created_at,
        }
    }
}

/// Whose a schedule is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleOwner {
    /// An `AGENT.md`.
    Workspace,
    /// An administrator, through the API.
    Admin,
    /// A user.
    User(UserId),
}

impl ScheduleOwner {
    /// The word of the store's `source` column.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Admin => "admin",
            Self::User(_) => "user",
        }
    }

    /// The user, where it is one's.
    #[must_use]
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            _ => None,
        }
    }
}

/// Schedules of the workspace, of administrators and of users.
#[async_trait]
pub trait ScheduleStore: Send + Sync {
    /// Stores a new schedule. A taken id is `AlreadyExists`; the id of a deleted one may be used again.
    async fn create(&self, schedule: &ScheduleRecord) -> Result<()>;

    /// Replaces the definition of a schedule and keeps `last_run_at` and `created_at`. An unknown id is `NotFound`.
    async fn update(&self, schedule: &ScheduleRecord) -> Result<()>;

    /// The schedule, `None` when there is none, it was deleted, or `who` may not see it. Schedules without a user are seen by all.
    async fn get(&self, id: &ScheduleId, who: &Visibility) -> Result<Option<ScheduleRecord>>;

    /// Schedules by the time they were made, the deleted ones left out.
    async fn list(&self, who: &Visibility, page: PageRequest) -> Result<Page<ScheduleRecord>>;

    /// Switches it on or off; answers whether there is one.
    async fn activate(&self, id: &ScheduleId, activation: Activation) -> Result<bool>;

    /// Records that it fired for `due` and fires next at `next`, if `next_run_at` is still `due`. Of several processes
    /// that try, one gets `true`.
    async fn claim(&self, id: &ScheduleId, due: Timestamp, next: Option<Timestamp>) -> Result<bool>;

    /// Deletes it; answers whether there was one.
    async fn delete(&self, id: &ScheduleId) -> Result<bool>;
}
