//! The environment of a gateway: the process, then the workspace's `.env`, then that of the working directory.
use std::{collections::BTreeMap, fmt, path::Path};

use agent_gateway_core::{diagnostic::Diagnostic, vars::Vars};

use crate::files::{MAX_DEFINITION_BYTES, Refusal, Root};

/// Variables of three sources, the first that has a name wins. It does not change the process.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Reads both `.env` files beside the variables of the process. A file that is not there is nothing to report;
    /// a broken line is left out and reported.
    pub fn load(workspace: &Path, working: &Path, process: &dyn Vars) -> (Self, Vec<Diagnostic>) {
        let mut variables = BTreeMap::new();
        let mut diagnostics = Vec::new();
        let same = workspace.canonicalize().ok() == working.canonicalize().ok();
        if !same {
            read(working, &working.join(".env").display().to_string(), &mut variables, &mut diagnostics);
        }
        read(workspace, ".env", &mut variables, &mut diagnostics);
        variables.extend(process.all());
        (Self(variables), diagnostics)
    }
}

impl Vars for Env {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn all(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }
}

impl fmt::Debug for Env {
    /// Shows the names alone: values are often secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn read(
    folder: &Path,
    file: &str,
    variables: &mut BTreeMap<String, String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let text = match Root::open(folder)
        .map_err(Refusal::from)
        .and_then(|root| root.read(".env", MAX_DEFINITION_BYTES))
    {
        Ok(text) => text,
        Err(Refusal::Missing) => return,
        Err(refusal) => return diagnostics.push(refusal.error(file)),
    };
    for variable in dotenvy::from_read_iter(text.as_bytes()) {
        match variable {
            Ok((name, value)) => {
                variables.insert(name, value);
            }
            // The error holds the line itself, which may be a secret; only its number is told.
            Err(dotenvy::Error::LineParse(broken, _)) => {
                let line = text.lines().position(|line| broken.lines().next() == Some(line));
                let line = line.and_then(|index| u32::try_from(index + 1).ok());
                let finding = Diagnostic::error(file, "this line is not `NAME=value`");
                diagnostics.push(finding.line(line).hint("quote values that hold blanks, quotes or `#`"));
            }
            Err(_) => diagnostics.push(Diagnostic::error(file, "cannot be read to its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::vars::MapVars;

    use super::*;

    #[test]
    fn the_process_wins_over_the_workspace_over_the_working_directory() {
        let (workspace, working) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(workspace.path().join(".env"), "A=workspace\nB=workspace # why\nexport D='x y'\n")
            .unwrap();
        std::fs::write(working.path().join(".env"), "A=working\nB=working\nC=working\n").unwrap();
        let process = MapVars::from_iter([("A", "process"), ("E", "")]);
        let (env, diagnostics) = Env::load(workspace.path(), working.path(), &process);
        let values = ["A", "B", "C", "D", "E", "F"].map(|name| env.get(name));
        assert_eq!(
            values.map(|value| value.unwrap_or("-".into())),
            ["process", "workspace", "working", "x y", "", "-"]
        );
        assert_eq!(diagnostics, []);
        assert!(!format!("{env:?}").contains("process"));
    }

    #[test]
    fn a_broken_line_is_named_by_its_number_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), "A=1\nhunter2 is no assignment\nB=2\n").unwrap();
        let (env, diagnostics) = Env::load(folder.path(), folder.path(), &MapVars::default());
        assert_eq!([env.get("A"), env.get("B")], [Some("1".into()), Some("2".into())]);
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(diagnostics[0].line, Some(2));
        assert!(!diagnostics[0].to_string().contains("hunter2"));
    }
}
