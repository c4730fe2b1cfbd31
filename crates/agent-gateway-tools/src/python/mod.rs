//! `handler.py`: `handle(arguments, context)` in a supervised python3 worker.
mod pool;
mod protocol;
mod worker;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, JsonMap, Result, Retry,
    ports::tool::Tool,
    tool::{ProcessHandler, ToolContext, ToolDefinition, ToolOutput, ToolSpec},
};
use async_trait::async_trait;
use tokio::time::timeout_at;

pub(crate) use self::pool::Pool;
use self::{
    protocol::Answer,
    worker::{Broken, Recipe, Worker},
};
use crate::{
    program::from_root,
    supervise::{House, deadline},
    words::{LONGEST_ANSWER, LONGEST_MESSAGE, log_printed, redact, shorten},
};

/// A tool whose handler is a Python module.
pub(crate) struct PythonTool {
    spec: ToolSpec,
    recipe: Arc<Recipe>,
    timeout: Duration,
    pool: Arc<Pool>,
    house: House,
}

impl fmt::Debug for PythonTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PythonTool")
            .field("name", &self.spec.name)
            .field("recipe", &self.recipe)
            .finish_non_exhaustive()
    }
}

impl PythonTool {
    pub(crate) fn new(
        definition: &ToolDefinition,
        handler: &ProcessHandler,
        python: &Path,
        pool: Arc<Pool>,
        house: House,
    ) -> Self {
        let directory = from_root(&handler.directory);
        let file = handler.command.first().map_or("handler.py", String::as_str);
        let beside = directory.join(file);
        let recipe = Recipe {
            python: python.to_owned(),
            // A path is meant from the tool's directory; one that is not there may be from where we are.
            handler: if beside.is_file() || !Path::new(file).is_file() {
                beside
            } else {
                from_root(Path::new(file))
            },
            env: handler.env.clone(),
            max_memory: handler.max_memory,
        };
        let spec = definition.spec.clone();
        Self { spec, recipe: Arc::new(recipe), timeout: handler.timeout, pool, house }
    }

    async fn run(&self, arguments: &JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        let (name, until) = (&self.spec.name, deadline(self.timeout));
        let busy = |_| {
            let waited = self.timeout;
            Error::timeout(format!(
                "the tool `{name}` did not start within {waited:?}: too many calls at once"
            ))
        };
        let mut lease = timeout_at(until, self.pool.lease(&self.recipe)).await.map_err(busy)??;
        let worker = lease.worker()?;
        match timeout_at(until, worker.ask(arguments, context)).await {
            Ok(Ok(answer)) => {
                self.log_printed(worker, context);
                if !matches!(answer, Answer::OutOfMemory { .. }) {
                    lease.give_back();
                }
                self.judge(answer, context)
            }
            Ok(Err(broken)) => {
                self.log_printed(worker, context);
                Err(self.explain(&broken))
            }
            Err(_) => {
                self.log_printed(worker, context);
                let text = format!("the tool `{name}` took longer than {:?} and was stopped", self.timeout);
                // What it did until then is done.
                Err(Error::timeout(text).retry_as(Retry::Never))
            }
        }
    }

    fn judge(&self, answer: Answer, context: &ToolContext) -> Result<ToolOutput> {
        let name = &self.spec.name;
        match answer {
            Answer::Returned(output) => Ok(output),
            Answer::Unusable(reason) => {
                Err(Error::unexpected(format!("the result of the tool `{name}` cannot be read: {reason}")))
            }
            Answer::TooLarge(size) => Err(self.too_large(&size)),
            Answer::Raised { error, traceback } | Answer::OutOfMemory { error, traceback } => {
                Err(self.failed(&error, &traceback, None, context))
            }
            Answer::NoVariable { error, traceback } => {
                let hint = Some("the handler sees only the variables that TOOL.md names under `env`");
                Err(self.failed(&error, &traceback, hint, context))
            }
        }
    }

    /// The hint is for the operator: the model cannot follow it.
    fn failed(
        &self,
        error: &str,
        traceback: &str,
        hint: Option<&'static str>,
        context: &ToolContext,
    ) -> Error {
        let (name, secrets) = (&self.spec.name, &self.recipe.env);
        let (handler, execution) = (self.recipe.handler.display(), &context.execution_id);
        let traceback = redact(traceback, secrets, context);
        tracing::warn!(tool = %name, %execution, %handler, %traceback, hint, "handler failed");
        let error = redact(error, secrets, context);
        let error = shorten(&error, LONGEST_MESSAGE);
        let failed = Error::unexpected(format!("the tool `{name}` failed: {error}"));
        match hint {
            Some(hint) => failed.with("hint", hint),
            None => failed,
        }
    }

    fn explain(&self, broken: &Broken) -> Error {
        let name = &self.spec.name;
        match broken {
            Broken::Ended(how) => {
                Error::unexpected(format!("the tool `{name}` crashed in the middle of the call ({how})"))
            }
            Broken::TooLong => self.too_large("no end in sight"),
            Broken::Garbled => {
                Error::unexpected(format!("the tool `{name}` disturbed its worker, which was stopped"))
            }
        }
        .with("handler", self.recipe.handler.display())
    }

    fn too_large(&self, size: &str) -> Error {
        let name = &self.spec.name;
        Error::too_large(format!(
            "the tool `{name}` answered too much: at most {LONGEST_ANSWER} bytes, got {size}"
        ))
    }

    fn log_printed(&self, worker: &Worker, context: &ToolContext) {
        log_printed(&self.spec.name, &worker.printed(), &self.recipe.env, context);
    }
}

#[async_trait]
impl Tool for PythonTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        self.house.run(self.run(&arguments, context)).await
    }
}
