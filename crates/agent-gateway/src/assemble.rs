//! Read, check, open, start: each stage returns what the next one needs.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error,
    capability::{BackendInfo, Durability},
    config::{AuthConfig, AuthMode, GatewayConfig, ModelConfig},
    diagnostic::{Diagnostic, Severity},
    id::ModelName,
    in_process::{ApiKey, ApiKeys, InProcessStore},
    ports::{definition::DefinitionSource, model::LanguageModel, persistence::PersistenceBackend},
    vars::Vars,
};
use agent_gateway_llm::{Router, provider_variable};
use agent_gateway_runtime::{
    Authenticator, CODE_TOOL, Gateway as Runtime, Keyring, Limits, Ports, Recipe, Snapshot,
};
use agent_gateway_tools::{FileToolSettings, FileTools};
use agent_gateway_workspace::{ConfigReading, Env, Workspace, read_config};

use crate::{
    BuildError, Gateway, backends,
    builder::{AuthChoice, Choice, Choices, Role},
    models, personal,
};

/// The file that most findings point to.
const FILE: &str = "gateway.yaml";
/// The model of a gateway whose operator chose none.
const OFFLINE: &str = "offline";

/// A checked configuration: what would be served, and everything that is wrong with it.
#[derive(Debug)]
pub struct Plan {
    /// Where it was read.
    pub(crate) choices: Choices,
    /// The merged configuration.
    pub config: GatewayConfig,
    /// What would be served, with the findings of the workspace.
    pub snapshot: Snapshot,
    /// The model of agents that name none, and who chose it.
    pub model: (ModelName, ModelSource),
    /// Who may call.
    pub auth: AuthSummary,
    /// The findings of the configuration; an error among them keeps the gateway from starting.
    pub findings: Vec<Diagnostic>,
    parts: Parts,
}

/// What starting needs, made while checking.
#[derive(Debug)]
struct Parts {
    source: Arc<dyn DefinitionSource>,
    model: Arc<dyn LanguageModel>,
    recipe: Recipe,
    authenticator: Option<Authenticator>,
    tools: Arc<FileTools>,
    keyring: Keyring,
}

/// Who chose the model of agents that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// The configuration, or its default.
    Configured,
    /// The application.
    Code,
    /// Nobody: there is no configuration and no provider key, so the built-in offline provider answers.
    Offline,
}

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthSummary {
    /// Everyone: authentication is switched off.
    Open,
    /// Whoever has one of so many keys.
    ApiKeys(usize),
    /// Whom the application's provider knows.
    Provider,
    /// Nobody could: the gateway does not start.
    Undecidable,
}

/// Reads and checks. Never fails: what is wrong is in the plan.
pub(crate) async fn plan(mut choices: Choices) -> Plan {
    let mut findings = std::mem::take(&mut choices.problems);
    let working = std::env::current_dir().unwrap_or_default();
    let (vars, env_findings) = Env::load(&choices.workspace, &working, &*choices.vars);
    findings.extend(env_findings);
    let vars: Arc<dyn Vars> = Arc::new(vars);
    let reading = read_config(&choices.workspace, &*vars);
    let chooser = match (reading.origin("model.default"), provider_variable(&*vars)) {
        (None, None) => ModelSource::Offline,
        _ => ModelSource::Configured,
    };
    let named = match reading.origin("persistence.backend") {
        Some(_) => backends::Named::Backend,
        None => backends::Named::Nothing,
    };
    let ConfigReading { mut config, diagnostics, .. } = reading;
    backends::settle(&mut config, named);
    findings.extend(diagnostics.into_iter().filter(|finding| concerns(&choices.auth, finding)));
    findings.extend(backends::check(&choices, &config));
    let keyring = Keyring::read(&*vars);
    let (model, answerer) = choose_model(&choices, &config.model, chooser, &*vars, &mut findings);
    let (auth, authenticator) = choose_auth(&choices, &config.auth, &mut findings);
    let tools = Arc::new(FileTools::new(FileToolSettings {
        python_workers: config.tools.python_workers,
        vars: vars.clone(),
        ..FileToolSettings::default()
    }));
    let recipe = recipe(&choices, &config, model.0.clone(), &tools);
    let source: Arc<dyn DefinitionSource> =
        Arc::new(Workspace::new(choices.workspace.clone(), vars).with_tools(config.tools));
    let snapshot = Snapshot::read(&*source, &recipe).await.unwrap_or_else(|error| {
        findings.push(Diagnostic::error("", error.to_string()));
        Snapshot::default()
    });
    findings.extend(answerer.check(&snapshot, &model.0));
    findings.extend(personal::check(&snapshot, &auth, &keyring));
    let parts = Parts { source, model: answerer.model(), recipe, authenticator, tools, keyring };
    Plan { choices, config, snapshot, model, auth, findings, parts }
}

/// A faulty file harms itself alone; a faulty tool of the application keeps the gateway from starting.
fn is_of_code(finding: &Diagnostic) -> bool {
    finding.file.is_empty() && finding.key == CODE_TOOL
}

