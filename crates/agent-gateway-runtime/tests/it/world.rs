//! A gateway with one agent, a scripted model, and everything in memory.
use std::sync::{Arc, Mutex};

use agent_gateway_core::{
    Result,
    agent::AgentDefinition,
    definitions::Definitions,
    execution::{
        Cursor, Event, Execution, ExecutionEvent, ExecutionQuery, ExecutionRequest, LogEntry, Origin,
    },
    id::{AgentId, ConversationId, ExecutionId, ModelName, UserId},
    in_process::{InProcessQueue, InProcessStore},
    message::Message,
    page::PageRequest,
    ports::{
        definition::DefinitionSource,
        model::{Delivery, LanguageModel},
        persistence::PersistenceBackend,
        tool::{Tool, ToolFactory},
    },
    principal::{AuthMethod, Principal, Scopes},
    tool::ToolDefinition,
};
use agent_gateway_runtime::{
    Authenticator, Completed, Events, Executions, Gateway, Limits, Ports, Recipe, Refusal, Snapshot,
    Streaming, Submitted, Watched,
};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use async_trait::async_trait;

/// Definitions that a test can change between two readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source(pub(crate) Arc<Mutex<Definitions>>);

impl Source {
    pub(crate) fn with(agents: impl IntoIterator<Item = AgentDefinition>) -> Self {
        let source = Self::default();
        for agent in agents {
            source.0.lock().unwrap().agents.insert(agent.id.clone(), Arc::new(agent));
        }
        source
    }
}

#[async_trait]
impl DefinitionSource for Source {
    async fn read(&self) -> Result<Definitions> {
        Ok(self.0.lock().unwrap().clone())
    }
}

/// No file tools.
#[derive(Debug)]
pub(crate) struct NoFiles;

impl ToolFactory for NoFiles {
    fn build(&self, _: &ToolDefinition) -> Result<Arc<dyn Tool>> {
        Err(agent_gateway_core::Error::unsupported("no file tools here"))
    }
}

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) model: Arc<ScriptedModel>,
    pub(crate) store: Arc<InProcessStore>,
    pub(crate) queue: Arc<InProcessQueue>,
    pub(crate) source: Source,
}

pub(crate) fn agent(id: &str) -> AgentDefinition {
    AgentDefinition::new(AgentId::new(id).unwrap(), "You help.")
}

pub(crate) fn user(name: &str, scopes: &[&str]) -> Principal {
    Principal::user(UserId::new(name).unwrap(), AuthMethod::ApiKey, Scopes::new(scopes.iter().copied()))
}

/// Everything that a stream tells until its end.
pub(crate) async fn all(mut events: Events) -> Vec<Event> {
    let mut all = Vec::new();
    while let Some(batch) = events.next().await.unwrap() {
        all.extend(batch);
    }
    all
}

/// What happens in an execution of Ann's, from its beginning.
pub(crate) async fn watch(executions: &Executions, id: &ExecutionId) -> Events {
    match executions.events(id, &user("ann", &[]), None).await.unwrap().unwrap() {
        Watched::Telling(_, events) => *events,
        told => panic!("everything is told: {told:?}"),
    }
}

/// The text that a stream tells.
pub(crate) fn text(events: &[Event]) -> String {
    let piece = |event: &Event| match &event.event {
        ExecutionEvent::Text(text) => text.to_string(),
        _ => String::new(),
    };
    events.iter().map(piece).collect()
}

pub(crate) fn request(agent: &str, message: &str) -> ExecutionRequest {
    ExecutionRequest::new(
        AgentId::new(agent).unwrap(),
        message,
        user("ann", &["agents:invoke"]),
        Origin::Library,
    )
}

impl World {
    pub(crate) async fn new(agents: impl IntoIterator<Item = AgentDefinition>, model: ScriptedModel) -> Self {
        Self::start(Source::with(agents), model, |recipe| recipe).await
    }

    pub(crate) async fn start(
        source: Source,
        model: ScriptedModel,
        change: impl FnOnce(Recipe) -> Recipe,
    ) -> Self {
        Self::begin(source, model, Arc::new(InProcessStore::default()), change).await
    }

    /// A gateway on a store that something is in.
    pub(crate) async fn on(store: Arc<InProcessStore>, model: ScriptedModel) -> Self {
        Self::begin(Source::with([agent("helper")]), model, store, |recipe| recipe).await
    }

