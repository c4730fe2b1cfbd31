//! The gateway that an application holds.
use std::{net::SocketAddr, sync::Arc};

use agent_gateway_core::{
    Error, JsonMap, Result,
    agent::{AgentDefinition, Availability},
    capability::BackendInfo,
    config::GatewayConfig,
    execution::{ExecutionRequest, Mode, Origin, Outcome, RunOptions},
    id::{AgentId, ExecutionId},
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
    runtime: Runtime,
    config: Arc<GatewayConfig>,
    backends: Arc<(BackendInfo, BackendInfo)>,
    tools: Arc<FileTools>,
    #[cfg(feature = "rest")]
    router: axum::Router,
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
            router: router(&runtime, &config, reload)?,
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
        let request =
            ExecutionRequest::new(agent, message, Principal::system(), origin).input(input).options(options);
        match self.runtime.executions().submit(request.mode(Mode::Wait)).await? {
            Submitted::Finished(done) => Ok(Execution { id: done.execution_id, outcome: done.outcome }),
            Submitted::Queued(_) => Err(Error::unexpected("a waited-for execution was queued").into()),
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

    /// The API as an axum router, to serve or to nest.
    #[cfg(feature = "rest")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Nests the API under `path` of another router.
    #[cfg(feature = "rest")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
    pub fn mount_to(&self, parent: axum::Router, path: &str) -> Result<axum::Router> {
        let trimmed = path.trim_matches('/');
        if trimmed.is_empty() {
            return Err(Error::misconfigured("a mount path must not be empty or '/'").with("path", path));
        }
        Ok(parent.nest(&format!("/{trimmed}"), self.router()))
    }

    /// Serves the API at `address` until the process is asked to stop, then shuts down in order.
    ///
    /// Without authentication only loopback addresses are served, unless `server.allow_unauthenticated` is set.
    #[cfg(feature = "rest")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
    pub async fn run(&self, address: SocketAddr) -> Result<()> {
        self.run_until(address, shutdown_signal(), |_| ()).await
    }

    /// Like [`Gateway::run`], until `stop` resolves; `bound` is told the address once it is listened on.
    #[cfg(feature = "rest")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
    pub async fn run_until(
        &self,
        address: SocketAddr,
        stop: impl Future<Output = ()> + Send + 'static,
        bound: impl FnOnce(SocketAddr) + Send,
    ) -> Result<()> {
        if self.runtime.authenticator().is_open() {
            refuse_exposed(&self.config, address)?;
        }
        let failed = |error: std::io::Error| {
            Error::misconfigured(format!("cannot listen on {address}: {error}; choose another host or port"))
        };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
        bound(listener.local_addr().map_err(failed)?);
        let options = agent_gateway_http::ServeOptions::from_config(&self.config);
        agent_gateway_http::serve(listener, self.router(), options, stop).await;
        self.shutdown().await
    }

    /// Takes nothing new, waits for executions under way, and closes the backends.
    pub async fn shutdown(&self) -> Result<()> {
        let closed = self.runtime.shutdown().await;
        self.tools.shutdown().await;
        closed
    }
}

/// A gateway that lets everyone in is not shown to other machines, unless the operator wrote that down.
pub(crate) fn refuse_exposed(config: &GatewayConfig, address: SocketAddr) -> Result<()> {
    if !address.ip().is_loopback() && !config.server.allow_unauthenticated {
        return Err(Error::misconfigured(
            "authentication is off, so only this machine may call: listen on 127.0.0.1, or add auth.api_keys, or write \
             server.allow_unauthenticated: true to let everyone who reaches this address run your agents",
        )
        .with("address", address));
    }
    Ok(())
}

#[cfg(feature = "rest")]
fn router(runtime: &Runtime, config: &GatewayConfig, reload: ReloadChoice) -> Result<axum::Router> {
    use agent_gateway_rest::{Reload, RestOptions};
    let reload = match reload {
        ReloadChoice::On => Reload::Enabled,
        ReloadChoice::Off => Reload::Disabled,
    };
    agent_gateway_rest::router(runtime, &RestOptions::from_config(config).reload(reload))
}

/// Resolves when the process is asked to stop, by Ctrl-C or SIGTERM.
#[cfg(feature = "rest")]
#[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
