//! The fluent configuration. Authentication is a type: there is no `build` before it is decided.
use std::{marker::PhantomData, path::PathBuf, sync::Arc};

use agent_gateway_core::{
    code_tool::IntoTool,
    diagnostic::Diagnostic,
    id::{AgentId, ModelName},
    in_process::{ApiKey, ApiKeys},
    ports::{
        auth::AuthProvider, model::LanguageModel, persistence::PersistenceBackend, queue::ExecutionQueue,
        tool::Tool,
    },
    vars::{ProcessVars, Vars},
};
use agent_gateway_runtime::{CODE_TOOL, Orphans, SchemaOverrides};
use serde_json::Value;

use crate::{BuildError, Catalog, Gateway, Plan, assemble, catalog::Opening};

/// Nobody has said yet who may call.
#[derive(Debug)]
pub enum AuthUndecided {}
/// It is said who may call.
#[derive(Debug)]
pub enum AuthDecided {}

/// Configures a gateway. What is set here wins over the environment, which wins over `gateway.yaml`.
#[must_use = "a builder does nothing until it is built"]
#[derive(Debug)]
pub struct GatewayBuilder<Auth = AuthUndecided> {
    pub(crate) choices: Choices,
    auth: PhantomData<Auth>,
}

/// Everything that was chosen in code.
#[derive(Debug)]
pub(crate) struct Choices {
    pub(crate) workspace: PathBuf,
    pub(crate) vars: Arc<dyn Vars>,
    pub(crate) catalog: Catalog,
    pub(crate) auth: AuthChoice,
    pub(crate) persistence: Choice<Opening<dyn PersistenceBackend>>,
    pub(crate) queue: Choice<Opening<dyn ExecutionQueue>>,
    pub(crate) model: Choice<(ModelName, Arc<dyn LanguageModel>)>,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) schemas: SchemaOverrides,
    pub(crate) reload: ReloadChoice,
    pub(crate) orphans: Orphans,
    pub(crate) role: Role,
    pub(crate) problems: Vec<Diagnostic>,
}

/// Whether code or the configuration decides.
#[derive(Debug)]
pub(crate) enum Choice<T> {
    /// The configuration.
    Configured,
    /// Code: this.
    Given(T),
}

/// Who may call.
#[derive(Debug)]
pub(crate) enum AuthChoice {
    /// As the workspace says.
    Workspace,
    /// Everyone.
    Open,
    /// Whom this provider knows.
    Provider(Arc<dyn AuthProvider>),
}

/// What a process does of the work. The others of its kind and it share a queue and a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Takes requests and runs queued executions.
    #[default]
    Whole,
    /// Runs queued executions alone.
    WorkerOnly,
    /// Takes requests, and leaves queued executions to others.
    GatewayOnly,
}

/// Whether `POST /v1/reload` is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReloadChoice {
    /// It answers 403.
    Off,
    /// It reads the workspace again.
    On,
}

impl GatewayBuilder<AuthUndecided> {
    /// A gateway for the workspace at this path.
    pub fn new(workspace: impl Into<PathBuf>) -> Self {
        let choices = Choices {
            workspace: workspace.into(),
            vars: Arc::new(ProcessVars),
            catalog: Catalog::builtin(),
            auth: AuthChoice::Workspace,
            persistence: Choice::Configured,
            queue: Choice::Configured,
            model: Choice::Configured,
            tools: Vec::new(),
            schemas: SchemaOverrides::default(),
            reload: ReloadChoice::Off,
            orphans: Orphans::default(),
            role: Role::default(),
            problems: Vec::new(),
        };
        Self { choices, auth: PhantomData }
    }

    /// Callers present one of these keys. The keys are hashed at once; the texts are not kept.
    pub fn use_api_keys(mut self, keys: impl IntoIterator<Item = ApiKey>) -> GatewayBuilder<AuthDecided> {
        match ApiKeys::new(keys) {
            Ok(keys) => self.decide(AuthChoice::Provider(Arc::new(keys))),
            Err(error) => {
                let finding = Diagnostic::error("", error.to_string());
                self.choices.problems.push(finding.key("use_api_keys"));
                self.decide(AuthChoice::Workspace)
            }
        }
    }

    /// Callers are judged by this provider.
    pub fn use_auth(self, provider: Arc<dyn AuthProvider>) -> GatewayBuilder<AuthDecided> {
        self.decide(AuthChoice::Provider(provider))
    }

    /// Callers are judged as the workspace's `gateway.yaml` and the environment say.
    pub fn auth_from_workspace(self) -> GatewayBuilder<AuthDecided> {
        self.decide(AuthChoice::Workspace)
    }

    /// Everyone may do everything. The server then listens on loopback alone, unless `server.allow_unauthenticated` is set.
    pub fn without_auth(self) -> GatewayBuilder<AuthDecided> {
        self.decide(AuthChoice::Open)
    }

    fn decide(mut self, auth: AuthChoice) -> GatewayBuilder<AuthDecided> {
        self.choices.auth = auth;
        GatewayBuilder { choices: self.choices, auth: PhantomData }
    }
}

