//! An agent as its `AGENT.md` defines it.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    execution::Guardrails,
    id::{AgentId, ModelName},
};

/// A folder with an `AGENT.md`: a prompt and its settings.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AgentDefinition {
    /// The directory's name.
    pub id: AgentId,
    /// What it is for, empty when the file does not say.
    pub description: String,
    /// The name shown to people.
    pub display_name: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The version, as text.
    pub version: Option<String>,
    /// The prompt: the file's body.
    pub prompt: Arc<str>,
    /// The body of its `BEHAVIOR.md`, empty when there is none.
    pub behavior: Arc<str>,
    /// The files of `context/` and of the `context` key, in order.
    pub context: Vec<Arc<str>>,
    /// The directory names of its skills, as written.
    pub skills: Vec<String>,
    /// The names of its retrievers.
    pub retrievers: Vec<String>,
    /// The names of its MCP servers.
    pub mcp_servers: Vec<String>,
    /// Which agents it may hand work to.
    pub delegates_to: Delegates,
    /// Its own limits; what is absent comes from the gateway's configuration.
    pub guardrails: Guardrails,
    /// The model and its settings; what is absent comes from the gateway's configuration.
    pub model: ModelSettings,
    /// Whether a call waits for the answer or is queued.
    pub execution_mode: ExecutionMode,
    /// Whether it serves everyone alike or each user by their own settings.
    pub scope: AgentScope,
    /// The JSON Schema of a user's settings.
    pub setup_schema: Option<Arc<Value>>,
    /// The JSON Schema of the input.
    pub input_schema: Option<Arc<Value>>,
    /// The JSON Schema of the output.
    pub output_schema: Option<Arc<Value>>,
    /// What it remembers.
    pub memory: MemorySettings,
    /// When it runs by itself.
    pub schedules: Vec<ScheduleDefinition>,
    /// Who is told how its runs ended.
    pub notifications: NotificationSettings,
    /// Whether it may be invoked.
    pub availability: Availability,
}

impl AgentDefinition {
    /// An enabled agent with a prompt and nothing else.
    pub fn new(id: AgentId, prompt: impl Into<Arc<str>>) -> Self {
        Self {
            id,
            description: String::new(),
            display_name: None,
            tags: Vec::new(),
            version: None,
            prompt: prompt.into(),
            behavior: "".into(),
            context: Vec::new(),
            skills: Vec::new(),
            retrievers: Vec::new(),
            mcp_servers: Vec::new(),
            delegates_to: Delegates::Anyone,
            guardrails: Guardrails::default(),
            model: ModelSettings::default(),
            execution_mode: ExecutionMode::Sync,
            scope: AgentScope::Global,
            setup_schema: None,
            input_schema: None,
            output_schema: None,
            memory: MemorySettings::default(),
            schedules: Vec::new(),
            notifications: NotificationSettings::default(),
            availability: Availability::Enabled,
        }
    }
}

/// Which agents an agent may hand work to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Delegates {
    /// All others: its file does not say.
    #[default]
    Anyone,
    /// These alone; none of them: nobody.
    Only(Vec<String>),
}

impl Delegates {
    /// Whether it may hand work to the agent of that id.
    #[must_use]
    pub fn allows(&self, agent: &str) -> bool {
        match self {
            Self::Anyone => true,
            Self::Only(agents) => agents.iter().any(|allowed| allowed == agent),
        }
    }

    /// The agents that are named; none where all are meant.
    #[must_use]
    pub fn named(&self) -> &[String] {
        match self {
            Self::Anyone => &[],
            Self::Only(agents) => agents,
        }
    }
}

/// An agent's own model settings; what is absent is inherited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSettings {
    /// The model.
    pub name: Option<ModelName>,
    /// The temperature.
    pub temperature: Option<f64>,
    /// The most tokens of one answer.
    pub max_tokens: Option<u32>,
    /// The model to turn to when the first one fails.
    pub fallback: Option<ModelName>,
}

/// Whether a call waits for the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionMode {
    /// It waits, unless the caller asks for a queued run.
    #[default]
    Sync,
    /// It is always queued.
    Async,
}

impl ExecutionMode {
    /// The word of the file and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
        }
    }
}

/// Whom an agent serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentScope {
    /// Everyone alike.
    #[default]
    Global,
    /// Each user by their own settings, once these are made.
    Personal,
}

/// Whether an agent may be invoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// It may.
    #[default]
    Enabled,
    /// It is listed, and refuses.
    Disabled,
}

/// What an agent remembers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemorySettings {
    /// Whether it remembers at all.
    pub activation: Activation,
    /// Whether facts are taken from conversations; absent: as the gateway's configuration says.
    pub extraction: Option<Activation>,
    /// The most characters of memory in the prompt.
    pub max_injected_chars: Option<u32>,
    /// The most lines of `MEMORY.md`.
    pub max_memory_md_lines: Option<u32>,
}

/// Switched on or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// On.
    Active,
    /// Off.
    #[default]
    Inactive,
}

impl Activation {
    /// Reads the boolean of a file.
    #[must_use]
    pub fn from_flag(flag: bool) -> Self {
        if flag { Self::Active } else { Self::Inactive }
    }

    /// Whether it is on.
    #[must_use]
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}

/// A schedule in an agent's file.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleDefinition {
    /// The name, unique within the agent.
    pub name: String,
    /// The five fields of the cron expression.
    pub cron: String,
    /// What the agent is told.
    pub message: String,
    /// The structured input.
    pub input: crate::JsonMap,
    /// Whether it fires.
    pub activation: Activation,
    /// The IANA zone; absent: the gateway's.
    pub timezone: Option<String>,
    /// Instructions added to the prompt when it fires.
    pub instructions: Option<String>,
}

/// Who is told how an agent's runs ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotificationSettings {
    /// Told of completed runs.
    pub on_complete: Vec<NotificationTarget>,
    /// Told of failed and cancelled runs.
    pub on_error: Vec<NotificationTarget>,
    /// Told of runs that took too long.
    pub on_timeout: Vec<NotificationTarget>,
}

impl NotificationSettings {
    /// Whether nobody is told anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.on_complete.is_empty() && self.on_error.is_empty() && self.on_timeout.is_empty()
    }
}

/// One receiver of notifications.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationTarget {
    /// `slack` or `webhook`.
    pub channel: String,
    /// A channel's or an endpoint's name.
    pub target: String,
    /// The name of a message template.
    pub template: Option<String>,
    /// The address of an inline webhook.
    pub url: Option<String>,
    /// The payload template of an inline webhook.
    pub payload_template: Option<String>,
}