/// What the file says of authentication is of no concern where code decides it.
fn concerns(auth: &AuthChoice, finding: &Diagnostic) -> bool {
    matches!(auth, AuthChoice::Workspace) || (finding.key != "auth" && !finding.key.starts_with("auth."))
}

fn recipe(
    choices: &Choices,
    config: &GatewayConfig,
    default_model: ModelName,
    tools: &Arc<FileTools>,
) -> Recipe {
    let mut recipe = Recipe::new(default_model, tools.clone()).guardrails(&config.guardrails);
    recipe.fallback_model = config.model.fallback.as_ref().and_then(|name| ModelName::new(name).ok());
    recipe.temperature = config.model.temperature;
    recipe.max_tokens = config.model.max_tokens;
    recipe.visibility = config.tools.visibility;
    recipe.max_context_file_chars = config.context_retrieval.max_context_file_chars as usize;
    recipe.code_tools.clone_from(&choices.tools);
    recipe.schemas = choices.schemas.clone();
    recipe
}

/// The name and who chose it, and what answers.
type ChosenModel = ((ModelName, ModelSource), Answerer);

/// What answers: the configured providers, or a model of the application's.
#[derive(Clone, Debug)]
enum Answerer {
    Providers(Router),
    Code(Arc<dyn LanguageModel>),
}

impl Answerer {
    fn model(self) -> Arc<dyn LanguageModel> {
        match self {
            Self::Providers(router) => Arc::new(router),
            Self::Code(model) => model,
        }
    }

    /// Agents whose own model leads nowhere: they are served, and every execution of theirs would fail.
    fn check(&self, snapshot: &Snapshot, default: &ModelName) -> Vec<Diagnostic> {
        let Self::Providers(router) = self else { return Vec::new() };
        let mut findings = Vec::new();
        for agent in snapshot.agents() {
            for model in snapshot.models(agent).into_iter().filter(|model| *model != default) {
                if let Err(error) = router.check(model) {
                    let file = format!("agents/{}/AGENT.md", agent.id);
                    findings.push(Diagnostic::warning(file, error.message().to_owned()).key("model"));
                }
            }
        }
        findings
    }
}

fn choose_model(
    choices: &Choices,
    config: &ModelConfig,
    chooser: ModelSource,
    vars: &dyn Vars,
    findings: &mut Vec<Diagnostic>,
) -> ChosenModel {
    if let Choice::Given((name, model)) = &choices.model {
        return ((name.clone(), ModelSource::Code), Answerer::Code(model.clone()));
    }
    let router = match models::router().build(config, vars) {
        Ok((router, _)) => router,
        Err(error) => {
            findings.push(Diagnostic::error(FILE, error.message().to_owned()).key("model.providers"));
            return ((offline(), ModelSource::Offline), Answerer::Code(Arc::new(agent_gateway_llm::Offline)));
        }
    };
    if let Some(Err(error)) = config.fallback.as_ref().map(ModelName::new) {
        findings.push(Diagnostic::error(FILE, error.to_string()).key("model.fallback"));
    }
    let name = match (chooser, ModelName::new(&config.default)) {
        (ModelSource::Offline, _) => offline(),
        (_, Ok(name)) => name,
        (_, Err(error)) => {
            findings.push(Diagnostic::error(FILE, error.to_string()).key("model.default"));
            offline()
        }
    };
    if let Err(error) = router.check(&name) {
        let finding = Diagnostic::warning(FILE, error.message().to_owned()).key("model.default");
        let hint = match provider_variable(vars) {
            Some(variable) => format!("{variable} is set: name a model of that provider in model.default"),
            None => "executions of agents that use this model fail until it is mended".to_owned(),
        };
        findings.push(finding.hint(hint));
    }
    ((name, chooser), Answerer::Providers(router))
}

#[expect(clippy::expect_used, reason = "the literal is a valid model name")]
fn offline() -> ModelName {
    ModelName::new(OFFLINE).expect("a valid literal")
}

fn choose_auth(
    choices: &Choices,
    config: &AuthConfig,
    findings: &mut Vec<Diagnostic>,
) -> (AuthSummary, Option<Authenticator>) {
    match &choices.auth {
        AuthChoice::Open => (AuthSummary::Open, Some(Authenticator::open())),
        AuthChoice::Provider(provider) => {
            (AuthSummary::Provider, Authenticator::closed(vec![provider.clone()]).ok())
        }
        AuthChoice::Workspace if !config.enabled || config.mode == AuthMode::None => {
            (AuthSummary::Open, Some(Authenticator::open()))
        }
        AuthChoice::Workspace => configured_auth(config, findings),
    }
}