impl<Auth> GatewayBuilder<Auth> {
    /// Keeps everything in a SQLite database, which is opened when the gateway is built.
    #[cfg(feature = "sqlite")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    pub fn use_sqlite(mut self, config: agent_gateway_sqlite::SqliteConfig) -> Self {
        let opening = Opening::new(|| Box::pin(crate::catalog::openers::open_sqlite(config)));
        self.choices.persistence = Choice::Given(opening);
        self
    }

    /// Keeps everything in a PostgreSQL database, which is opened when the gateway is built.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn use_postgres(mut self, config: agent_gateway_postgres::PostgresConfig) -> Self {
        let opening = Opening::new(|| {
            Box::pin(async {
                let database = agent_gateway_postgres::Postgres::open(config).await?;
                Ok(crate::catalog::openers::postgres::open_store(&database))
            })
        });
        self.choices.persistence = Choice::Given(opening);
        self
    }

    /// Keeps everything and queues in one PostgreSQL database, on one pool.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    pub fn use_postgres_for_all(mut self, database: agent_gateway_postgres::Postgres) -> Self {
        let store = crate::catalog::openers::postgres::open_store(&database);
        self.choices.persistence = Choice::Given(Opening::ready(store));
        self.choices.queue = Choice::Given(Opening::new(|| {
            Box::pin(async move { crate::catalog::openers::postgres::open_queue(&database).await })
        }));
        self
    }

    /// Queues in Redis, which is opened when the gateway is built.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub fn use_redis_queue(mut self, config: agent_gateway_redis::RedisConfig) -> Self {
        let opening = Opening::new(|| Box::pin(crate::catalog::openers::open_redis_queue(config)));
        self.choices.queue = Choice::Given(opening);
        self
    }

    /// Queues in RabbitMQ, which is opened when the gateway is built.
    #[cfg(feature = "rabbitmq")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rabbitmq")))]
    pub fn use_rabbitmq_queue(mut self, config: agent_gateway_rabbitmq::RabbitMqConfig) -> Self {
        let opening = Opening::new(|| Box::pin(crate::catalog::openers::open_rabbitmq_queue(config)));
        self.choices.queue = Choice::Given(opening);
        self
    }

    /// Keeps everything in this backend.
    pub fn use_persistence(mut self, backend: Arc<dyn PersistenceBackend>) -> Self {
        self.choices.persistence = Choice::Given(Opening::ready(backend));
        self
    }

    /// Queues in this process: queued executions end with it.
    pub fn use_memory_queue(self) -> Self {
        self.use_queue(Arc::new(agent_gateway_core::in_process::InProcessQueue::default()))
    }

    /// Queues in this backend.
    pub fn use_queue(mut self, queue: Arc<dyn ExecutionQueue>) -> Self {
        self.choices.queue = Choice::Given(Opening::ready(queue));
        self
    }

    /// Asks this model, under this name, where an agent names none.
    pub fn use_model(mut self, name: ModelName, model: Arc<dyn LanguageModel>) -> Self {
        self.choices.model = Choice::Given((name, model));
        self
    }

    /// Lets `gateway.yaml` name the backends of this catalog.
    pub fn use_catalog(mut self, catalog: Catalog) -> Self {
        self.choices.catalog = catalog;
        self
    }

    /// Reads these variables in place of the process environment.
    pub fn use_vars(mut self, vars: Arc<dyn Vars>) -> Self {
        self.choices.vars = vars;
        self
    }

    /// Adds a tool of the application, for every agent that it allows: a function with `#[tool]`, a
    /// [`FunctionTool`](crate::code_tool::FunctionTool) or the result of making one, or any [`Tool`]. What is wrong with it comes
    /// in the report of `build`.
    pub fn tool(mut self, tool: impl IntoTool) -> Self {
        match tool.into_tool() {
            Ok(tool) => self.choices.tools.push(Arc::new(tool)),
            Err(error) => self.choices.problems.push(Diagnostic::error("", error.to_string()).key(CODE_TOOL)),
        }
        self
    }

    /// The JSON Schema of an agent's input; it wins over that of its file.
    pub fn set_input_schema(mut self, agent: AgentId, schema: Value) -> Self {
        self.choices.schemas.input.insert(agent, Arc::new(schema));
        self
    }

    /// The JSON Schema of an agent's output; it wins over that of its file.
    pub fn set_output_schema(mut self, agent: AgentId, schema: Value) -> Self {
        self.choices.schemas.output.insert(agent, Arc::new(schema));
        self
    }

    /// An agent's input must be a `T`; this wins over the schema of its file.
    pub fn set_input_type<T: schemars::JsonSchema>(self, agent: AgentId) -> Self {
        self.set_input_schema(agent, agent_gateway_core::schema::of::<T>())
    }

    /// An agent's output must be a `T`, which [`Execution::output`](crate::Execution::output) reads; this wins over the schema of
    /// its file.
    pub fn set_output_type<T: schemars::JsonSchema>(self, agent: AgentId) -> Self {
        self.set_output_schema(agent, agent_gateway_core::schema::of::<T>())
    }

    /// What this process does of the work. Anything but [`Role::Whole`] needs a queue and a database that processes share;
    /// building without is `Misconfigured`.
    pub fn role(mut self, role: Role) -> Self {
        self.choices.role = role;
        self
    }

    /// Leaves executions alone that other processes did not finish: for a process that is here for a moment only.
    pub fn leave_orphans(mut self) -> Self {
        self.choices.orphans = Orphans::Left;
        self
    }

    /// Serves `POST /v1/reload`, which reads the workspace again.
    pub fn allow_reload(mut self) -> Self {
        self.choices.reload = ReloadChoice::On;
        self
    }
}

impl GatewayBuilder<AuthDecided> {
    /// Reads and checks everything, and opens nothing.
    pub async fn check(self) -> Plan {
        assemble::plan(self.choices).await
    }

    /// Reads, checks, opens and starts. Every problem of the configuration comes in one report.
    pub async fn build(self) -> Result<Gateway, BuildError> {
        self.check().await.start().await
    }
}
