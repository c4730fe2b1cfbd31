use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::{
    Error, Result,
    capability::{ModelCapability, Price, StructuredOutput},
    id::ModelName,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
};
use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};
use tokio::sync::watch;

use super::{Reply, reply::Step};

/// A model that answers from a script, in order, and remembers every request. Clones share the script.
///
/// A request for which no reply is left is `Unexpected`, so that a loop that asks too often is seen.
#[derive(Clone, Debug)]
pub struct ScriptedModel {
    script: Arc<Mutex<Script>>,
    counts: Arc<watch::Sender<Counts>>,
    price: Option<Price>,
    structured: StructuredOutput,
}

#[derive(Debug, Default)]
struct Script {
    replies: VecDeque<Reply>,
    afterwards: Option<Reply>,
    requests: Vec<ModelRequest>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: usize,
    dropped: usize,
}

impl ScriptedModel {
    /// A model with these replies, one for each request.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let script = Script { replies: replies.into_iter().collect(), ..Script::default() };
        Self {
            script: Arc::new(Mutex::new(script)),
            counts: Arc::new(watch::Sender::new(Counts::default())),
            price: None,
            structured: StructuredOutput::None,
        }
    }

    /// A model that gives the same reply to every request.
    #[must_use]
    pub fn always(reply: Reply) -> Self {
        Self::new([]).afterwards(reply)
    }

    /// The same model, which gives this reply when its script has ended.
    #[must_use]
    pub fn afterwards(self, reply: Reply) -> Self {
        self.script().afterwards = Some(reply);
        self
    }

    /// The same model with a price.
    #[must_use]
    pub fn priced(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// The same model, which can be held to a JSON Schema then.
    #[must_use]
    pub fn structured(mut self, when: StructuredOutput) -> Self {
        self.structured = when;
        self
    }

    /// Adds a reply to the script's end.
    pub fn push(&self, reply: Reply) {
        self.script().replies.push_back(reply);
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.script().requests.clone()
    }

    /// How many replies of the script were not asked for yet.
    #[must_use]
    pub fn replies_left(&self) -> usize {
        self.script().replies.len()
    }

    /// How many calls were dropped before their end, whether their stream existed already or not.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.counts.borrow().dropped
    }

    /// Waits until there were `count` requests in all.
    pub async fn wait_for_requests(&self, count: usize) {
        // The sender is ours, so the channel cannot close under the wait.
        let _ = self.counts.subscribe().wait_for(|counts| counts.requests >= count).await;
    }

    /// Waits until `count` calls in all were dropped before their end.
    pub async fn wait_for_dropped(&self, count: usize) {
        let _ = self.counts.subscribe().wait_for(|counts| counts.dropped >= count).await;
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: &ModelRequest) -> Result<Reply> {
        let mut script = self.script();
        script.requests.push(request.clone());
        let asked = script.requests.len();
        let reply = script.replies.pop_front().or_else(|| script.afterwards.clone());
        drop(script);
        self.counts.send_modify(|counts| counts.requests = asked);
        reply.ok_or_else(|| {
            Error::unexpected("the scripted model was asked more often than its script has replies")
                .during("scripted.stream")
                .with("requests", asked)
        })
    }
}

#[async_trait]
impl LanguageModel for ScriptedModel {
    fn capability(&self, _model: &ModelName) -> ModelCapability {
        let capability = ModelCapability::new("scripted").structured(self.structured);
        match self.price {
            Some(price) => capability.priced(price),
            None => capability,
        }
    }

    async fn stream(&self, request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let reply = self.take(&request)?;
        let mut call = Call { steps: VecDeque::new(), progress: Progress::Open, counts: self.counts.clone() };
        if !reply.delay.is_zero() {
            tokio::time::sleep(reply.delay).await;
        }
        match reply.play(request.model, request.delivery) {
            Ok(steps) => call.steps = steps,
            Err(error) => {
                call.progress = Progress::Ended;
                return Err(error);
            }
        }
        Ok(stream::unfold(call, |mut call| async move { call.next().await.map(|item| (item, call)) }).boxed())
    }
}

/// A call under way. It notices when it is dropped before its end.
#[derive(Debug)]
struct Call {
    steps: VecDeque<Step>,
    progress: Progress,
    counts: Arc<watch::Sender<Counts>>,
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Open,
    Ended,
}

impl Call {
    async fn next(&mut self) -> Option<Result<ModelEvent>> {
        let step = self.steps.pop_front();
        if matches!(step, Some(Step::Hang)) {
            std::future::pending::<()>().await;
        }
        // A reader may stop at the last event without asking for the end.
        if self.steps.is_empty() {
            self.progress = Progress::Ended;
        }
        match step {
            Some(Step::Event(event)) => Some(Ok(event)),
            Some(Step::Fail(error)) => Some(Err(error)),
            Some(Step::Hang) | None => None,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.progress == Progress::Open {
            self.counts.send_modify(|counts| counts.dropped += 1);
        }
    }
}
