//! The assembled gateway without HTTP: definitions and ports become a [`Gateway`] that runs agents.
//!
//! The stages are values: [`Recipe`] and definitions make a [`Snapshot`], opened ports make [`Ports`], both make a [`Gateway`].
//! It is **not** a protocol: those call [`Executions`], [`Catalogue`] and [`Authenticator`].
#![cfg_attr(docsrs, feature(doc_cfg))]

// Making it.
mod gateway;
mod ports;
mod recipe;
mod snapshot;

// What protocols hold.
mod auth;
mod catalogue;
mod events;
mod executions;
mod refusal;
mod sessions;

// One execution.
mod admit;
mod attempt;
mod begin;
mod idempotency;
mod live;
mod recorder;
mod run;
mod running;
mod scene;
mod spent;
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
mod tasks;
mod worker;

pub use admit::MAX_MESSAGE_CHARS;
pub use agent_gateway_engine::{FieldError, HookStack, Schema};
pub use auth::{AuthFailure, Authenticator};
pub use catalogue::{Catalogue, Health, HealthStatus, Readiness};
pub use events::Events;
pub use executions::{CancelOutcome, Completed, Executions, Streaming, Submitted, Watched};
pub use gateway::{Gateway, Limits, Orphans};
pub use ports::Ports;
pub use recipe::{Recipe, SchemaOverrides};
pub use refusal::Refusal;
pub use scene::MAX_METADATA_BYTES;
pub use sessions::{Reach, Sessions};
pub use snapshot::Snapshot;
