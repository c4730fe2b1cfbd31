//! Conformance suites, fixtures and a scripted model server for backends of agent-gateway.

// What a suite needs from the implementor.
pub mod fixture;
pub mod suite;

// One suite for each port.
pub mod auth;
pub mod lock;
pub mod memory;
pub mod model;
pub mod notification;
pub mod persistence;
pub mod queue;
pub mod rates;
pub mod retrieval;
pub mod tool;

// What tests of the machine need.
pub mod model_server;
pub mod private;
pub mod scripted;
pub mod service;
pub mod skip;

// What the suites must find.
pub mod saboteur;

pub use fixture::Fixture;
pub use service::Service;
