//! The one conversion from errors of the file system.
use std::{io, path::Path};

use agent_gateway_core::Error;

/// What failed while a backend was opened: most of it only the operator can mend.
pub(crate) fn opening(operation: &'static str, path: &Path, error: io::Error) -> Error {
    let converted = match error.kind() {
        io::ErrorKind::NotFound => {
            Error::misconfigured("there is no such place: make the directory, or name another one")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::misconfigured("the place cannot be written: give this process the right to")
        }
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            Error::misconfigured("the place is of the wrong kind: name another one")
        }
        _ => return using(operation, path, error),
    };
    converted.during(operation).with("path", path.display()).caused_by(error)
}

/// What failed later: it worked before, so it may work again.
pub(crate) fn using(operation: &'static str, path: &Path, error: io::Error) -> Error {
    let converted = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::unavailable("the disk is full"),
        _ => Error::unavailable("the disk failed"),
    };
    converted.during(operation).with("path", path.display()).caused_by(error)
}
