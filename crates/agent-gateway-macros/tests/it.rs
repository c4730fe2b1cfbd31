//! The attribute as its users write it.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]
#[path = "it/errors.rs"]
mod errors;
#[path = "it/tools.rs"]
mod tools;
