use std::sync::Arc;

use agent_gateway_core::{Error, JsonMap, Result, ports::tool::Tool, tool::ToolOutput};
use agent_gateway_testkit::{Fixture, scripted::FnTool, tool::Calls};
use async_trait::async_trait;
use serde_json::{Value, json};

struct Scripted;
struct World(FnTool);

fn arguments(what: &str) -> JsonMap {
    JsonMap::from_iter([("what".to_owned(), Value::from(what))])
}

#[async_trait]
impl Calls for World {
    fn good(&self) -> JsonMap {
        arguments("answer")
    }
    fn failing(&self) -> Option<JsonMap> {
        Some(arguments("fail"))
    }
    fn endless(&self) -> Option<JsonMap> {
        Some(arguments("hang"))
    }
    async fn endless_begun(&self) {
        self.0.wait_for_calls(1).await;
    }
    async fn endless_stopped(&self) {
        self.0.wait_for_dropped(1).await;
    }
}

#[async_trait]
impl Fixture<dyn Tool> for Scripted {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn Tool>, World)> {
        let body = |arguments: JsonMap, _| async move {
            match arguments.get("what").and_then(Value::as_str) {
                Some("answer") => Ok(ToolOutput::Text("an answer".to_owned())),
                Some("hang") => std::future::pending().await,
                _ => Err(Error::invalid("ask for an answer")),
            }
        };
        let tool = FnTool::new("oracle", body)?.parameters(json!({"type": "object", "required": ["what"]}));
        Ok((Arc::new(tool.clone()), World(tool)))
    }
    async fn reopen(&self, _guard: &World) -> Result<Option<Arc<dyn Tool>>> {
        Ok(None)
    }
}

agent_gateway_testkit::tool_suite!(Scripted);
