//! Journeys of an application that embeds the gateway: through the facade, with real servers.
#![expect(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]
#![expect(clippy::disallowed_methods, reason = "tests end with their tasks, which need no draining")]
mod build;
mod embed;
mod example;
mod hooks;
mod planner;
mod recorded_alike;
mod workflow;
mod world;
