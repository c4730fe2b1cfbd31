//! The published suite of the port, on the client and on the stand-in.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agent_gateway_core::{
    Result,
    id::{ModelName, ToolName},
    message::Message,
    ports::model::{Delivery, LanguageModel, ModelRequest},
    tool::{ToolSource, ToolSpec},
};
use agent_gateway_llm::Offline;
use agent_gateway_testkit::{
    Fixture,
    model::{Scene, Stage},
    model_server::{ModelServer, Reply},
};
use async_trait::async_trait;
use serde_json::json;

use super::kit::{client, request};

mod openai {
    agent_gateway_testkit::model_suite!(super::Client);
}
mod offline {
    agent_gateway_testkit::model_suite!(super::StandIn);
}

struct Client;

struct Server {
    server: ModelServer,
    gone: AtomicUsize,
}

#[async_trait]
impl Fixture<dyn LanguageModel> for Client {
    type Guard = Server;

    async fn fresh(&self) -> Result<(Arc<dyn LanguageModel>, Server)> {
        let server = ModelServer::start().await;
        Ok((Arc::new(client(&server)), Server { server, gone: AtomicUsize::new(0) }))
    }

    async fn reopen(&self, _: &Server) -> Result<Option<Arc<dyn LanguageModel>>> {
        Ok(None)
    }
}

#[async_trait]
impl Stage for Server {
    async fn play(&self, scene: Scene) -> Option<ModelRequest> {
        match scene {
            Scene::Text(text) => self.server.reply(Reply::text(text)),
            Scene::Calls(calls) => self.server.reply(Reply::tool_calls(calls)),
            // Every attempt ends like this one.
            Scene::CutOff => self.server.default_reply(Reply::cut_after(3)),
            Scene::Refuse => self.server.reply(Reply::status(400)),
            Scene::Hang => self.server.reply(Reply::text("one two three").stall(3)),
        };
        Some(request(Delivery::Whole))
    }

    async fn caller_gone(&self) {
        let gone = self.gone.fetch_add(1, Ordering::Relaxed) + 1;
        self.server.wait_for_abandoned(gone).await;
    }
}

struct StandIn;

struct Nothing;

#[async_trait]
impl Fixture<dyn LanguageModel> for StandIn {
    type Guard = Nothing;

    async fn fresh(&self) -> Result<(Arc<dyn LanguageModel>, Nothing)> {
        Ok((Arc::new(Offline), Nothing))
    }

    async fn reopen(&self, _: &Nothing) -> Result<Option<Arc<dyn LanguageModel>>> {
        Ok(None)
    }
}

#[async_trait]
impl Stage for Nothing {
    async fn play(&self, scene: Scene) -> Option<ModelRequest> {
        let user = Message::user("do what must be done");
        let messages = match &scene {
            Scene::Text(text) => {
                let name = "tool".into();
                vec![user, Message::Tool { call_id: "c".into(), name, content: text.as_str().into() }]
            }
            Scene::Calls(calls) => {
                let wishes: Vec<_> =
                    calls.iter().map(|(name, value)| format!("use {name} {value}")).collect();
                vec![Message::user(wishes.join(" and "))]
            }
            Scene::CutOff | Scene::Refuse | Scene::Hang => return None,
        };
        let tool = |name: &str| {
            let name = ToolName::new(name).unwrap();
            Arc::new(ToolSpec::new(name, "", json!({"type": "object"}), ToolSource::Code))
        };
        let mut request = ModelRequest::new(ModelName::new("offline").unwrap(), messages);
        request.tools = Arc::from([tool("add"), tool("list")]);
        Some(request)
    }

    async fn caller_gone(&self) {}
}
