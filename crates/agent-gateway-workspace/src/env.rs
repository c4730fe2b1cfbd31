//! The environment of a gateway: the process, then the workspace's `.env`, then that of the working directory.
mod lines;

use std::{collections::BTreeMap, fmt, path::Path};

use agent_gateway_core::{diagnostic::Diagnostic, vars::Vars};

use self::lines::{Line, Nature, lines};
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
    for Line { number, text, nature } in lines(&text) {
        // Nothing of the line itself is told: it may be a secret.
        let mut report = |message: &str, hint: &str| {
            diagnostics.push(Diagnostic::error(file, message).line(number).hint(hint));
        };
        match nature {
            Nature::Expands => report(
                "a `$` that is not in single quotes would stand for a variable; this one is left out",
                "put the value in single quotes",
            ),
            Nature::Open => {
                report("the quotes are never closed", "close them, or put the value in other quotes")
            }
            Nature::Literal => match assignment(text) {
                Ok(variable) => variables.extend(variable),
                Err(Broken) => {
                    report("this line is not `NAME=value`", "quote values that hold blanks, quotes or `#`");
                }
            },
        }
    }
}

/// What is not one assignment, and not nothing.
struct Broken;

/// The variable of a line that holds no live `$`; `None` for a comment.
fn assignment(text: &str) -> Result<Option<(String, String)>, Broken> {
    // Without the end of a line, dotenvy takes a blank or a comment at the end for something unfinished.
    let text = [text.trim_end(), "\n"].concat();
    let mut found = dotenvy::from_read_iter(text.as_bytes());
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(Ok(variable)), None) => Ok(Some(variable)),
        _ => Err(Broken),
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

    #[test]
    fn a_value_is_never_completed_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        // PATH is set in every process that runs this test.
        let text = "PART=1\nA=sk-ab$cd\nB=\"x-$PATH\"\nC=${PART}\nD=\"a\nhunter2$PART\"\nE=sk-hunter2$\n\
                    F='sk-ab$cd'\nG=sk\\$cd\nH=\"sk\\$cd\" # $5\nI='a\n$b'\nJ=last ";
        std::fs::write(folder.path().join(".env"), text).unwrap();
        let (env, diagnostics) = Env::load(folder.path(), folder.path(), &MapVars::default());
        let expected =
            [("F", "sk-ab$cd"), ("G", "sk$cd"), ("H", "sk$cd"), ("I", "a\n$b"), ("J", "last"), ("PART", "1")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(env.all(), BTreeMap::from(expected));
        let lines: Vec<_> = diagnostics.iter().map(|finding| (finding.file.as_str(), finding.line)).collect();
        assert_eq!(lines, [2, 3, 4, 5, 7].map(|line| (".env", Some(line))));
        for finding in &diagnostics {
            let shown = finding.to_string();
            assert_eq!(finding.severity, agent_gateway_core::diagnostic::Severity::Error);
            assert!(finding.hint.contains("single quotes"), "{shown}");
            assert!(!shown.contains("sk-") && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_line_that_is_broken_behind_its_name_is_found_too() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".env"), "A=1\r\nB=hunter 2\r\nC='3'\r\nD=it's hunter2\r\n")
            .unwrap();
        let (env, diagnostics) = Env::load(folder.path(), folder.path(), &MapVars::default());
        assert_eq!(env.all().into_values().collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(diagnostics.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
        assert!(diagnostics.iter().all(|finding| !finding.to_string().contains("hunter")));
    }
}
