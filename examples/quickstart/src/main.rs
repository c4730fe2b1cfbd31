//! Builds a gateway, adds a tool, invokes an agent.
#![expect(clippy::print_stdout, reason = "an example prints its answer")]
use agent_gateway::prelude::*;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    });
    let weather =
        FunctionTool::new("weather", "Tells the weather of a city", schema, |arguments, _| async move {
            Ok(ToolOutput::Json(json!({"city": arguments["city"], "sky": "clear"})))
        })?;

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
