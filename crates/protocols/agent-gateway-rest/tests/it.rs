//! The REST API over a real gateway with in-process backends.
#![expect(clippy::panic, clippy::unwrap_used, reason = "the helpers of tests fail like tests")]
#![expect(clippy::disallowed_methods, reason = "tests end with their tasks, which need no draining")]

#[path = "it/access.rs"]
mod access;
#[path = "it/bad_input.rs"]
mod bad_input;
#[path = "it/catalogue.rs"]
mod catalogue;
#[path = "it/chat.rs"]
mod chat;
#[path = "it/description.rs"]
mod description;
#[path = "it/events.rs"]
mod events;
#[path = "it/executions.rs"]
mod executions;
#[path = "it/failures.rs"]
mod failures;
#[path = "it/headers.rs"]
mod headers;
#[path = "it/idempotency.rs"]
mod idempotency;
#[path = "it/invoke.rs"]
mod invoke;
#[path = "it/resuming.rs"]
mod resuming;
#[path = "it/server.rs"]
mod server;
#[path = "it/sessions.rs"]
mod sessions;
#[path = "it/setups.rs"]
mod setups;
#[path = "it/streams.rs"]
mod streams;
#[path = "it/usage.rs"]
mod usage;
#[path = "it/world.rs"]
mod world;
