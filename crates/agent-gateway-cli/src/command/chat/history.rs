//! The lines of earlier conversations, in a file that only its owner can read.
use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use agent_gateway::core::vars::{ProcessVars, Vars};
use reedline::FileBackedHistory;

use crate::output::note;

/// How many lines are kept.
const MOST_LINES: usize = 1_000;
/// How many bytes are kept from one conversation to the next.
const MOST_BYTES: u64 = 1024 * 1024;

/// The history of the prompt, and its file. Without a usable file it lasts as long as the conversation, and that is said.
pub(super) fn history() -> (FileBackedHistory, Option<PathBuf>) {
    let Some(path) = place(&ProcessVars) else { return Default::default() };
    let opened = prepare(&path).map_err(|error| error.to_string()).and_then(|()| {
        FileBackedHistory::with_file(MOST_LINES, path.clone()).map_err(|error| error.0.to_string())
    });
    match opened {
        Ok(history) => (history, Some(path)),
        Err(error) => {
            note(format_args!("the history in '{}' cannot be used: {error}", path.display()));
            Default::default()
        }
    }
}

/// `$XDG_STATE_HOME/agent-gateway/chat-history`, below `~/.local/state` where the variable is not set. A relative path
/// counts as none, as the specification says.
fn place(vars: &dyn Vars) -> Option<PathBuf> {
    let absolute = |name: &str| vars.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("agent-gateway").join("chat-history"))
}

/// Makes sure that the file is there, that nobody else reads it, and that it is not too long. Before every write, because
/// somebody may have removed it.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    if path.exists() && !path.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.lock()?;
    shorten(&mut file)
}

/// Leaves the last whole lines of a file that is too long.
fn shorten(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length <= MOST_BYTES {
        return Ok(());
    }
    file.seek(SeekFrom::Start(length - MOST_BYTES))?;
    let mut tail = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut tail)?;
    let first = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |end| end + 1);
    file.rewind()?;
    file.write_all(&tail[first..])?;
    file.set_len((tail.len() - first) as u64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use agent_gateway::core::vars::MapVars;

    use super::*;

    fn placed(vars: &[(&str, &str)]) -> Option<PathBuf> {
        let vars: BTreeMap<_, _> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        place(&MapVars(vars))
    }

    #[test]
    fn it_lies_where_the_specification_says() {
        let file = |directory: &str| Some(PathBuf::from(directory).join("agent-gateway/chat-history"));
        assert_eq!(placed(&[("XDG_STATE_HOME", "/state"), ("HOME", "/people/me")]), file("/state"));
        assert_eq!(
            placed(&[("XDG_STATE_HOME", "state"), ("HOME", "/people/me")]),
            file("/people/me/.local/state")
        );
        assert_eq!(placed(&[("HOME", "/people/me")]), file("/people/me/.local/state"));
        assert_eq!(placed(&[]), None);
    }

    #[test]
    fn a_long_file_keeps_its_last_whole_lines_and_only_its_owner_reads_it() {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("deep/chat-history");
        prepare(&path).unwrap();
        let line = format!("{}\n", "x".repeat(99));
        std::fs::write(&path, format!("{}last\n", line.repeat(20_000))).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        prepare(&path).unwrap();
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept.len() as u64 <= MOST_BYTES && kept.len() as u64 > MOST_BYTES - 200, "{}", kept.len());
        assert!(kept.starts_with(&line) && kept.ends_with("x\nlast\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        prepare(directory.path()).unwrap_err();
    }
}
