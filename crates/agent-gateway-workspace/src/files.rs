//! Reads files below one folder: nothing outside it, nothing endless, nothing that is not text.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use agent_gateway_core::diagnostic::Diagnostic;

/// The most bytes of a file with settings or a prompt.
pub(crate) const MAX_DEFINITION_BYTES: u64 = 1024 * 1024;

/// A folder whose files are read by their paths relative to it.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// Without symbolic links, so that what a link leads to can be compared with it.
    path: PathBuf,
}

/// Why a file is not read.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is none.
    Missing,
    /// A link, or `..`, leads out of the folder.
    Outside,
    /// A folder, a pipe, a device.
    NotAFile,
    /// It has more bytes than these.
    TooLarge(u64),
    /// All files together have more bytes than these.
    Full(u64),
    /// It is not UTF-8 text.
    NotText,
    /// The system says no.
    Unreadable(io::Error),
}

/// An entry of a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Relative to the root, with `/` between the parts.
    pub(crate) path: String,
}

impl Root {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        if path.is_dir() { Ok(Self { path }) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// Where the entry really is, if that is below the root.
    pub(crate) fn resolve(&self, relative: &str) -> Result<PathBuf, Refusal> {
        let path = self.path.join(relative).canonicalize().map_err(Refusal::from)?;
        if path.starts_with(&self.path) { Ok(path) } else { Err(Refusal::Outside) }
    }

    /// The text of a file of at most `max` bytes.
    pub(crate) fn read(&self, relative: &str, max: u64) -> Result<String, Refusal> {
        let path = self.resolve(relative)?;
        // Asked before the file is opened, because opening a pipe would wait for a writer.
        let metadata = fs::metadata(&path).map_err(Refusal::from)?;
        if !metadata.is_file() {
            return Err(Refusal::NotAFile);
        }
        let mut bytes = Vec::new();
        let file = fs::File::open(&path).map_err(Refusal::from)?;
        io::Read::read_to_end(&mut io::Read::take(file, max + 1), &mut bytes).map_err(Refusal::from)?;
        if bytes.len() as u64 > max {
            return Err(Refusal::TooLarge(max));
        }
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(Refusal::NotText),
        }
    }

    /// The entries of a folder by name, hidden ones left out.
    pub(crate) fn entries(&self, relative: &str) -> Result<Vec<Entry>, Refusal> {
        let folder = self.resolve(relative)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(Refusal::from)? {
            let name = entry.map_err(Refusal::from)?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') {
                entries.push(Entry { path: format!("{relative}/{name}"), name });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Whether the entry, or what it links to, is a folder.
    pub(crate) fn is_folder(&self, relative: &str) -> Result<bool, Refusal> {
        Ok(fs::metadata(self.resolve(relative)?).map_err(Refusal::from)?.is_dir())
    }

    /// Whether the entry, or what it links to, is a file that may be run.
    pub(crate) fn is_program(&self, relative: &str) -> Result<bool, Refusal> {
        let metadata = fs::metadata(self.resolve(relative)?).map_err(Refusal::from)?;
        Ok(metadata.is_file() && may_run(&metadata))
    }

    /// Whether there is anything of that name, wherever it leads.
    pub(crate) fn has(&self, relative: &str) -> bool {
        fs::symlink_metadata(self.path.join(relative)).is_ok()
    }
}

#[cfg(unix)]
fn may_run(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn may_run(_metadata: &fs::Metadata) -> bool {
    true
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Unreadable(error),
        }
    }
}

impl Refusal {
    /// What is wrong and what to do about it.
    pub(crate) fn sentences(&self) -> (String, &'static str) {
        match self {
            Self::Missing => ("there is no such file".to_owned(), "check the path; a link may lead nowhere"),
            Self::Outside => ("leads out of the workspace".to_owned(), "copy the file into the workspace"),
            Self::NotAFile => ("is not a regular file".to_owned(), "put a text file here"),
            Self::TooLarge(max) => (
                format!("is larger than {} KiB", max / 1024),
                "shorten it, or move text into files of context/",
            ),
            Self::Full(max) => {
                let message =
                    format!("is not read: the workspace has more than {} MiB of text", max / 1024 / 1024);
                (message, "move what agents do not need out of the workspace")
            }
            Self::NotText => ("is not UTF-8 text".to_owned(), "save it as UTF-8"),
            Self::Unreadable(error) => (format!("cannot be read: {error}"), "check the file's permissions"),
        }
    }

    /// As an error about `file`.
    pub(crate) fn error(&self, file: &str) -> Diagnostic {
        let (message, hint) = self.sentences();
        Diagnostic::error(file, message).hint(hint)
    }

    /// As a warning about `file`.
    pub(crate) fn warning(&self, file: &str) -> Diagnostic {
        let (message, hint) = self.sentences();
        Diagnostic::warning(file, message).hint(hint)
    }
}
