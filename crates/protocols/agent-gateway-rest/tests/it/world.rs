//! A gateway with a few agents, a scripted model, and callers with different keys.
use std::sync::{Arc, Mutex};

use agent_gateway_core::{
    Error, Result,
    agent::{
        Activation, AgentDefinition, AgentScope, Availability, ExecutionMode, NotificationTarget,
        ScheduleDefinition,
    },
    definitions::Definitions,
    diagnostic::Diagnostic,
    id::{AgentId, ModelName, SkillId, ToolName},
    in_process::{ApiKey, ApiKeys, InProcessQueue, InProcessStore},
    ports::{
        auth::AuthProvider,
        definition::DefinitionSource,
        persistence::PersistenceBackend,
        tool::{Tool, ToolFactory},
    },
    skill::{SkillDefinition, SkillStep, StepAction, ToolStep},
    tool::{Handler, ToolDefinition, ToolSource, ToolSpec},
    vars::MapVars,
};
use agent_gateway_rest::{RestOptions, router};
use agent_gateway_runtime::{Authenticator, Gateway, Keyring, Limits, Ports, Recipe, SECRET_KEY, Snapshot};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Holds every scope.
pub(crate) const ROOT: &str = "key-of-root";
/// Hold what users need, and own their executions.
pub(crate) const ALICE: &str = "key-of-alice";
pub(crate) const BOB: &str = "key-of-bob";
/// May run the agent `echo` alone.
pub(crate) const NARROW: &str = "key-of-narrow";
/// May read sessions, and nothing else.
pub(crate) const READER: &str = "key-of-reader";
/// Holds a scope that no route needs.
pub(crate) const NOTHING: &str = "key-of-nothing";

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) model: ScriptedModel,
    pub(crate) source: Arc<Source>,
    pub(crate) app: Router,
}

/// What a test changes of the usual world.
pub(crate) struct Setup {
    pub(crate) options: RestOptions,
    pub(crate) limits: Limits,
    pub(crate) authenticator: Authenticator,
    pub(crate) persistence: Arc<dyn PersistenceBackend>,
    pub(crate) model: ScriptedModel,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    /// The text of the key for stored secrets; empty: there is none.
    pub(crate) secret_key: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: RestOptions::default(),
            // Without workers, what is queued stays queued.
            limits: Limits { workers: 0, ..Limits::default() },
            authenticator: Authenticator::closed(vec![keys()]).unwrap(),
            persistence: Arc::new(InProcessStore::default()),
            model: ScriptedModel::always(Reply::text("hello")),
            tools: vec![Arc::new(FnTool::text("clock", "noon").unwrap())],
            secret_key: "correct horse battery staple",
        }
    }
}

fn keys() -> Arc<dyn AuthProvider> {
    let user = ["agents:read", "agents:configure", "agents:invoke", "executions:*", "sessions:*"];
    let keys = [
        ApiKey::new("root", ROOT),
        ApiKey::new("alice", ALICE).scopes(user),
        ApiKey::new("bob", BOB).scopes(user),
        ApiKey::new("narrow", NARROW).scopes(["agents:invoke:echo"]),
        ApiKey::new("reader", READER).scopes(["sessions:read"]),
        ApiKey::new("nothing", NOTHING).scopes(["read"]),
    ];
    Arc::new(ApiKeys::new(keys).unwrap())
}

impl Setup {
    pub(crate) async fn start(self) -> World {
        let source = Arc::new(Source(Mutex::new(Some(definitions()))));
        let ports = Ports::open(
            source.clone(),
            Arc::new(self.model.clone()),
            self.persistence,
            Arc::new(InProcessQueue::default()),
        );
        let mut recipe = Recipe::new(ModelName::new("scripted/one").unwrap(), Arc::new(NoFactory));
        recipe.code_tools = self.tools;
        let keyring = Keyring::read(&MapVars::from_iter([(SECRET_KEY, self.secret_key)]));
        let ports = ports.await.unwrap().keyring(keyring);
        let snapshot = Snapshot::read(&*source, &recipe).await.unwrap();
        let gateway = Gateway::start(ports, recipe, snapshot, self.authenticator, self.limits);
        let app = router(&gateway, &self.options).unwrap();
        World { gateway, model: self.model, source, app }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Setup::default().start().await
    }

