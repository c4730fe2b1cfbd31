//! Redis with an append-only file, so that what it was told survives its restart.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::super::process::{Process, free_ports, program, secret};
use super::{LOG, Launched, write_private};

pub(super) fn find() -> Option<PathBuf> {
    program("redis-server")
}

pub(super) fn launch(program: &Path, folder: &Path) -> Result<Launched> {
    let ([port], password) = (free_ports()?, secret()?);
    // In a file and not among the arguments, which everybody on the machine can list.
    let settings = folder.join("redis.conf");
    let dir = folder.display();
    let text = format!(
        "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{dir}\"\nappendonly yes\nsave \"\"\ndaemonize no\n"
    );
    write_private(&settings, &text)?;
    let mut command = Command::new(program);
    command.arg(&settings).current_dir(folder);
    let server = Process::spawn(&mut command, &folder.join(LOG))?;
    Ok(Launched { url: format!("redis://:{password}@127.0.0.1:{port}/0"), processes: vec![server] })
}
