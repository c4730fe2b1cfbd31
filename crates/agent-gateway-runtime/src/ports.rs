//! The opened backends.
use std::sync::Arc;

use agent_gateway_core::{
    Result,
    clock::{Clock, SystemClock},
    ports::{
        definition::DefinitionSource, model::LanguageModel, persistence::PersistenceBackend,
        queue::ExecutionQueue,
    },
};

use crate::presence::Presence;

/// Every backend that the gateway calls, ready to be called.
#[derive(Clone, Debug)]
pub struct Ports {
    pub(crate) definitions: Arc<dyn DefinitionSource>,
    pub(crate) model: Arc<dyn LanguageModel>,
    pub(crate) persistence: Arc<dyn PersistenceBackend>,
    pub(crate) queue: Arc<dyn ExecutionQueue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) presence: Arc<Presence>,
}

impl Ports {
    /// Prepares the backends. Nothing is degraded: the first that cannot be prepared is the error.
    pub async fn open(
        definitions: Arc<dyn DefinitionSource>,
        model: Arc<dyn LanguageModel>,
        persistence: Arc<dyn PersistenceBackend>,
        queue: Arc<dyn ExecutionQueue>,
    ) -> Result<Self> {
        persistence.prepare().await?;
        queue.prepare().await?;
        let presence = Arc::new(Presence::new()?);
        Ok(Self { definitions, model, persistence, queue, clock: Arc::new(SystemClock), presence })
    }

    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
