//! PostgreSQL with a cluster of its own. It refuses to run as root, so there it runs as another user.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use super::super::process::{Process, free_ports, program, secret, tail};
use super::{LOG, Launched, without, write_private};

/// Where Debian keeps the versions side by side, none of them on the PATH.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    user: u32,
    group: u32,
}

/// The folder with `initdb` and `postgres`.
pub(super) fn find() -> Option<PathBuf> {
    let on_path = program("initdb").and_then(|file| Some(file.canonicalize().ok()?.parent()?.to_path_buf()));
    let installed = fs::read_dir(VERSIONS).into_iter().flatten().filter_map(Result::ok);
    let names = installed.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let newest_first = by_version(names.collect());
    let versions = newest_first.iter().map(|version| Path::new(VERSIONS).join(version).join("bin"));
    on_path.into_iter().chain(versions).find(|bin| is_complete(bin))
}

fn is_complete(bin: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|name| bin.join(name).is_file())
}

/// Newest first, as numbers: 9.6 is older than 15.
fn by_version(mut names: Vec<String>) -> Vec<String> {
    let number =
        |name: &String| -> Vec<u32> { name.split('.').map_while(|part| part.parse().ok()).collect() };
    names.sort_by_key(|name| std::cmp::Reverse(number(name)));
    names
}

pub(super) fn launch(bin: &Path, folder: &Path) -> Result<Launched> {
    let account = if geteuid().is_root() { Some(unprivileged()?) } else { None };
    let ([port], password) = (free_ports()?, secret()?);
    let (data, word, log) = (folder.join("data"), folder.join("password"), folder.join(LOG));
    write_private(&word, &password)?;
    for path in [folder, &word] {
        if let Some(Account { user, group }) = account {
            chown(path, Some(user), Some(group))
                .with_context(|| format!("giving {} away", path.display()))?;
        }
    }

    let mut init = command(&bin.join("initdb"), folder, account);
    init.arg("--pgdata").arg(&data).arg("--pwfile").arg(&word);
    init.args(["--username=postgres", "--auth=password", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    let output = fs::File::create(&log)?;
    init.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    if !init.status().context("running initdb")?.success() {
        bail!("initdb failed:\n{}", tail(&log));
    }
    fs::remove_file(&word)?;

    let mut serve = command(&bin.join("postgres"), folder, account);
    serve.arg("-D").arg(&data).arg("-p").arg(port.to_string());
    // Loopback only. Without fsync it still survives its own death, if not the machine's.
    for setting in
        ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=300"]
    {
        serve.args(["-c", setting]);
    }
    let server = Process::spawn(&mut serve, &log)?;
    let url = format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");
    Ok(Launched { url, processes: vec![server] })
}

fn command(program: &Path, folder: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    without(&mut command, &["PG"]);
    command.current_dir(folder).env("LC_ALL", "C");
    if let Some(Account { user, group }) = account {
        command.uid(user).gid(group);
    }
    command
}

/// Debian's package makes a user `postgres`; every machine has a `nobody`.
fn unprivileged() -> Result<Account> {
    let users = fs::read_to_string("/etc/passwd").context("looking for a user to run PostgreSQL as")?;
    let found = ["postgres", "nobody"].iter().find_map(|name| account(&users, name));
    found.context("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

/// `name:password:user:group:…`
fn account(users: &str, name: &str) -> Option<Account> {
    let mut fields = users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?.split(':');
    let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Account { user, group })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_comes_first() {
        let names = ["9.6", "15", "17", "nonsense"].map(str::to_owned).to_vec();
        assert_eq!(by_version(names), ["17", "15", "9.6", "nonsense"]);
    }

    #[test]
    fn users_are_read_by_their_whole_name() {
        let users = "postgresql:x:1:1::\npostgres:x:104:106:PostgreSQL:/:/bin/sh\n";
        assert_eq!(account(users, "postgres"), Some(Account { user: 104, group: 106 }));
        assert_eq!(account(users, "nobody"), None);
    }
}
