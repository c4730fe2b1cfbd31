//! The assembled gateway on in-process backends and a scripted model.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]
#[path = "it/approvals.rs"]
mod approvals;
#[path = "it/cancel.rs"]
mod cancel;
#[path = "it/chat.rs"]
mod chat;
#[path = "it/cluster.rs"]
mod cluster;
#[path = "it/delegation.rs"]
mod delegation;
#[path = "it/idempotency.rs"]
mod idempotency;
#[path = "it/queue.rs"]
mod queue;
#[path = "it/recovery.rs"]
mod recovery;
#[path = "it/snapshot.rs"]
mod snapshot;
#[path = "it/stream.rs"]
mod stream;
#[path = "it/submit.rs"]
mod submit;
#[path = "it/tree.rs"]
mod tree;
#[path = "it/workflow.rs"]
mod workflow;
#[path = "it/world.rs"]
mod world;
