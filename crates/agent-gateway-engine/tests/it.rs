//! The loop against a scripted model: what it asks, what it records, how it ends.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]
#[path = "it/conversation.rs"]
mod conversation;
#[path = "it/limits.rs"]
mod limits;
#[path = "it/log.rs"]
mod log;
#[path = "it/resume.rs"]
mod resume;
#[path = "it/schema.rs"]
mod schema;
#[path = "it/speed.rs"]
mod speed;
#[path = "it/tools.rs"]
mod tools;
#[path = "it/workflow.rs"]
mod workflow;
#[path = "it/workflow_check.rs"]
mod workflow_check;
#[path = "it/world.rs"]
mod world;
