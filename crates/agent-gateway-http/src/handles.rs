//! What handlers may reach.
use agent_gateway_runtime::{Approvals, Catalogue, Executions, Gateway, Sessions, Setups};
use axum::extract::FromRef;

/// The state of every router: handlers extract the handle that they need, and never the whole gateway.
#[derive(Clone, Debug)]
pub struct Handles {
    executions: Executions,
    approvals: Approvals,
    catalogue: Catalogue,
    sessions: Sessions,
    setups: Setups,
    limits: BodyLimits,
}

/// What a request body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// Its size in bytes, at most.
    pub(crate) max_bytes: usize,
    /// How long it may take to arrive.
    pub(crate) timeout: std::time::Duration,
}

impl Handles {
    pub(crate) fn new(gateway: &Gateway, limits: BodyLimits) -> Self {
        Self {
            executions: gateway.executions(),
            approvals: gateway.approvals(),
            catalogue: gateway.catalogue(),
            sessions: gateway.sessions(),
            setups: gateway.setups(),
            limits,
        }
    }

    pub(crate) fn limits(&self) -> BodyLimits {
        self.limits
    }
}

impl FromRef<Handles> for Executions {
    fn from_ref(handles: &Handles) -> Self {
        handles.executions.clone()
    }
}

impl FromRef<Handles> for Approvals {
    fn from_ref(handles: &Handles) -> Self {
        handles.approvals.clone()
    }
}

impl FromRef<Handles> for Sessions {
    fn from_ref(handles: &Handles) -> Self {
        handles.sessions.clone()
    }
}

impl FromRef<Handles> for Setups {
    fn from_ref(handles: &Handles) -> Self {
        handles.setups.clone()
    }
}

impl FromRef<Handles> for Catalogue {
    fn from_ref(handles: &Handles) -> Self {
        handles.catalogue.clone()
    }
}