/// Closed by default: what lets nobody in is an error, and never means that everybody may.
fn configured_auth(
    config: &AuthConfig,
    findings: &mut Vec<Diagnostic>,
) -> (AuthSummary, Option<Authenticator>) {
    let undecidable = (AuthSummary::Undecidable, None);
    if config.mode != AuthMode::ApiKey || config.api_keys.is_empty() {
        let finding = Diagnostic::error(FILE, "authentication is on and there is no key and no provider");
        findings.push(finding.key("auth").hint(
            "add auth.api_keys, or set AGENT_GATEWAY_AUTH__API_KEYS='[{\"name\":\"me\",\"key\":\"…\"}]', or write \
             auth.enabled: false to let everyone in on this machine",
        ));
        return undecidable;
    }
    let keys = config
        .api_keys
        .iter()
        .map(|key| ApiKey::new(&key.name, key.key.clone()).scopes(key.scopes.iter().cloned()));
    match ApiKeys::new(keys) {
        Ok(keys) => match Authenticator::closed(vec![Arc::new(keys)]) {
            Ok(authenticator) => (AuthSummary::ApiKeys(config.api_keys.len()), Some(authenticator)),
            Err(_) => undecidable,
        },
        Err(error) => {
            // What the reader of the file has said already need not be said again.
            if !findings.iter().any(|finding| finding.key.starts_with("auth.api_keys")) {
                findings.push(Diagnostic::error(FILE, error.message().to_owned()).key("auth.api_keys"));
            }
            undecidable
        }
    }
}

impl Plan {
    /// Everything that was found, of the configuration and of the workspace.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().chain(&self.snapshot.definitions().diagnostics)
    }

    /// Whether the gateway may be served at `address`: without authentication only loopback may, unless
    /// `server.allow_unauthenticated` is set.
    #[cfg(feature = "rest")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
    pub fn check_exposure(&self, address: std::net::SocketAddr) -> Result<(), BuildError> {
        match self.auth {
            AuthSummary::Open => Ok(crate::serve::refuse_exposed(&self.config, address)?),
            _ => Ok(()),
        }
    }

    /// Opens the backends and starts the gateway, unless the configuration has an error.
    pub async fn start(self) -> Result<Gateway, BuildError> {
        let of_code = self.snapshot.definitions().diagnostics.iter().filter(|finding| is_of_code(finding));
        let fatal: Vec<Diagnostic> = self
            .findings
            .iter()
            .chain(of_code)
            .filter(|finding| finding.severity == Severity::Error)
            .cloned()
            .collect();
        let (true, Some(authenticator)) = (fatal.is_empty(), self.parts.authenticator) else {
            return Err(BuildError::Configuration(fatal));
        };
        let Choices { catalog, persistence, queue, reload, orphans, role, .. } = self.choices;
        let persistence: Arc<dyn PersistenceBackend> = match persistence {
            Choice::Given(opening) => opening.open().await?,
            Choice::Configured if self.config.persistence.enabled => {
                catalog.open_persistence(&self.config).await?
            }
            Choice::Configured => Arc::new(InProcessStore::default()),
        };
        let queue = match queue {
            Choice::Given(opening) => opening.open().await?,
            Choice::Configured => catalog.open_queue(&self.config).await?,
        };
        let info = (persistence.info(), queue.info());
        check_role(role, &info)?;
        let ports = Ports::open(self.parts.source, self.parts.model, persistence, queue).await?;
        let ports = ports.keyring(self.parts.keyring);
        let limits = Limits {
            max_running: self.config.server.max_connections.max(1),
            workers: match role {
                Role::GatewayOnly => 0,
                Role::Whole | Role::WorkerOnly => self.config.queue.workers.max(1),
            },
            max_retries: self.config.queue.max_retries,
            visibility: Duration::from_secs(self.config.queue.visibility_timeout_s.max(1)),
            drain: Duration::from_secs(self.config.queue.drain_timeout_s),
            max_history: self.config.sessions.max_history,
            orphans,
        };
        let runtime = Runtime::start(ports, self.parts.recipe, self.snapshot, authenticator, limits);
        Ok(Gateway::new(runtime, self.config, reload, info, self.parts.tools)?)
    }
}

/// A process that leaves a part of the work to others must be able to reach them, and what outlives it must stay together.
fn check_role(role: Role, (persistence, queue): &(BackendInfo, BackendInfo)) -> Result<(), Error> {
    let lasts = |info: &BackendInfo| info.durability == Durability::Durable;
    if lasts(queue) && !lasts(persistence) {
        let message = "the queue outlives this process and the executions in it do not: set persistence.enabled: true and a \
                       persistence.backend that stays, or queue.backend: memory";
        return Err(Error::misconfigured(message).with("queue.backend", &queue.name));
    }
    let (alone, hint) = match role {
        Role::Whole => return Ok(()),
        Role::WorkerOnly => {
            ("a process that only works on queued executions", "there would be nothing to do")
        }
        Role::GatewayOnly => ("a process without workers", "nobody would run what it queues"),
    };
    if lasts(queue) {
        return Ok(());
    }
    let message = format!(
        "{alone} needs a queue that processes share, and queue.backend is one of this process alone: {hint}; use redis, \
         rabbitmq or postgres"
    );
    Err(Error::misconfigured(message).with("queue.backend", &queue.name))
}
