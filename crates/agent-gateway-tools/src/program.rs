//! Where a program is.
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use agent_gateway_core::{Error, Result};

/// Finds `name` as a path, as a file of `directory`, or in the folders of `search`, in this order.
///
/// `Misconfigured` when there is no such program, or it may not be executed.
pub(crate) fn find(name: &str, directory: &Path, search: &str) -> Result<PathBuf> {
    let beside = directory.join(name);
    if beside.is_file() {
        return if is_executable(&beside) {
            Ok(beside)
        } else {
            Err(Error::misconfigured("the handler is not executable: run `chmod +x` on it")
                .with("file", beside.display()))
        };
    }
    let found = if name.contains('/') { None } else { search_path(name, search) };
    found.ok_or_else(|| {
        Error::misconfigured("the program of the handler was not found: install it, or correct its name")
            .with("program", name)
            .with("directory", directory.display())
    })
}

/// The first executable `name` in the folders of `search`, which are separated by colons.
pub(crate) fn search_path(name: &str, search: &str) -> Option<PathBuf> {
    std::env::split_paths(search).map(|folder| folder.join(name)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// `path` from the root on, so that it means the same in every working directory.
pub(crate) fn from_root(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
