use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use agent_gateway_core::{
    ErrorKind, Result,
    id::ModelName,
    message::Message,
    ports::model::{LanguageModel, ModelRequest},
};
use agent_gateway_testkit::{
    Fixture,
    model::{self, Scene, Stage},
    saboteur::EndsEarly,
    scripted::{Reply, ScriptedModel},
};
use async_trait::async_trait;

struct Scripted;
struct Sabotaged;

struct Script {
    model: ScriptedModel,
    gone: AtomicUsize,
}

#[async_trait]
impl Stage for Script {
    async fn play(&self, scene: Scene) -> Option<ModelRequest> {
        self.model.push(match scene {
            Scene::Text(text) => Reply::text(text),
            Scene::Calls(calls) => Reply::calls(calls),
            Scene::CutOff => Reply::text("half an").then_error(ErrorKind::Unavailable, "cut off"),
            Scene::Refuse => Reply::error(ErrorKind::Invalid, "no such model"),
            Scene::Hang => Reply::text("so far").then_hang(),
        });
        Some(ModelRequest::new(ModelName::new("scripted/one").unwrap(), vec![Message::user("go")]))
    }

    async fn caller_gone(&self) {
        let before = self.gone.fetch_add(1, Ordering::Relaxed);
        self.model.wait_for_dropped(before + 1).await;
    }
}

fn script() -> Script {
    Script { model: ScriptedModel::new([]), gone: AtomicUsize::new(0) }
}

#[async_trait]
impl Fixture<dyn LanguageModel> for Scripted {
    type Guard = Script;
    async fn fresh(&self) -> Result<(Arc<dyn LanguageModel>, Script)> {
        let script = script();
        Ok((Arc::new(script.model.clone()), script))
    }
    async fn reopen(&self, _guard: &Script) -> Result<Option<Arc<dyn LanguageModel>>> {
        Ok(None)
    }
}

#[async_trait]
impl Fixture<dyn LanguageModel> for Sabotaged {
    type Guard = Script;
    async fn fresh(&self) -> Result<(Arc<dyn LanguageModel>, Script)> {
        let script = script();
        Ok((Arc::new(EndsEarly(Arc::new(script.model.clone()))), script))
    }
    async fn reopen(&self, _guard: &Script) -> Result<Option<Arc<dyn LanguageModel>>> {
        Ok(None)
    }
}

agent_gateway_testkit::model_suite!(Scripted);

#[tokio::test(start_paused = true)]
async fn a_model_that_passes_half_an_answer_off_as_whole_is_found() {
    let report = model::conforms(&Sabotaged).await;
    assert_eq!(report.failed(), ["an_answer_that_is_cut_off_is_unavailable"], "{report}");
    assert!(report.skipped().is_empty(), "{report}");
}
