use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::{
    JsonMap, Result,
    id::ToolName,
    ports::tool::Tool,
    tool::{ToolContext, ToolOutput, ToolSource, ToolSpec},
};
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::sync::watch;

type Body = dyn Fn(JsonMap, ToolContext) -> BoxFuture<'static, Result<ToolOutput>> + Send + Sync;

/// A tool that is a closure, and remembers how it was called. Clones share what they remember.
#[derive(Clone)]
pub struct FnTool {
    spec: ToolSpec,
    body: Arc<Body>,
    calls: Arc<Mutex<Vec<RecordedCall>>>,
    counts: Arc<watch::Sender<Counts>>,
}

/// One call of an [`FnTool`].
#[derive(Clone, Debug)]
pub struct RecordedCall {
    /// What the tool was given.
    pub arguments: JsonMap,
    /// What it knew of the run.
    pub context: ToolContext,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    started: usize,
    running: usize,
    most: usize,
    dropped: usize,
}

impl FnTool {
    /// A tool of the application named `name` that any agent may call with any object. A bad name is `Invalid`.
    pub fn new<F, R>(name: &str, body: F) -> Result<Self>
    where
        F: Fn(JsonMap, ToolContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<ToolOutput>> + Send + 'static,
    {
        let spec = ToolSpec::new(
            ToolName::new(name)?,
            format!("The scripted tool {name}."),
            json!({"type": "object"}),
            ToolSource::Code,
        );
        Ok(Self {
            spec,
            body: Arc::new(move |arguments, context| body(arguments, context).boxed()),
            calls: Arc::default(),
            counts: Arc::new(watch::Sender::new(Counts::default())),
        })
    }

    /// A tool that always answers `text`.
    pub fn text(name: &str, text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        Self::new(name, move |_, _| {
            let answer = ToolOutput::Text(text.clone());
            async move { Ok(answer) }
        })
    }

    /// The same tool with this JSON Schema of its arguments.
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.spec.parameters = Arc::new(schema);
        self
    }

    /// The same tool with its spec changed: its access, its approval, its retry.
    #[must_use]
    pub fn with_spec(mut self, change: impl FnOnce(&mut ToolSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// Every call so far, in the order they began.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.recorded().clone()
    }

    /// How many calls were under way at the same time, at most.
    #[must_use]
    pub fn max_concurrency(&self) -> usize {
        self.counts.borrow().most
    }

    /// How many calls were dropped before they answered.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.counts.borrow().dropped
    }

    /// Waits until `count` calls in all have begun.
    pub async fn wait_for_calls(&self, count: usize) {
        // The sender is ours, so the channel cannot close under the wait.
        let _ = self.counts.subscribe().wait_for(|counts| counts.started >= count).await;
    }

    /// Waits until `count` calls in all were dropped before they answered.
    pub async fn wait_for_dropped(&self, count: usize) {
        let _ = self.counts.subscribe().wait_for(|counts| counts.dropped >= count).await;
    }

    fn recorded(&self) -> MutexGuard<'_, Vec<RecordedCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Tool for FnTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        self.recorded().push(RecordedCall { arguments: arguments.clone(), context: context.clone() });
        let mut running = Running::begin(self.counts.clone());
        let answer = (self.body)(arguments, context.clone()).await;
        running.end = End::Answered;
        answer
    }
}

impl fmt::Debug for FnTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnTool").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A call under way.
struct Running {
    counts: Arc<watch::Sender<Counts>>,
    end: End,
}

/// How a call ended, as far as it has.
#[derive(PartialEq, Eq)]
enum End {
    Answered,
    Dropped,
}

impl Running {
    fn begin(counts: Arc<watch::Sender<Counts>>) -> Self {
        counts.send_modify(|counts| {
            counts.started += 1;
            counts.running += 1;
            counts.most = counts.most.max(counts.running);
        });
        Self { counts, end: End::Dropped }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let dropped = usize::from(self.end == End::Dropped);
        self.counts.send_modify(|counts| {
            counts.running -= 1;
            counts.dropped += dropped;
        });
    }
}
