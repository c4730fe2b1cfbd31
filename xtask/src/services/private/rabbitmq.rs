//! RabbitMQ as a node with everything of its own: name, cookie, ports, data, and the register of names (`epmd`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::process::{Process, free_ports, program, secret};
use super::{LOG, Launched, without, write_private};

/// Debian's command on the PATH starts it as one user only; this is what it starts.
const DEBIAN: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const ERLANG: &str = "/usr/lib/erlang";
const PID: &str = "pid";

#[derive(Debug)]
pub(super) struct Programs {
    server: PathBuf,
    epmd: PathBuf,
}

pub(super) fn find() -> Option<Programs> {
    let debian = Some(PathBuf::from(DEBIAN)).filter(|file| file.is_file());
    Some(Programs { server: debian.or_else(|| program("rabbitmq-server"))?, epmd: find_epmd()? })
}

fn find_epmd() -> Option<PathBuf> {
    let runtimes = fs::read_dir(ERLANG).into_iter().flatten().filter_map(Result::ok);
    let inside = runtimes.map(|entry| entry.path().join("bin").join("epmd"));
    program("epmd").into_iter().chain(inside).find(|file| file.is_file())
}

pub(super) fn launch(programs: &Programs, folder: &Path) -> Result<Launched> {
    let [port, nodes, names] = free_ports()?;
    let settings = folder.join("rabbitmq.conf");
    // The disk of a small container is enough: tests keep little.
    let text = format!(
        "listeners.tcp.local = 127.0.0.1:{port}\nlog.file = false\nlog.console = true\ndisk_free_limit.absolute = 50MB\n"
    );
    fs::write(&settings, text)?;
    for (file, text) in [("environment", ""), ("advanced.config", "[]."), ("plugins", "[].")] {
        fs::write(folder.join(file), text)?;
    }
    write_private(&folder.join(".erlang.cookie"), &secret()?)?;
    let readable_by_owner = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    fs::set_permissions(folder.join(".erlang.cookie"), readable_by_owner)?;

    let mut register = command(&programs.epmd, folder, names);
    register.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
    let register = Process::spawn(&mut register, &folder.join("epmd.log"))?;

    let mut serve = command(&programs.server, folder, names);
    serve
        .env("RABBITMQ_NODENAME", format!("agent-gateway-{port}@localhost"))
        .env("RABBITMQ_DIST_PORT", nodes.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        .env("RABBITMQ_CONFIG_FILE", &settings)
        .env("RABBITMQ_CONFIG_FILES", folder.join("conf.d"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("advanced.config"))
        .env("RABBITMQ_CONF_ENV_FILE", folder.join("environment"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join(PID));
    let server = match Process::spawn(&mut serve, &folder.join(LOG)) {
        Ok(server) => server,
        Err(error) => {
            register.stop(rustix::process::Signal::TERM)?;
            return Err(error);
        }
    };
    Ok(Launched {
        url: format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
        processes: vec![server, register],
    })
}

/// The virtual machine below the script that was started. It is remembered too, for when the script dies alone.
pub(super) fn beam(folder: &Path) -> Result<Process> {
    let text = fs::read_to_string(folder.join(PID)).context("RabbitMQ wrote no number of its process")?;
    Process::of(text.trim().parse()?).context("RabbitMQ ended as soon as it was ready")
}

fn command(program: &Path, folder: &Path, names: u16) -> Command {
    let mut command = Command::new(program);
    without(&mut command, &["RABBITMQ_", "ERL_", "NOTIFY_SOCKET"]);
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1");
    command
}
