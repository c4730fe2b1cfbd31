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

use crate::{presence::Presence, seal::Keyring};

/// Every backend that the gateway calls, ready to be called.
#[derive(Clone, Debug)]
pub struct Ports {
    pub(crate) definitions: Arc<dyn DefinitionSource>,
    pub(crate) model: Arc<dyn LanguageModel>,
    pub(crate) persistence: Arc<dyn PersistenceBackend>,
    pub(crate) queue: Arc<dyn ExecutionQueue>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) keyring: Arc<Keyring>,
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
        Ok(Self {
            definitions,
            model,
            persistence,
            queue,
            clock: Arc::new(SystemClock),
            presence,
            keyring: Arc::default(),
        })
    }

    /// With the keys for stored secrets. Without them, no secret can be stored.
    #[must_use]
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = Arc::new(keyring);
        self
    }

    /// With another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}
