//! The published suite of the port, on every wire.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agent_gateway_core::{
    Result,
    ports::model::{Delivery, LanguageModel, ModelRequest},
};
use agent_gateway_testkit::{
    Fixture,
    model::{Scene, Stage},
    model_server::ModelServer,
};
use async_trait::async_trait;

use super::{
    kit::{model_at, patient, request, server},
    wires::{Answer, Wire},
};

macro_rules! suites {
    ($($name:ident: $wire:ident),* $(,)?) => {
        $(mod $name {
            agent_gateway_testkit::model_suite!(super::On(super::Wire::$wire));
        })*
    };
}
suites! {
    anthropic: Anthropic,
    gemini: Gemini,
    vertex_gemini: VertexGemini,
    vertex_claude: VertexClaude,
    bedrock: Bedrock,
    ollama: Ollama,
}

struct On(Wire);

struct World {
    wire: Wire,
    server: ModelServer,
    gone: AtomicUsize,
}

#[async_trait]
impl Fixture<dyn LanguageModel> for On {
    type Guard = World;

    async fn fresh(&self) -> Result<(Arc<dyn LanguageModel>, World)> {
        let server = server().await;
        let model = model_at(self.0, &server.origin(), patient());
        Ok((Arc::new(model), World { wire: self.0, server, gone: AtomicUsize::new(0) }))
    }

    async fn reopen(&self, _: &World) -> Result<Option<Arc<dyn LanguageModel>>> {
        Ok(None)
    }
}

#[async_trait]
impl Stage for World {
    async fn play(&self, scene: Scene) -> Option<ModelRequest> {
        let said = || self.wire.reply(&Answer::text("one two three"));
        match scene {
            Scene::Text(text) => self.server.reply(self.wire.reply(&Answer::text(text))),
            Scene::Calls(calls) => self.server.reply(self.wire.reply(&Answer::calls(calls))),
            // Every attempt ends like this one.
            Scene::CutOff => self.server.default_reply(said().cut(self.wire.first_word())),
            Scene::Refuse => self.server.reply(self.wire.refused("no")),
            Scene::Hang => self.server.reply(said().stall(self.wire.first_word())),
        };
        Some(request(self.wire, Delivery::Whole))
    }

    async fn caller_gone(&self) {
        let gone = self.gone.fetch_add(1, Ordering::Relaxed) + 1;
        self.server.wait_for_abandoned(gone).await;
    }
}
