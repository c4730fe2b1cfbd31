//! The programs of the servers: where they are, how they are run and ended.
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::free_port;
use crate::service::Service;

/// Where Debian keeps PostgreSQL's programs, by version.
const POSTGRES: &str = "/usr/lib/postgresql";
/// RabbitMQ's program, without the wrapper that changes the user.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// The program that is missing for a private server.
pub(super) fn missing(service: Service) -> Option<&'static str> {
    match service {
        Service::Postgres => postgres("initdb").is_none().then_some("PostgreSQL"),
        Service::Redis => find("redis-server").is_none().then_some("redis-server"),
        Service::RabbitMq => (!Path::new(RABBITMQ).exists()).then_some("RabbitMQ"),
    }
}

/// Makes what the server needs before its first start.
pub(super) fn prepare(service: Service, port: u16, directory: &Path) -> io::Result<()> {
    match service {
        Service::Redis => Ok(()),
        Service::RabbitMq => {
            fs::write(directory.join("plugins"), "[].")?;
            fs::write(directory.join("rabbitmq.conf"), format!("listeners.tcp.default = 127.0.0.1:{port}\n"))
        }
        Service::Postgres => {
            if let Some(user) = other_user() {
                run_to_end(Command::new("chown").arg(&user).arg(directory))?;
            }
            let mut initdb = as_other_user(&postgres("initdb").unwrap_or_else(|| "initdb".into()));
            initdb.arg("-D").arg(directory.join("data"));
            run_to_end(initdb.args(["-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]))
        }
    }
}

/// The command that runs the server until it is ended.
pub(super) fn run(service: Service, port: u16, directory: &Path) -> Command {
    let number = port.to_string();
    match service {
        Service::Redis => {
            let mut command = Command::new("redis-server");
            command.args(["--port", &number, "--bind", "127.0.0.1", "--appendonly", "yes", "--save", ""]);
            command.args(["--appendfsync", "always", "--dir"]).arg(directory);
            command
        }
        Service::Postgres => {
            let mut command = as_other_user(&postgres("postgres").unwrap_or_else(|| "postgres".into()));
            command.arg("-D").arg(directory.join("data")).args(["-p", &number, "-h", "127.0.0.1"]);
            command.arg("-c").arg(format!("unix_socket_directories={}", directory.display()));
            command
        }
        Service::RabbitMq => {
            let mut command = Command::new(RABBITMQ);
            // It leaves what it has to say of a crash where it was started.
            command.current_dir(directory);
            let path = |name: &str| directory.join(name);
            command
                .env("HOME", directory)
                // So that the script becomes the server: a signal that cannot be passed on would leave the server behind.
                .env("RUNNING_UNDER_SYSTEMD", "true")
                .env("RABBITMQ_NODENAME", format!("agw{port}@localhost"))
                .env("RABBITMQ_DIST_PORT", free_port().unwrap_or_default().to_string())
                .env("RABBITMQ_MNESIA_BASE", path("mnesia"))
                .env("RABBITMQ_LOG_BASE", path("log"))
                .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("plugins"))
                .env("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf"))
                .env("RABBITMQ_PID_FILE", path("pid"));
            command
        }
    }
}

/// Ends a server. PostgreSQL's children would outlive a parent that was killed, so that it is told to quit at once.
pub(super) fn end(service: Service, process: &mut Child, at_once: bool) {
    let signal = match (service, at_once) {
        (Service::Postgres, true) => "-QUIT",
        (Service::Postgres, false) => "-INT",
        (_, true) => "-KILL",
        (_, false) => "-TERM",
    };
    drop(Command::new("kill").args([signal, &process.id().to_string()]).stderr(Stdio::null()).status());
}

/// Whether PostgreSQL takes queries.
pub(super) fn postgres_is_ready(port: u16) -> bool {
    let program = postgres("pg_isready").unwrap_or_else(|| "pg_isready".into());
    let asked = Command::new(program)
        .args(["-q", "-h", "127.0.0.1", "-U", "postgres", "-p", &port.to_string()])
        .status();
    asked.is_ok_and(|status| status.success())
}

/// A command that is not run as root, which PostgreSQL refuses.
fn as_other_user(program: &Path) -> Command {
    match other_user() {
        None => Command::new(program),
        Some(user) => {
            let mut command = Command::new("setpriv");
            command
                .args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"])
                .arg(program);
            // Its temporary directory is that user's alone; the working directory may be anybody's.
            command.current_dir("/");
            command
        }
    }
}

/// Who is not root, where this process is.
fn other_user() -> Option<String> {
    let is_root = fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("\nUid:\t0\t"));
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let has = |name: &str| users.lines().any(|line| line.starts_with(&format!("{name}:")));
    is_root.then(|| if has("postgres") { "postgres" } else { "nobody" }.to_owned())
}

fn postgres(program: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().or_else(|| find(program))
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.exists())
}

fn run_to_end(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}
