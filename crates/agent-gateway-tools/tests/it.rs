//! File tools as the engine uses them: real processes, real servers on loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like tests")]

#[path = "it/command.rs"]
mod command;
#[path = "it/factory.rs"]
mod factory;
#[path = "it/http.rs"]
mod http;
#[path = "it/python.rs"]
mod python;
#[path = "it/python_faults.rs"]
mod python_faults;
#[path = "it/support.rs"]
mod support;
