//! Workspaces on disk, read through the public surface.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]
#[path = "it/bad_input.rs"]
mod bad_input;
#[path = "it/definitions.rs"]
mod definitions;
#[path = "it/links.rs"]
mod links;
#[path = "it/support.rs"]
mod support;
#[path = "it/tools.rs"]
mod tools;
