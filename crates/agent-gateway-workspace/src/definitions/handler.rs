//! How a tool is run: what its settings say, else what lies in its folder.
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use agent_gateway_core::{
    diagnostic::Diagnostic,
    secret::Secret,
    tool::{Handler, ProcessHandler},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Reading, collection::Folder, document::Document, tool::ToolFile};
use crate::{
    files::Refusal,
    substitute::{self, substitute},
};

/// The longest time of one call.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize)]
pub(super) struct ExecFile {
    command: Vec<String>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    env: BTreeMap<String, Secret>,
}

impl Reading<'_> {
    /// The handler; `None` when the tool cannot be served, which is reported.
    pub(super) fn handler(
        &mut self,
        folder: &Folder,
        document: &Document,
        file: &ToolFile,
        parameters: &Value,
    ) -> Option<Handler> {
        match (&file.http, &file.exec, &file.script) {
            (None, None, None) => self.found_handler(folder, document, file),
            (Some(http), None, None) => self.http(document, file, http, parameters),
            (None, Some(exec), None) => self.exec(folder, document, file, "exec", exec),
            (None, None, Some(exec)) => self.exec(folder, document, file, "script", exec),
            _ => {
                let finding =
                    Diagnostic::error(&*document.file, "has more than one of `http`, `exec` and `script`");
                self.report(finding.hint("a tool is run in one way; not served"));
                None
            }
        }
    }

    fn exec(
        &mut self,
        folder: &Folder,
        document: &Document,
        file: &ToolFile,
        key: &str,
        exec: &ExecFile,
    ) -> Option<Handler> {
        if exec.command.first().is_none_or(|program| program.trim().is_empty()) {
            let key = format!("{key}.command");
            let finding = document.place(&key).error(&key, "names no program; not served");
            self.report(finding.hint("write a list, such as `[python3, run.py]`"));
            return None;
        }
        let mut env = self.inherited(document, &file.env);
        for (name, value) in &exec.env {
            let key = format!("{key}.env.{name}");
            if !is_variable_name(name) {
                self.report(document.place(&key).error(&key, "is not a variable's name; not served"));
                return None;
            }
            env.insert(name.clone(), self.filled_in(document, &key, value)?);
        }
        let timeout_key =
            if exec.timeout_ms.is_some() { format!("{key}.timeout_ms") } else { "timeout_ms".into() };
        let timeout = self.timeout(document, &timeout_key, exec.timeout_ms.or(file.timeout_ms));
        let handler = self.process(folder, exec.command.clone(), timeout, env)?;
        Some(Handler::Command(handler))
    }

    /// What lies in the folder: `handler.py` first, then any other program named `handler`.
    fn found_handler(&mut self, folder: &Folder, document: &Document, file: &ToolFile) -> Option<Handler> {
        let names: Vec<String> = self
            .root
            .entries(&folder.path)
            .unwrap_or_default()
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name == "handler" || (name.starts_with("handler.") && !name.ends_with(".pyc")))
            .collect();
        let env = self.inherited(document, &file.env);
        let timeout = self.timeout(document, "timeout_ms", file.timeout_ms);
        let is_python = names.iter().any(|name| name == "handler.py");
        let (name, interpreter) =
            if is_python {
                ("handler.py", None)
            } else {
                match self.other_handler(folder, &names)? {
                    Some(found) => found,
                    None => {
                        let finding = Diagnostic::warning(
                            &*document.file,
                            "has no handler, so every call answers with an error",
                        );
                        self.report(finding.hint(
                            "put a handler.py or an executable `handler` beside it, or describe `http`",
                        ));
                        return Some(Handler::Missing);
                    }
                }
            };
        let program = match self.root.resolve(&format!("{}/{name}", folder.path)) {
            Ok(path) => path.display().to_string(),
            Err(refusal) => {
                self.report(refusal.error(&format!("{}/{name}", folder.path)));
                return None;
            }
        };
        let command = interpreter.map(str::to_owned).into_iter().chain([program]).collect();
        let handler = self.process(folder, command, timeout, env)?;
        Some(if is_python { Handler::Python(handler) } else { Handler::Command(handler) })
    }

    /// A program and what runs it; outer `None` when it leads out of the workspace, which is reported.
    fn other_handler<'n>(
        &mut self,
        folder: &Folder,
        names: &'n [String],
    ) -> Option<Option<(&'n str, Option<&'static str>)>> {
        for name in names {
            let path = format!("{}/{name}", folder.path);
            let is_program = match self.root.is_program(&path) {
                Ok(is_program) => is_program,
                Err(refusal @ (Refusal::Outside | Refusal::Missing)) => {
                    self.report(refusal.error(&path));
                    return None;
                }
                Err(_) => false,
            };
            let interpreter = match name.rsplit_once('.').map(|(_, extension)| extension) {
                Some("js" | "mjs" | "cjs") => Some("node"),
                Some("rb") => Some("ruby"),
                Some("pl") => Some("perl"),
                Some("sh") if !is_program => Some("sh"),
                _ if is_program => None,
                _ => {
                    let finding =
                        Diagnostic::warning(&path, "is not executable, so it is not taken for the handler");
                    self.report(finding.hint(format!("chmod +x {name}")));
                    continue;
                }
            };
            return Some(Some((name, interpreter)));
        }
        Some(None)
    }

    fn process(
        &mut self,
        folder: &Folder,
        command: Vec<String>,
        timeout: Duration,
        env: BTreeMap<String, Secret>,
    ) -> Option<ProcessHandler> {
        let directory: PathBuf = match self.root.resolve(&folder.path) {
            Ok(directory) => directory,
            Err(refusal) => {
                self.report(refusal.error(&folder.path));
                return None;
            }
        };
        self.count(&folder.path, &command.join("\0"));
        let max_memory = self.tools.max_memory_mb.saturating_mul(1024 * 1024);
        Some(ProcessHandler { command, directory, timeout, env, max_memory })
    }

    /// The variables that the tool names, as far as they are set.
    fn inherited(&mut self, document: &Document, names: &[String]) -> BTreeMap<String, Secret> {
        let mut env = BTreeMap::new();
        for (index, name) in names.iter().enumerate() {
            if let Some(value) = self.vars.get(name).filter(|_| is_variable_name(name)) {
                env.insert(name.clone(), Secret::new(value));
                continue;
            }
            let key = format!("env[{index}]");
            let finding = document.place(&key).warning(&key, "is not set, so the handler does not get it");
            self.report(finding.hint("set the variable in the environment or in the workspace's .env"));
        }
        env
    }

    /// A text with its variables; `None` when one is not set, which is reported.
    fn filled_in(&mut self, document: &Document, key: &str, text: &Secret) -> Option<Secret> {
        match substitute(text.expose(), self.vars) {
            Ok(text) => Some(Secret::new(text)),
            Err(names) => {
                let (message, hint) = substitute::undefined(&names);
                self.report(document.place(key).error(key, &format!("{message}; not served")).hint(hint));
                None
            }
        }
    }

    pub(super) fn timeout(&mut self, document: &Document, key: &str, given: Option<u64>) -> Duration {
        let default = Duration::from_millis(self.tools.timeout_ms.max(1));
        let Some(given) = given else { return default };
        let wanted = Duration::from_millis(given);
        if wanted.is_zero() || wanted > MAX_TIMEOUT {
            let used = if wanted.is_zero() { default } else { MAX_TIMEOUT };
            let message =
                format!("must be between 1 and {}; read as {}", MAX_TIMEOUT.as_millis(), used.as_millis());
            self.report(document.place(key).warning(key, &message));
            return used;
        }
        wanted
    }
}

fn is_variable_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_first)
        && name.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit())
}
