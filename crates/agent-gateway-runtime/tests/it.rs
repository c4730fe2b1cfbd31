//! The assembled gateway on in-process backends and a scripted model.
#[path = "it/cancel.rs"]
mod cancel;
#[path = "it/queue.rs"]
mod queue;
#[path = "it/snapshot.rs"]
mod snapshot;
#[path = "it/submit.rs"]
mod submit;
#[path = "it/world.rs"]
mod world;