    /// The same with a changed recipe.
    pub(crate) async fn on_with(
        store: Arc<InProcessStore>,
        model: ScriptedModel,
        change: impl FnOnce(Recipe) -> Recipe,
    ) -> Self {
        Self::begin(Source::with([agent("helper")]), model, store, change).await
    }

    pub(crate) async fn begin(
        source: Source,
        model: ScriptedModel,
        store: Arc<InProcessStore>,
        change: impl FnOnce(Recipe) -> Recipe,
    ) -> Self {
        let model = Arc::new(model);
        let queue = Arc::new(InProcessQueue::default());
        let ports =
            Ports::open(Arc::new(source.clone()), model.clone(), store.clone(), queue.clone()).await.unwrap();
        let recipe = change(Recipe::new(ModelName::new("scripted/one").unwrap(), Arc::new(NoFiles)));
        let snapshot = Snapshot::read(&source, &recipe).await.unwrap();
        let gateway = Gateway::start(ports, recipe, snapshot, Authenticator::open(), Limits::default());
        Self { gateway, model, store, queue, source }
    }

    /// Another gateway on the same store, with another model.
    pub(crate) async fn with_model(&self, model: Arc<dyn LanguageModel>) -> Gateway {
        self.second(model, Limits::default()).await
    }

    /// Another gateway on the same store, with room for so many callers.
    pub(crate) async fn bounded(&self, most: usize) -> Gateway {
        self.second(self.model.clone(), Limits { max_running: most, ..Limits::default() }).await
    }

    async fn second(&self, model: Arc<dyn LanguageModel>, limits: Limits) -> Gateway {
        let queue = Arc::new(InProcessQueue::default());
        let ports =
            Ports::open(Arc::new(self.source.clone()), model, self.store.clone(), queue).await.unwrap();
        let recipe = Recipe::new(ModelName::new("scripted/one").unwrap(), Arc::new(NoFiles));
        let snapshot = Snapshot::read(&self.source, &recipe).await.unwrap();
        Gateway::start(ports, recipe, snapshot, Authenticator::open(), limits)
    }

    /// The kinds of the entries in the log of the last execution.
    pub(crate) async fn log_of_last(&self) -> Vec<&'static str> {
        let everything = Principal::system().visibility();
        let query = ExecutionQuery::default();
        let page = self.store.executions().list(&query, &everything, PageRequest::first(1)).await.unwrap();
        self.log(&page.items[0].id).await.iter().map(|entry| entry.event.kind()).collect()
    }

    pub(crate) async fn helper(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::new([agent("helper")], ScriptedModel::new(replies)).await
    }

    /// The stream of a request that asks for one.
    pub(crate) async fn stream(&self, request: ExecutionRequest) -> Streaming {
        match self.submit(request.delivery(Delivery::Incremental)).await.unwrap() {
            Submitted::Streaming(streaming) => streaming,
            other => panic!("not streaming: {other:?}"),
        }
    }

    /// The messages of a conversation as (role, text).
    pub(crate) async fn said(&self, id: &ConversationId) -> Vec<(&'static str, String)> {
        let messages = self.store.conversations().messages(id, 0, 100).await.unwrap();
        messages
            .into_iter()
            .map(|stored| match stored.message {
                Message::User { content } => ("user", content.to_string()),
                Message::Assistant { content, .. } => ("assistant", content.to_string()),
                other => panic!("not said: {other:?}"),
            })
            .collect()
    }

    pub(crate) async fn submit(&self, request: ExecutionRequest) -> Result<Submitted, Refusal> {
        self.gateway.executions().submit(request).await
    }

    pub(crate) async fn finish(&self, request: ExecutionRequest) -> Completed {
        match self.submit(request).await.unwrap() {
            Submitted::Finished(done) => done,
            other => panic!("not finished: {other:?}"),
        }
    }

    pub(crate) async fn stored(&self, id: &ExecutionId) -> Execution {
        let everything = Principal::system().visibility();
        self.store.executions().get(id, &everything).await.unwrap().unwrap()
    }

    pub(crate) async fn log(&self, id: &ExecutionId) -> Vec<LogEntry> {
        self.store.executions().log(id, Cursor::START, 100).await.unwrap()
    }

    /// Waits until the execution has ended. The store has no events, so this looks again and again.
    pub(crate) async fn ended(&self, id: &ExecutionId) -> Execution {
        loop {
            let execution = self.stored(id).await;
            if execution.status.is_final() {
                return execution;
            }
            tokio::task::yield_now().await;
        }
    }
}
