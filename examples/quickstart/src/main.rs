//! Builds a gateway, adds a tool, invokes an agent.
#![expect(clippy::print_stdout, reason = "an example prints its answer")]
use agent_gateway::prelude::*;
use serde_json::{Value, json};

/// Tells the weather of a city.
#[tool]
async fn weather(city: String) -> Value {
    json!({"city": city, "sky": "clear"})
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gateway = Gateway::builder("examples/quickstart/workspace")
        .use_memory_queue()
        .tool(weather)
        .without_auth() // or .use_api_keys([ApiKey::new("service-a", key)]), or .auth_from_workspace()
        .build()
        .await?;

    let execution = gateway.invoke("assistant", r#"use weather {"city": "Oslo"}"#).await?;
    println!("{}", execution.text());
    // gateway.run(([127, 0, 0, 1], 8000).into()).await? serves it; gateway.router() gives the axum router.
    gateway.shutdown().await?;
    Ok(())
}
