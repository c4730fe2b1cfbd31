//! The assembled gateway without HTTP: definitions and ports become a [`Gateway`] that runs agents.
//!
//! The stages are values: [`Recipe`] and definitions make a [`Snapshot`], opened ports make [`Ports`], both make a [`Gateway`].
//! It is **not** a protocol: those call [`Executions`], [`Catalogue`] and [`Authenticator`].
#![cfg_attr(docsrs, feature(doc_cfg))]

// Making it.
mod gateway;
mod ports;
mod recipe;
mod seal;
mod snapshot;

// What protocols hold.
mod approvals;
mod auth;
mod catalogue;
mod events;
mod executions;
mod refusal;
mod sessions;
mod setups;

// One execution.
mod admit;
mod attempt;
mod begin;
mod children;
mod idempotency;
mod live;
mod recorder;
mod run;
mod running;
mod scene;
mod settings;
mod turns;
mod unrun;

// What runs beside.
mod farewell;
mod handover;
mod heartbeat;
mod outage;
mod presence;
mod recovery;
mod requeue;
mod resumption;
mod tasks;
mod worker;

pub use admit::MAX_MESSAGE_CHARS;
pub use agent_gateway_engine::{FieldError, Schema};
pub use approvals::{Approvals, DECIDE};
pub use auth::{AuthFailure, Authenticator};
pub use catalogue::{Catalogue, Health, HealthStatus, Readiness};
pub use events::Events;
pub use executions::{CancelOutcome, Completed, Executions, Streaming, Submitted, Watched};
pub use gateway::{Gateway, Limits, Orphans};
pub use ports::Ports;
pub use recipe::{Recipe, SchemaOverrides};
pub use refusal::Refusal;
pub use scene::MAX_METADATA_BYTES;
pub use seal::{Keyring, SECRET_KEY, SECRET_KEY_OLD};
pub use sessions::{Reach, Sessions};
pub use settings::{MASK, MAX_INSTRUCTIONS_CHARS, MAX_SETTINGS_BYTES};
pub use setups::{Setups, ShownSetup, sensitive_fields};
pub use snapshot::{CODE_TOOL, Snapshot};
