//! Journeys of an application that embeds the gateway: through the facade, with real servers.
mod build;
mod embed;
mod example;
mod world;