    /// The same world mounted in another application.
    pub(crate) fn mounted(&self, prefix: &str) -> Self {
        Self { app: Router::new().nest(prefix, self.app.clone()), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.send(request("GET", path, key).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.post_text(path, key, &body.to_string()).await
    }

    pub(crate) async fn post_text(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = request("POST", path, key).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Runs `agent` with a short message.
    pub(crate) async fn invoke(&self, agent: &str, key: &str) -> Answer {
        self.post(&format!("/v1/agents/{agent}/invoke"), key, &json!({"message": "hi"})).await
    }

    /// Alice's request to the agent `personal`, by `invoke` or `chat`.
    pub(crate) async fn post_to(&self, route: &str, body: Value) -> Answer {
        self.post(&format!("/v1/agents/personal/{route}"), ALICE, &body).await
    }

    /// One turn: `body` has at least a message.
    pub(crate) async fn chat(&self, agent: &str, key: &str, body: &Value) -> Answer {
        self.post(&format!("/v1/agents/{agent}/chat"), key, body).await
    }

    /// A short turn of a session with `echo`, which begins where none is named.
    pub(crate) async fn turn(&self, session: Option<&str>, message: &str, key: &str) -> Answer {
        self.chat("echo", key, &json!({"message": message, "session_id": session})).await
    }

    pub(crate) async fn delete(&self, path: &str, key: &str) -> Answer {
        self.send(request("DELETE", path, key).body(Body::empty()).unwrap()).await
    }

    /// Waits until there is an execution in this state, and gives its id.
    pub(crate) async fn wait_for(&self, status: &str) -> String {
        loop {
            let found = self.get(&format!("/v1/executions?status={status}"), ROOT).await.ok();
            match found[0]["execution_id"].as_str() {
                Some(id) => return id.to_owned(),
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Sends a request and leaves the body of its answer where it is.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response {
        self.app.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&text).unwrap_or_default();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&text).into_owned(),
            json,
        }
    }
}

/// A POST of JSON with one more header.
pub(crate) fn post_with(path: &str, key: &str, (name, value): (&str, &str), body: &Value) -> Request<Body> {
    let request = request("POST", path, key).header(header::CONTENT_TYPE, "application/json");
    request.header(name, value).body(Body::from(body.to_string())).unwrap()
}

/// A request with a key; an empty key sends none.
pub(crate) fn request(method: &str, path: &str, key: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    if key.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {key}")) }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// Status and code of an error, whose envelope is checked.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, &str) {
        let error = &self.json["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{self:?}");
        (self.status.as_u16(), error["code"].as_str().unwrap_or_default())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
        values[0].to_str().unwrap()
    }

    /// Type and place of every entry of `detail`.
    #[track_caller]
    pub(crate) fn problems(&self) -> Vec<(String, Value)> {
        assert_eq!(self.error(), (422, "validation_failed"), "{self:?}");
        let list = self.json["detail"].as_array().unwrap();
        list.iter().map(|entry| (entry["type"].as_str().unwrap().to_owned(), entry["loc"].clone())).collect()
    }
}

/// Gives what it holds; when that was taken out, nothing can be read.
#[derive(Debug)]
pub(crate) struct Source(pub(crate) Mutex<Option<Definitions>>);

#[async_trait]
impl DefinitionSource for Source {
    async fn read(&self) -> Result<Definitions> {
        self.0.lock().unwrap().clone().ok_or_else(|| Error::unavailable("the disk at /srv/ws is away"))
    }
}

#[derive(Debug)]
struct NoFactory;

impl ToolFactory for NoFactory {
    fn build(&self, definition: &ToolDefinition) -> Result<Arc<dyn Tool>> {
        let spec = definition.spec.clone();
        let tool = FnTool::text(spec.name.as_str(), "done")?;
        Ok(Arc::new(tool.with_spec(|own| *own = spec)))
    }
}

pub(crate) fn definitions() -> Definitions {
    let mut definitions = Definitions { revision: "r1".to_owned(), ..Definitions::default() };
    for agent in agents() {
        definitions.agents.insert(agent.id.clone(), Arc::new(agent));
    }
    let name = ToolName::new("http-fetch").unwrap();
    let parameters = json!({"type": "object", "properties": {"url": {"type": "string"}}});
    let spec = ToolSpec::new(name.clone(), "Fetches.", parameters, ToolSource::File);
    definitions.tools.insert(name, Arc::new(ToolDefinition::new("http-fetch", spec, Handler::Missing)));
    let mut skill = SkillDefinition::new(SkillId::new("research").unwrap(), "Look it up.");
    skill.description = "Looks things up".to_owned();
    skill.tools = vec!["http-fetch".to_owned()];
    skill.steps = vec![SkillStep {
        name: "fetch".to_owned(),
        action: StepAction::Tool(ToolStep { tool: "http-fetch".to_owned(), input: json_map(&json!({})) }),
    }];
    definitions.skills.insert(skill.id.clone(), Arc::new(skill));
    definitions.diagnostics.push(Diagnostic::warning("agents/x/AGENT.md", "odd"));
    definitions
}

fn agents() -> Vec<AgentDefinition> {
    let agent = |id: &str| AgentDefinition::new(AgentId::new(id).unwrap(), "You help.");
    let mut off = agent("off");
    off.availability = Availability::Disabled;
    let mut later = agent("later");
    later.execution_mode = ExecutionMode::Async;
    let mut personal = agent("personal");
    personal.scope = AgentScope::Personal;
    personal.setup_schema = Some(Arc::new(json!({
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "units": {"type": "string", "default": "metric"},
            "api_key": {"type": "string", "minLength": 8, "sensitive": true},
            "pin": {"type": "integer", "sensitive": true},
        },
        "required": ["city", "units", "api_key"],
    })));
    let mut shaped = agent("shaped");
    shaped.input_schema = Some(Arc::new(json!({
        "type": "object",
        "properties": {"when": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["when"],
    })));
    vec![agent("echo"), later, off, personal, shaped, styled(agent("styled"))]
}

fn styled(mut agent: AgentDefinition) -> AgentDefinition {
    agent.description = "Writes".to_owned();
    agent.display_name = Some("Writer".to_owned());
    agent.tags = vec!["text".to_owned()];
    agent.version = Some("2".to_owned());
    agent.skills = vec!["research".to_owned()];
    agent.retrievers = vec!["library".to_owned()];
    agent.model.name = Some(ModelName::new("openai/gpt-4o").unwrap());
    agent.context = vec!["one".into(), "two".into()];
    agent.memory.activation = Activation::Active;
    agent.output_schema = Some(Arc::new(json!({"type": "object"})));
    agent.schedules = vec![ScheduleDefinition {
        name: "daily".to_owned(),
        cron: "0 9 * * *".to_owned(),
        message: "go".to_owned(),
        input: json_map(&json!({})),
        activation: Activation::Active,
        timezone: None,
        instructions: None,
    }];
    agent.notifications.on_error = vec![NotificationTarget {
        channel: "webhook".to_owned(),
        target: "ops".to_owned(),
        template: None,
        url: Some("https://hooks.example/secret".to_owned()),
        payload_template: None,
    }];
    agent
}

fn json_map(value: &Value) -> agent_gateway_core::JsonMap {
    value.as_object().unwrap().clone()
}
