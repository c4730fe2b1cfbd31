//! The command as people run it: a process, its output, its exit code, its HTTP.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on should say so at once")]
#[path = "it/approvals.rs"]
mod approvals;
#[path = "it/bad_input.rs"]
mod bad_input;
#[path = "it/bad_servers.rs"]
mod bad_servers;
#[path = "it/cable.rs"]
mod cable;
#[path = "it/chat.rs"]
mod chat;
#[path = "it/chat_prompt.rs"]
mod chat_prompt;
#[path = "it/clients.rs"]
mod clients;
#[path = "it/cluster.rs"]
mod cluster;
#[path = "it/commands.rs"]
mod commands;
#[path = "it/coordinator.rs"]
mod coordinator;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/exposure.rs"]
mod exposure;
#[path = "it/failing_models.rs"]
mod failing_models;
#[path = "it/full_disk.rs"]
mod full_disk;
#[path = "it/personal.rs"]
mod personal;
#[path = "it/process.rs"]
mod process;
#[path = "it/prompt.rs"]
mod prompt;
#[path = "it/quickstart.rs"]
mod quickstart;
#[path = "it/resume.rs"]
mod resume;
#[path = "it/sse.rs"]
mod sse;
#[path = "it/stopping.rs"]
mod stopping;
#[path = "it/terminal.rs"]
mod terminal;
#[path = "it/wrong_key.rs"]
mod wrong_key;
