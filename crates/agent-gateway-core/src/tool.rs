//! Tools as values: what the model is told of one, what a call is given, what it answers.
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    JsonMap,
    id::{AgentId, ExecutionId, ToolName, UserId},
    secret::Secret,
};

/// What is known of a tool before it is called.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolSpec {
    /// The name by which the model calls it.
    pub name: ToolName,
    /// What it does, for the model: for a file tool this includes the text of its file.
    pub description: Arc<str>,
    /// What it does, in a line for people and the API.
    pub summary: Arc<str>,
    /// The JSON Schema of its arguments, an object schema.
    pub parameters: Arc<Value>,
    /// Where it comes from.
    pub source: ToolSource,
    /// Who may use it.
    pub access: ToolAccess,
    /// Whether a person must agree before each call.
    pub approval: Approval,
    /// Whether a call that was under way when its process died may be made again.
    pub retry: ToolRetry,
}

impl ToolSpec {
    /// A tool for every agent, that needs no approval and may be retried.
    pub fn new(
        name: ToolName,
        description: impl Into<Arc<str>>,
        parameters: Value,
        source: ToolSource,
    ) -> Self {
        let description = description.into();
        Self {
            name,
            summary: description.clone(),
            description,
            parameters: Arc::new(parameters),
            source,
            access: ToolAccess::Everyone,
            approval: Approval::NotNeeded,
            retry: ToolRetry::Safe,
        }
    }
}

/// Where a tool comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolSource {
    /// A `TOOL.md`.
    File,
    /// The application that embeds the gateway.
    Code,
    /// An MCP server.
    Mcp,
}

/// Which agents may use a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolAccess {
    /// All of them.
    Everyone,
    /// These alone.
    Only(Vec<String>),
}

impl ToolAccess {
    /// Whether `agent` may use the tool.
    #[must_use]
    pub fn allows(&self, agent: &AgentId) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(agents) => agents.iter().any(|allowed| allowed == agent.as_str()),
        }
    }
}

/// Whether a person must agree before a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The call runs at once.
    NotNeeded,
    /// The call waits for a person.
    Required,
}

/// Whether a call that a crash cut off may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolRetry {
    /// It may, with the same idempotency key.
    Safe,
    /// It may not: the run fails with that reason.
    Never,
}

/// What a call knows of the run it belongs to. `handler.py` sees these fields by these names.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ToolContext {
    /// The execution that calls.
    pub execution_id: ExecutionId,
    /// The agent that calls.
    pub agent_id: AgentId,
    /// The identity of the caller of the execution.
    pub caller_identity: Option<UserId>,
    /// The structured input of the execution.
    pub metadata: Arc<JsonMap>,
    /// The caller's secrets for this agent, in clear: they go to the tool and nowhere else.
    #[serde(serialize_with = "reveal")]
    pub user_secrets: Arc<BTreeMap<String, Secret>>,
    /// The caller's settings for this agent.
    pub user_config: Arc<JsonMap>,
    /// The execution that delegated to this one.
    pub parent_execution_id: Option<ExecutionId>,
    /// The first execution of the tree; its own id at the root.
    pub root_execution_id: ExecutionId,
    /// How many delegations lie above; 0 at the root.
    pub delegation_depth: u32,
    /// The agents that this agent may delegate to.
    pub delegates_to: Arc<[String]>,
    /// The model's id of this call.
    pub call_id: Arc<str>,
    /// The same for every attempt of this call, so that a side effect can be made once.
    pub idempotency_key: String,
}

impl ToolContext {
    /// The context of a root execution without user settings.
    #[must_use]
    pub fn root(execution_id: ExecutionId, agent_id: AgentId) -> Self {
        Self {
            root_execution_id: execution_id.clone(),
            execution_id,
            agent_id,
            caller_identity: None,
            metadata: Arc::default(),
            user_secrets: Arc::default(),
            user_config: Arc::default(),
            parent_execution_id: None,
            delegation_depth: 0,
            delegates_to: Arc::default(),
            call_id: "".into(),
            idempotency_key: String::new(),
        }
    }
}

fn reveal<S: serde::Serializer>(
    secrets: &Arc<BTreeMap<String, Secret>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(secrets.iter().map(|(name, secret)| (name, secret.expose())))
}

/// What a tool answers.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolOutput {
    /// A text, passed to the model as it is.
    Text(String),
    /// Anything else, passed as JSON.
    Json(Value),
}

impl ToolOutput {
    /// The text that the model sees.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) | Self::Json(Value::String(text)) => text.clone(),
            Self::Json(value) => value.to_string(),
        }
    }

    /// The value that clients see.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Json(value) => value.clone(),
        }
    }
}

/// A tool that is a folder with a `TOOL.md`: its spec and how it is run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// The directory's name.
    pub id: String,
    /// What the model is told, and who may use it.
    pub spec: ToolSpec,
    /// Values filled in for arguments that the model leaves out.
    pub defaults: JsonMap,
    /// How a call is made.
    pub handler: Handler,
}

impl ToolDefinition {
    /// A tool without default arguments.
    pub fn new(id: impl Into<String>, spec: ToolSpec, handler: Handler) -> Self {
        Self { id: id.into(), spec, defaults: JsonMap::new(), handler }
    }
}

/// How a file tool is run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Handler {
    /// `handler.py`: `handle(arguments, context)` in a supervised python3 worker.
    Python(ProcessHandler),
    /// Any other program: one JSON object on stdin, JSON on stdout.
    Command(ProcessHandler),
    /// An HTTP call.
    Http(HttpHandler),
    /// Nothing to run was found: every call answers with an error.
    Missing,
}

/// A handler that is a process.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessHandler {
    /// The program and its arguments; for [`Handler::Python`] the path of `handler.py` alone.
    pub command: Vec<String>,
    /// The tool's directory. Commands start in it; `handler.py` starts where the gateway does, as its users know it.
    pub directory: PathBuf,
    /// How long one call may take.
    pub timeout: Duration,
    /// The variables that the process gets beside the few that every program needs: name to value.
    pub env: BTreeMap<String, Secret>,
    /// The most memory in bytes that a process may take.
    pub max_memory: u64,
}

/// A handler that is an HTTP call. `{name}` in `url` and `body` stands for an argument, `${NAME}` for a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpHandler {
    /// The method, in capitals.
    pub method: String,
    /// The address, with placeholders.
    pub url: String,
    /// Headers by name, with placeholders, values kept secret.
    pub headers: BTreeMap<String, Secret>,
    /// The JSON body with placeholders; `None` sends the arguments as JSON where the method has a body.
    pub body: Option<Value>,
    /// How long one call may take.
    pub timeout: Duration,
    /// Whether addresses of private networks may be called.
    pub reach: HttpReach,
}

/// Which networks an HTTP tool may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpReach {
    /// Public addresses alone.
    Public,
    /// Private and loopback addresses too: the operator said so.
    Private,
}
