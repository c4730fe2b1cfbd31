//! `AGENT.md`.
use std::sync::Arc;

use agent_gateway_core::{
    JsonMap,
    agent::{
        Activation, AgentDefinition, AgentScope, Availability, Delegates, ExecutionMode, MemorySettings,
        ModelSettings, NotificationSettings, NotificationTarget,
    },
    id::{AgentId, ModelName},
};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Reading,
    collection::Folder,
    document::{Document, Rules},
    guardrails::GuardrailsFile,
    references::Target,
    schedule::ScheduleFile,
};
use crate::{
    source::node::{Entry, Kind, Node},
    support,
};

const RULES: Rules = Rules {
    guards: &[
        "enabled",
        "scope",
        "delegates_to",
        "guardrails",
        "input_schema",
        "output_schema",
        "setup_schema",
    ],
    never_empty: &["enabled", "scope", "delegates_to", "guardrails"],
    misplaced: &[],
    hints: &[
        ("name", "the id is the folder's name; `display_name` is shown to people"),
        ("id", "the id is the folder's name"),
        ("tools", "tools belong to a skill: list them in its SKILL.md"),
        ("timeout_ms", "write it below `guardrails:`"),
        ("max_iterations", "write it below `guardrails:`"),
        ("max_tool_calls", "write it below `guardrails:`"),
        ("max_cost_usd", "write it below `guardrails:`"),
        ("max_delegation_depth", "write it below `guardrails:`"),
        ("temperature", "write it below `model:`"),
        ("max_tokens", "write it below `model:` for one answer, below `guardrails:` for a run"),
    ],
};

#[derive(Debug, Deserialize)]
#[serde(default)]
struct AgentFile {
    description: String,
    display_name: Option<String>,
    tags: Vec<String>,
    version: Option<String>,
    skills: Vec<String>,
    model: ModelFile,
    execution_mode: ExecutionMode,
    scope: ScopeWord,
    setup_schema: Option<JsonMap>,
    input_schema: Option<JsonMap>,
    output_schema: Option<JsonMap>,
    context: Vec<String>,
    retrievers: Vec<String>,
    memory: MemoryFile,
    delegates_to: Option<Vec<String>>,
    guardrails: GuardrailsFile,
    mcp_servers: Vec<String>,
    schedules: Vec<ScheduleFile>,
    notifications: NotificationsFile,
    enabled: bool,
}

