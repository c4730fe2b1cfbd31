//! Makes tools of definitions, and ends what they have started.
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    ports::tool::{Tool, ToolFactory},
    tool::{Handler, ToolDefinition},
    vars::{ProcessVars, Vars},
};
use tokio::time::timeout;

use crate::{
    command::CommandTool,
    http::{Clients, HttpTool},
    missing::MissingTool,
    process::BaseEnvironment,
    program::search_path,
    python::{Pool, PythonTool},
    supervise::House,
    turns::Turns,
};

/// How long [`FileTools::shutdown`] waits for killed processes.
const FAREWELL: Duration = Duration::from_secs(5);

/// How file tools are run.
#[derive(Clone, Debug)]
pub struct FileToolSettings {
    /// The Python program, by name or path.
    pub python: String,
    /// The most Python workers of the whole gateway; 0 counts as 1. A worker runs one call at a time. One tool has at
    /// most three quarters of them at once, so that calls that hang do not stop other tools.
    pub python_workers: usize,
    /// The most processes of handlers that are other programs; 0 counts as 1. One tool has at most three quarters of
    /// them at once; further calls wait, within their time.
    pub programs: usize,
    /// How many calls a worker makes before another takes its place; 0 counts as 1.
    pub max_calls_per_worker: u64,
    /// How long a worker is kept that nobody needs.
    pub idle_timeout: Duration,
    /// Where `PATH`, `HOME`, `LANG`, `TMPDIR` and the `${NAME}` of HTTP tools are read.
    pub vars: Arc<dyn Vars>,
}

impl Default for FileToolSettings {
    /// 16 workers: handlers mostly wait for others, and a worker starts only when a call needs it. 64 programs: they
    /// last no longer than their call.
    fn default() -> Self {
        Self {
            python: "python3".to_owned(),
            python_workers: 16,
            programs: 64,
            max_calls_per_worker: 10_000,
            idle_timeout: Duration::from_secs(300),
            vars: Arc::new(ProcessVars),
        }
    }
}

/// The file tools of a gateway: one pool of workers, one number of programs and one HTTP client for all of them.
///
/// Tools that are built anew of an unchanged definition, as on a reload, go on with the same workers.
pub struct FileTools {
    base: BaseEnvironment,
    python: String,
    vars: Arc<dyn Vars>,
    pool: Arc<Pool>,
    programs: Arc<Turns<String>>,
    clients: Clients,
    house: House,
}

impl fmt::Debug for FileTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTools").field("python", &self.python).finish_non_exhaustive()
    }
}

impl FileTools {
    /// Starts nothing: processes start with the first call that needs them.
    #[must_use]
    pub fn new(settings: FileToolSettings) -> Self {
        let base = BaseEnvironment::read(&*settings.vars);
        let house = House::default();
        Self {
            pool: Pool::new(&settings, base.clone(), house.clone()),
            programs: Arc::new(Turns::new(settings.programs)),
            clients: Clients::default(),
            base,
            house,
            python: settings.python,
            vars: settings.vars,
        }
    }

    /// Ends all calls with `Unavailable`, kills all processes, and waits until they are gone. Later calls of the tools
    /// fail with `Unavailable`.
    pub async fn shutdown(&self) {
        self.house.close();
        let gone = async {
            self.pool.close().await;
            self.house.left().await;
        };
        if timeout(FAREWELL, gone).await.is_err() {
            tracing::warn!("processes of tools are still there after {FAREWELL:?}");
        }
    }

    fn python(&self) -> Result<PathBuf> {
        search_path(&self.python, self.base.search()).ok_or_else(|| {
            Error::unsupported(
                "Python is needed to run handler.py: install python3 (3.8 or newer) and put it on the PATH",
            )
            .with("program", &self.python)
            .with("PATH", self.base.search())
        })
    }
}

impl ToolFactory for FileTools {
    fn build(&self, definition: &ToolDefinition) -> Result<Arc<dyn Tool>> {
        let house = self.house.clone();
        Ok(match &definition.handler {
            Handler::Python(handler) => {
                let (python, pool) = (self.python()?, Arc::clone(&self.pool));
                Arc::new(PythonTool::new(definition, handler, &python, pool, house))
            }
            Handler::Command(handler) => {
                let turns = Arc::clone(&self.programs);
                Arc::new(CommandTool::new(definition, handler, self.base.clone(), turns, house)?)
            }
            Handler::Http(handler) => {
                Arc::new(HttpTool::new(definition, handler, &*self.vars, &self.clients, house)?)
            }
            Handler::Missing => Arc::new(MissingTool::new(definition)),
            _ => {
                let text = "this version cannot run this kind of handler";
                return Err(Error::unsupported(text).with("tool", &definition.id));
            }
        })
    }
}
