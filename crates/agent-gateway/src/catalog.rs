//! The backends that `gateway.yaml` can name.
use std::{collections::BTreeMap, fmt, sync::Arc};

use agent_gateway_core::{
    Result,
    config::GatewayConfig,
    diagnostic::Diagnostic,
    in_process::InProcessQueue,
    ports::{persistence::PersistenceBackend, queue::ExecutionQueue},
};
use futures::future::BoxFuture;

pub(crate) mod openers;

/// A backend that is opened when the gateway starts.
pub(crate) struct Opening<P: ?Sized>(Box<dyn FnOnce() -> BoxFuture<'static, Result<Arc<P>>> + Send>);

impl<P: ?Sized + Send + Sync + 'static> Opening<P> {
    pub(crate) fn new(open: impl FnOnce() -> BoxFuture<'static, Result<Arc<P>>> + Send + 'static) -> Self {
        Self(Box::new(open))
    }

    pub(crate) fn ready(backend: Arc<P>) -> Self {
        Self::new(move || Box::pin(async move { Ok(backend) }))
    }

    pub(crate) async fn open(self) -> Result<Arc<P>> {
        (self.0)().await
    }
}

impl<P: ?Sized> fmt::Debug for Opening<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opening")
    }
}

type Opener<P> = Arc<dyn Fn(GatewayConfig) -> BoxFuture<'static, Result<Arc<P>>> + Send + Sync>;

/// Backends by the word that chooses them. It is a value: add your own with [`Catalog::with_persistence`] and
/// [`Catalog::with_queue`], and `gateway.yaml` can name it. A backend is given the whole configuration: settings of its own
/// stand under `context`.
#[derive(Clone)]
pub struct Catalog {
    persistence: BTreeMap<&'static str, Opener<dyn PersistenceBackend>>,
    queues: BTreeMap<&'static str, Opener<dyn ExecutionQueue>>,
}

impl Catalog {
    /// The backends of this build.
    #[must_use]
    pub fn builtin() -> Self {
        let catalog = Self { persistence: BTreeMap::new(), queues: BTreeMap::new() };
        let in_process = |_: GatewayConfig| -> BoxFuture<'static, Result<Arc<dyn ExecutionQueue>>> {
            Box::pin(async { Ok(Arc::new(InProcessQueue::default()) as Arc<dyn ExecutionQueue>) })
        };
        openers::all(catalog.with_queue("none", in_process).with_queue("memory", in_process))
    }

    /// With a persistence backend that `persistence.backend: <name>` chooses.
    #[must_use]
    pub fn with_persistence<F>(mut self, name: &'static str, open: F) -> Self
    where
        F: Fn(GatewayConfig) -> BoxFuture<'static, Result<Arc<dyn PersistenceBackend>>>
            + Send
            + Sync
            + 'static,
    {
        self.persistence.insert(name, Arc::new(open));
        self
    }

    /// With a queue that `queue.backend: <name>` chooses.
    #[must_use]
    pub fn with_queue<F>(mut self, name: &'static str, open: F) -> Self
    where
        F: Fn(GatewayConfig) -> BoxFuture<'static, Result<Arc<dyn ExecutionQueue>>> + Send + Sync + 'static,
    {
        self.queues.insert(name, Arc::new(open));
        self
    }

    /// What is wrong with the chosen names; empty when both are known.
    pub(crate) fn check(&self, persistence: Option<&str>, queue: Option<&str>) -> Vec<Diagnostic> {
        let unknown = |key: &str, name: &str, known: Vec<&&str>| {
            let known: Vec<&str> = known.into_iter().copied().collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Diagnostic::error("gateway.yaml", format!("there is no backend named '{name}' in this build"))
                .key(key)
                .hint(format!("known here: {known}"))
        };
        let mut findings = Vec::new();
        if let Some(name) = persistence.filter(|name| !self.persistence.contains_key(name)) {
            findings.push(unknown("persistence.backend", name, self.persistence.keys().collect()));
        }
        if let Some(name) = queue.filter(|name| !self.queues.contains_key(name)) {
            findings.push(unknown("queue.backend", name, self.queues.keys().collect()));
        }
        findings
    }

    pub(crate) async fn open_persistence(
        &self,
        config: &GatewayConfig,
    ) -> Result<Arc<dyn PersistenceBackend>> {
        match self.persistence.get(config.persistence.backend.as_str()) {
            Some(open) => open(config.clone()).await,
            None => Err(unknown_name("persistence.backend", &config.persistence.backend)),
        }
    }

    pub(crate) async fn open_queue(&self, config: &GatewayConfig) -> Result<Arc<dyn ExecutionQueue>> {
        match self.queues.get(config.queue.backend.as_str()) {
            Some(open) => open(config.clone()).await,
            None => Err(unknown_name("queue.backend", &config.queue.backend)),
        }
    }
}

fn unknown_name(key: &'static str, name: &str) -> agent_gateway_core::Error {
    agent_gateway_core::Error::misconfigured("there is no backend of that name in this build").with(key, name)
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("persistence", &self.persistence.keys())
            .field("queues", &self.queues.keys())
            .finish()
    }
}
