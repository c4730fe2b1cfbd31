//! A folder for a tool, the factory, and words to call it.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agent_gateway_core::{
    Error, JsonMap, Result,
    id::{AgentId, ExecutionId, ToolName},
    ports::tool::{Tool, ToolFactory},
    secret::Secret,
    tool::{Handler, ProcessHandler, ToolContext, ToolDefinition, ToolOutput, ToolSource, ToolSpec},
    vars::{MapVars, ProcessVars, Vars},
};
use agent_gateway_tools::{FileToolSettings, FileTools};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const MEBIBYTE: u64 = 1 << 20;
pub(crate) const SECRET_OF_GATEWAY: &str = "gateway-secret-4711";

/// The variables of a gateway: those of this process, and a secret that no handler may see.
pub(crate) fn vars() -> Arc<dyn Vars> {
    let mut vars = ProcessVars.all();
    vars.insert("GATEWAY_SECRET".into(), SECRET_OF_GATEWAY.into());
    vars.insert("API_TOKEN".into(), "tok-abc-123".into());
    Arc::new(MapVars(vars))
}

pub(crate) fn settings() -> FileToolSettings {
    FileToolSettings { python_workers: 2, vars: vars(), ..FileToolSettings::default() }
}

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) tools: FileTools,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) timeout: Duration,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: FileToolSettings) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            tools: FileTools::new(settings),
            env: BTreeMap::new(),
            timeout: Duration::from_secs(30),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn process(&self, command: &[&str]) -> ProcessHandler {
        ProcessHandler {
            command: command.iter().map(|&part| part.to_owned()).collect(),
            directory: self.folder.path().to_owned(),
            timeout: self.timeout,
            env: self.env.clone(),
            max_memory: 1024 * MEBIBYTE,
        }
    }

    /// The tool of this folder with this `handler.py`.
    pub(crate) fn python(&self, code: &str) -> Arc<dyn Tool> {
        self.write("handler.py", code);
        self.python_as_it_is()
    }

    pub(crate) fn python_as_it_is(&self) -> Arc<dyn Tool> {
        self.build(Handler::Python(self.process(&["handler.py"]))).unwrap()
    }

    /// The tool of this folder with this script as its executable `handler`.
    pub(crate) fn script(&self, code: &str) -> Arc<dyn Tool> {
        self.write("handler", code);
        fs::set_permissions(self.path("handler"), fs::Permissions::from_mode(0o755)).unwrap();
        self.build(Handler::Command(self.process(&["handler"]))).unwrap()
    }

    pub(crate) fn build(&self, handler: Handler) -> Result<Arc<dyn Tool>> {
        self.tools.build(&definition(handler))
    }
}

pub(crate) fn definition(handler: Handler) -> ToolDefinition {
    let spec = ToolSpec::new(
        ToolName::new("probe").unwrap(),
        "A tool under test.",
        json!({"type": "object"}),
        ToolSource::File,
    );
    ToolDefinition::new("probe", spec, handler)
}

pub(crate) fn context() -> ToolContext {
    ToolContext::root(ExecutionId::new("exec-1").unwrap(), AgentId::new("helper").unwrap())
}

pub(crate) fn map(value: Value) -> JsonMap {
    serde_json::from_value(value).unwrap()
}

pub(crate) async fn call(tool: &Arc<dyn Tool>, arguments: Value) -> Result<ToolOutput> {
    tool.call(map(arguments), &context()).await
}

/// The result as JSON.
pub(crate) async fn value(tool: &Arc<dyn Tool>, arguments: Value) -> Value {
    call(tool, arguments).await.unwrap().to_json()
}

/// The error of a call that must fail.
pub(crate) async fn error(tool: &Arc<dyn Tool>, arguments: Value) -> Error {
    call(tool, arguments).await.unwrap_err()
}

/// Waits until `done`, and fails after ten seconds. For what other processes do, which tells nobody.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

/// Whether the process runs. One that is dead and not yet collected does not.
pub(crate) fn runs(pid: i64) -> bool {
    let process = Path::new("/proc").join(pid.to_string());
    let Ok(stat) = fs::read_to_string(process.join("stat")) else { return false };
    // A process whose first thread has ended runs on for as long as another one has not.
    let threads = fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    !stat.contains(") Z ") || threads > 1
}

/// The process ids that a handler wrote into `file`, one on each line.
pub(crate) async fn pids(file: &Path, count: usize) -> Vec<i64> {
    let read = || -> Vec<i64> {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().parse().ok()).collect()
    };
    eventually("the handler has told its process ids", || read().len() >= count).await;
    read()
}
