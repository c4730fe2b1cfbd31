//! An agent's static context: the files of its `context/` folder, then those that its settings name.
use std::sync::Arc;

use agent_gateway_core::diagnostic::{Diagnostic, Severity};

use super::{Reading, collection::Folder, document::Document};
use crate::files::{MAX_DEFINITION_BYTES, Refusal};

/// The most context files of one agent.
const MAX_FILES: usize = 200;
/// The most bytes of all context files of one agent.
const MAX_BYTES: usize = 4 * 1024 * 1024;

impl Reading<'_> {
    /// The texts in order. A file that cannot be read is left out and reported.
    pub(super) fn context(
        &mut self,
        folder: &Folder,
        document: &Document,
        named: &[String],
    ) -> Vec<Arc<str>> {
        let mut texts = Vec::new();
        let mut room = MAX_BYTES;
        let own = self.own_context(folder).into_iter().map(|file| (file, None));
        let named =
            named.iter().enumerate().map(|(index, file)| (file.clone(), Some(format!("context[{index}]"))));
        for (file, key) in own.chain(named) {
            if texts.len() == MAX_FILES {
                let message = format!("more than {MAX_FILES} context files; the rest is not read");
                self.report(Diagnostic::error(&*document.file, message));
                break;
            }
            match self.text(&file, MAX_DEFINITION_BYTES) {
                Ok(text) if text.len() > room => {
                    let message =
                        format!("the context files have more than {} KiB together", MAX_BYTES / 1024);
                    self.report(
                        Diagnostic::error(&file, message)
                            .hint("this file is not read; shorten or remove some"),
                    );
                }
                Ok(text) => {
                    room -= text.len();
                    texts.push(text.into());
                }
                Err(refusal) => self.report(refused(&refusal, &file, key.as_deref(), document)),
            }
        }
        texts
    }

    fn own_context(&mut self, folder: &Folder) -> Vec<String> {
        let path = format!("{}/context", folder.path);
        if !self.root.has(&path) {
            return Vec::new();
        }
        let entries = match self.root.entries(&path) {
            Ok(entries) => entries,
            Err(refusal) => {
                self.report(left_out(&refusal, refusal.error(&path)));
                return Vec::new();
            }
        };
        let (texts, others): (Vec<_>, Vec<_>) =
            entries.into_iter().map(|entry| entry.path).partition(|path| path.ends_with(".md"));
        for other in others {
            let finding = Diagnostic::warning(other, "is not read: only .md files of this folder are");
            self.report(finding.hint("convert it to markdown, or move it elsewhere"));
        }
        texts
    }
}

/// A file that was named is reported where its name stands.
fn refused(refusal: &Refusal, file: &str, key: Option<&str>, document: &Document) -> Diagnostic {
    let Some(key) = key else { return left_out(refusal, refusal.error(file)) };
    let (message, hint) = refusal.sentences();
    let shown: String = file.chars().filter(|c| !c.is_control()).take(200).collect();
    let finding = document.place(key).error(key, &format!("`{shown}` {message}"));
    left_out(refusal, finding.hint(format!("{hint}; paths begin at the workspace's root")))
}

/// What is not there, or not in the workspace, is passed by as it always was. What is there and cannot be read is an
/// error: the agent lacks something that was meant for it.
fn left_out(refusal: &Refusal, mut finding: Diagnostic) -> Diagnostic {
    if let Refusal::Missing | Refusal::Outside | Refusal::NotAFile = refusal {
        finding.severity = Severity::Warning;
        finding.message.push_str("; it is left out");
    }
    finding
}
