//! The gateway as a server: its router, mounting it, listening.
use std::net::SocketAddr;

use agent_gateway_core::{Error, Result, config::GatewayConfig};
use agent_gateway_runtime::Gateway as Runtime;

use crate::{Gateway, builder::ReloadChoice};

impl Gateway {
    /// The API as an axum router, to serve or to nest.
    pub fn router(&self) -> axum::Router {
        self.router.clone()
    }

    /// Nests the API under `path` of another router.
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
    pub async fn run(&self, address: SocketAddr) -> Result<()> {
        self.run_until(address, shutdown_signal(), |_| ()).await
    }

    /// Like [`Gateway::run`], until `stop` resolves; `bound` is told the address once it is listened on.
    pub async fn run_until(
        &self,
        address: SocketAddr,
        stop: impl Future<Output = ()> + Send + 'static,
        bound: impl FnOnce(SocketAddr) + Send,
    ) -> Result<()> {
        let mut router = self.router();
        if self.runtime.authenticator().is_open() {
            refuse_exposed(&self.config, address)?;
            if !self.config.server.allow_unauthenticated {
                router = agent_gateway_http::local_only(router);
            }
        }
        let failed = |error: std::io::Error| {
            Error::misconfigured(format!("cannot listen on {address}: {error}; choose another host or port"))
        };
        let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
        bound(listener.local_addr().map_err(failed)?);
        let options = agent_gateway_http::ServeOptions::from_config(&self.config);
        let runtime = self.runtime.clone();
        let stop = async move {
            stop.await;
            runtime.stop_intake();
        };
        agent_gateway_http::serve(listener, router, options, stop).await;
        self.shutdown().await
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

pub(crate) fn router(
    runtime: &Runtime,
    config: &GatewayConfig,
    reload: ReloadChoice,
) -> Result<axum::Router> {
    use agent_gateway_rest::{Reload, RestOptions};
    let reload = match reload {
        ReloadChoice::On => Reload::Enabled,
        ReloadChoice::Off => Reload::Disabled,
    };
    agent_gateway_rest::router(runtime, &RestOptions::from_config(config).reload(reload))
}

/// Resolves when the process is asked to stop, by Ctrl-C or SIGTERM.
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
