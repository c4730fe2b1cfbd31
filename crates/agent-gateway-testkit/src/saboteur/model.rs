use std::sync::Arc;

use agent_gateway_core::{
    Result,
    capability::ModelCapability,
    id::ModelName,
    message::TokenUsage,
    ports::model::{FinishReason, LanguageModel, ModelEvent, ModelRequest},
};
use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};

/// Passes half an answer off as a whole one.
/// Found by [`an_answer_that_is_cut_off_is_unavailable`](crate::model::endings::an_answer_that_is_cut_off_is_unavailable).
#[derive(Debug)]
pub struct EndsEarly(pub Arc<dyn LanguageModel>);

#[async_trait]
impl LanguageModel for EndsEarly {
    fn capability(&self, model: &ModelName) -> ModelCapability {
        self.0.capability(model)
    }
    async fn stream(&self, request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let model = request.model.clone();
        let pretend = move |item: Result<ModelEvent>| {
            let finish = |_| ModelEvent::Finished {
                model: model.clone(),
                usage: TokenUsage::default(),
                reason: FinishReason::Stop,
            };
            Ok(item.unwrap_or_else(finish))
        };
        Ok(self.0.stream(request).await?.map(pretend).boxed())
    }
}