impl Default for AgentFile {
    fn default() -> Self {
        Self {
            description: String::new(),
            display_name: None,
            tags: Vec::new(),
            version: None,
            skills: Vec::new(),
            model: ModelFile::default(),
            execution_mode: ExecutionMode::Sync,
            scope: ScopeWord::Global,
            setup_schema: None,
            input_schema: None,
            output_schema: None,
            context: Vec::new(),
            retrievers: Vec::new(),
            memory: MemoryFile::default(),
            delegates_to: None,
            guardrails: GuardrailsFile::default(),
            mcp_servers: Vec::new(),
            schedules: Vec::new(),
            notifications: NotificationsFile::default(),
            enabled: true,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ModelFile {
    name: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    fallback: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScopeWord {
    #[default]
    Global,
    Personal,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MemoryFile {
    enabled: bool,
    auto_extract: Option<bool>,
    max_injected_chars: Option<u32>,
    max_memory_md_lines: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotificationsFile {
    on_complete: Vec<TargetFile>,
    on_error: Vec<TargetFile>,
    on_timeout: Vec<TargetFile>,
}

#[derive(Debug, Deserialize)]
struct TargetFile {
    channel: String,
    #[serde(default)]
    target: String,
    template: Option<String>,
    url: Option<String>,
    payload_template: Option<String>,
}

impl Reading<'_> {
    /// The agent of a folder; `None` when it cannot be served, which is reported.
    pub(super) fn agent(&mut self, folder: &Folder) -> Option<AgentDefinition> {
        let mut document = self.document(&folder.file)?;
        name_a_plain_model(&mut document.head);
        let settings = self.settings::<AgentFile>(&mut document, &RULES);
        let behavior = self.behavior(folder);
        let (settings, behavior) = (settings?, behavior?);
        let guardrails = self.guardrails(&document, &settings.guardrails)?;
        if document.body.is_empty() {
            let finding =
                document.head.place.error("", "has no text below its settings, so it is not served");
            self.report(finding.line(None).hint("write the agent's prompt there"));
            return None;
        }
        let mut agent = AgentDefinition::new(AgentId::new(&folder.id).ok()?, document.body.as_str());
        agent.behavior = behavior.into();
        agent.scope = self.scope(&document, &settings);
        agent.context = self.context(folder, &document, &settings.context);
        agent.model = self.model(&document, settings.model);
        agent.schedules = self.schedules(&document, settings.schedules);
        agent.notifications = notifications(settings.notifications);
        agent.memory = memory(&settings.memory);
        self.not_yet(&document, support::AGENT);
        self.references.note(&document, "skills", &Target::Skill, &settings.skills);
        agent.guardrails = guardrails;
        agent.delegates_to = settings.delegates_to.map_or(Delegates::Anyone, Delegates::Only);
        let delegates = agent.delegates_to.named();
        self.references.note(&document, "delegates_to", &Target::Delegate(folder.id.clone()), delegates);
        agent.description = settings.description;
        agent.display_name = settings.display_name;
        agent.tags = settings.tags;
        agent.version = settings.version;
        agent.skills = settings.skills;
        agent.retrievers = settings.retrievers;
        agent.mcp_servers = settings.mcp_servers;
        agent.execution_mode = settings.execution_mode;
        agent.setup_schema = schema(settings.setup_schema);
        agent.input_schema = schema(settings.input_schema);
        agent.output_schema = schema(settings.output_schema);
        agent.availability = if settings.enabled { Availability::Enabled } else { Availability::Disabled };
        Some(agent)
    }

    /// An agent is not served without the rules of its own `BEHAVIOR.md`.
    fn behavior(&mut self, folder: &Folder) -> Option<String> {
        let file = format!("{}/BEHAVIOR.md", folder.path);
        match self.prompt(&file) {
            Ok(body) => Some(body.unwrap_or_default()),
            Err(refusal) => {
                let mut finding = refusal.error(&file);
                finding.message.push_str("; the agent is not served without it");
                self.report(finding);
                None
            }
        }
    }

    fn model(&mut self, document: &Document, file: ModelFile) -> ModelSettings {
        let mut name = |key: &str, text: Option<String>| {
            let text = text?;
            let name = ModelName::new(&text).ok();
            if name.is_none() {
                let finding = document.place(key).warning(key, "is not a model's name; the default stands");
                self.report(finding.hint("write `provider/model`"));
            }
            name
        };
        let (model, fallback) = (name("model.name", file.name), name("model.fallback", file.fallback));
        let mut temperature = file.temperature;
        if temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
            let key = "model.temperature";
            self.report(document.place(key).warning(key, "must be between 0 and 2; the default stands"));
            temperature = None;
        }
        let mut max_tokens = file.max_tokens;
        if max_tokens == Some(0) {
            let key = "model.max_tokens";
            self.report(document.place(key).warning(key, "must be at least 1; the default stands"));
            max_tokens = None;
        }
        ModelSettings { name: model, temperature, max_tokens, fallback }
    }

    fn scope(&mut self, document: &Document, settings: &AgentFile) -> AgentScope {
        match settings.scope {
            ScopeWord::Personal => AgentScope::Personal,
            ScopeWord::Global => {
                if settings.setup_schema.is_some() {
                    let key = "setup_schema";
                    let finding =
                        document.place(key).warning(key, "has no effect: the agent is not personal");
                    self.report(finding.hint("write `scope: personal`, or take the key out"));
                }
                AgentScope::Global
            }
        }
    }
}

/// `model: name` means `model: {name: name}`.
fn name_a_plain_model(head: &mut Node) {
    let Kind::Map(entries) = &mut head.kind else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == "model") {
        if let Kind::Scalar(_) = entry.node.kind {
            let place = entry.place.clone();
            let whole = Node::empty_map(place.clone());
            let node = std::mem::replace(&mut entry.node, whole);
            entry.node.kind = Kind::Map(vec![Entry { key: "name".to_owned(), place, node }]);
        }
    }
}

pub(super) fn schema(map: Option<JsonMap>) -> Option<Arc<Value>> {
    map.map(|map| Arc::new(Value::Object(map)))
}

fn memory(file: &MemoryFile) -> MemorySettings {
    MemorySettings {
        activation: Activation::from_flag(file.enabled),
        extraction: file.auto_extract.map(Activation::from_flag),
        max_injected_chars: file.max_injected_chars,
        max_memory_md_lines: file.max_memory_md_lines,
    }
}

fn notifications(file: NotificationsFile) -> NotificationSettings {
    let targets = |files: Vec<TargetFile>| {
        files
            .into_iter()
            .map(|file| NotificationTarget {
                channel: file.channel,
                target: file.target,
                template: file.template,
                url: file.url,
                payload_template: file.payload_template,
            })
            .collect()
    };
    NotificationSettings {
        on_complete: targets(file.on_complete),
        on_error: targets(file.on_error),
        on_timeout: targets(file.on_timeout),
    }
}
