//! The loop against a scripted model: what it asks, what it records, how it ends.
#[path = "it/limits.rs"]
mod limits;
#[path = "it/log.rs"]
mod log;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/tools.rs"]
mod tools;
#[path = "it/world.rs"]
mod world;
