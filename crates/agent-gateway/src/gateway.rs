//! The gateway that an application holds.
use std::sync::Arc;

use agent_gateway_core::{
    Error, JsonMap, Result,
    agent::{AgentDefinition, Availability},
    capability::BackendInfo,
    config::GatewayConfig,
    execution::{ExecutionRequest, Mode, Origin, Outcome, RunOptions},
    id::{AgentId, ExecutionId},
    ports::model::Delivery,
    principal::Principal,
    skill::SkillDefinition,
    tool::ToolSpec,
};
use agent_gateway_runtime::{CancelOutcome, Gateway as Runtime, Health, Refusal, Snapshot, Submitted};
use agent_gateway_tools::FileTools;

use crate::{GatewayBuilder, builder::ReloadChoice};

/// A running gateway: agents to invoke, and a server to run or to mount. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) runtime: Runtime,
    pub(crate) config: Arc<GatewayConfig>,
    backends: Arc<(BackendInfo, BackendInfo)>,
    tools: Arc<FileTools>,
    #[cfg(feature = "rest")]
    pub(crate) router: axum::Router,
}

/// A finished execution.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// How it ended.
    pub outcome: Arc<Outcome>,
}

impl Execution {
    /// The text of the answer.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.outcome.raw_text
    }

    /// The structured answer as a `T`.
    ///
    /// # Errors
    /// `Invalid` where there is none, with how the run ended and what the answer missed, or where it is no `T`.
    pub fn output<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        let Outcome { output, stop_reason, validation_errors, error, .. } = &*self.outcome;
        if let Some(output) = output {
            return T::deserialize(output).map_err(|error| {
                Error::invalid(format!("the structured answer does not fit the type: {error}"))
            });
        }
        let missed = validation_errors.as_deref().map(|errors| format!(": {}", errors.join("; ")));
        let failed = || error.as_ref().map(|error| format!(": {error}"));
        let why = missed.or_else(failed).unwrap_or_default();
        let ended = stop_reason.as_str();
        Err(Error::invalid(format!("there is no structured answer (the run ended as {ended}){why}"))
            .with("execution", &self.id))
    }
}

impl Gateway {
    /// Configures a gateway for the workspace at this path.
    pub fn builder(workspace: impl Into<std::path::PathBuf>) -> GatewayBuilder {
        GatewayBuilder::new(workspace)
    }

    #[cfg_attr(not(feature = "rest"), expect(unused_variables, reason = "reloading over HTTP needs the API"))]
    pub(crate) fn new(
        runtime: Runtime,
        config: GatewayConfig,
        reload: ReloadChoice,
        backends: (BackendInfo, BackendInfo),
        tools: Arc<FileTools>,
    ) -> Result<Self> {
        Ok(Self {
            #[cfg(feature = "rest")]
            router: crate::serve::router(&runtime, &config, reload)?,
            runtime,
            config: Arc::new(config),
            backends: Arc::new(backends),
            tools,
        })
    }

    /// Runs an agent and waits for its answer. What the API would refuse is refused here too.
    pub async fn invoke(&self, agent: &str, message: impl Into<String>) -> Result<Execution, Refusal> {
        self.invoke_with(agent, message, JsonMap::new(), RunOptions::default(), Origin::Library).await
    }

    /// Runs an agent with structured input and settings of this run.
    pub async fn invoke_with(
        &self,
        agent: &str,
        message: impl Into<String>,
        input: JsonMap,
        options: RunOptions,
        origin: Origin,
    ) -> Result<Execution, Refusal> {
        let agent = AgentId::new(agent).map_err(|_| Refusal::AgentNotFound(agent.to_owned()))?;
        let request = ExecutionRequest::new(agent, message, Principal::system(), origin)
            .input(input)
            .options(RunOptions { delivery: Delivery::Whole, ..options });
        match self.runtime.executions().submit(request.mode(Mode::Wait)).await? {
            Submitted::Finished(done) => Ok(Execution { id: done.execution_id, outcome: done.outcome }),
            _ => Err(Error::unexpected("an execution that was waited for did not end").into()),
        }
    }

    /// Stops an execution; answers whether there was one to stop.
    pub async fn cancel_execution(&self, id: &ExecutionId) -> Result<bool> {
        let outcome = self.runtime.executions().cancel(id, &Principal::system()).await?;
        Ok(outcome == CancelOutcome::Requested)
    }

    /// Agents, skills and tools as they are served now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.runtime.catalogue().snapshot()
    }

    /// The agents that are served, in directory order.
    #[must_use]
    pub fn agents(&self) -> Vec<Arc<AgentDefinition>> {
        self.snapshot().agents().cloned().collect()
    }

    /// The skills that are served, in directory order.
    #[must_use]
    pub fn skills(&self) -> Vec<Arc<SkillDefinition>> {
        self.snapshot().definitions().skills.values().cloned().collect()
    }

    /// The tools that are served, of files first and then of code.
    #[must_use]
    pub fn tools(&self) -> Vec<ToolSpec> {
        self.snapshot().tools().cloned().collect()
    }

    /// Whether the agent exists and may be invoked.
    #[must_use]
    pub fn is_agent_enabled(&self, agent: &str) -> bool {
        self.snapshot().agent(agent).is_some_and(|agent| agent.availability == Availability::Enabled)
    }

    /// The state of the workspace, as `GET /v1/health` shows it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.runtime.catalogue().health()
    }

    /// Reads the workspace again. Executions under way keep the definitions that they began with.
    pub async fn reload(&self) -> Result<Health> {
        self.runtime.catalogue().reload().await
    }

    /// The merged configuration.
    #[must_use]
    pub fn config(&self) -> &GatewayConfig {
        &self.config
    }

    /// Which database and which queue are used.
    #[must_use]
    pub fn backends(&self) -> (&BackendInfo, &BackendInfo) {
        (&self.backends.0, &self.backends.1)
    }

    /// The assembled parts, for protocols of your own.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Works until `stop` resolves, without taking requests, and then shuts down in order: for a process of
    /// [`Role::WorkerOnly`](crate::Role::WorkerOnly).
    pub async fn work_until(&self, stop: impl Future<Output = ()>) -> Result<()> {
        stop.await;
        self.shutdown().await
    }

    /// Takes nothing new, waits for executions under way, and closes the backends.
    pub async fn shutdown(&self) -> Result<()> {
        let closed = self.runtime.shutdown().await;
        self.tools.shutdown().await;
        closed
    }
}
