//! The ports: one trait family for each thing that the gateway needs from outside. A method's documentation is its contract;
//! each line of it has a case in the testkit.
pub mod auth;
pub mod definition;
pub mod lock;
pub mod memory;
pub mod model;
pub mod notification;
pub mod persistence;
pub mod queue;
pub mod rate;
pub mod retrieval;
pub mod tool;
