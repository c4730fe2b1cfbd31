//! The command line.
use std::{net::IpAddr, path::PathBuf};

use agent_gateway::Role;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Serves a folder of markdown agents over HTTP.
#[derive(Debug, Parser)]
#[command(name = "agent-gateway", version, arg_required_else_help = true, disable_help_flag = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print help.
    #[arg(long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new project with a workspace, an agent and a configuration.
    Init(Init),
    /// Serve the workspace over HTTP.
    Serve(Serve),
    /// Run one agent once and print its answer. Nothing is stored.
    Invoke(Invoke),
    /// Talk with one agent, line by line. The session is stored and can be gone on with.
    Chat(Chat),
    /// Check the workspace and the configuration, and name everything that is wrong.
    Check(Listing),
    /// List the agents.
    Agents(Listing),
    /// List the skills.
    Skills(Listing),
    /// Print the version.
    Version(Version),
}

/// Which workspace.
#[derive(Debug, ClapArgs)]
pub(crate) struct Workspace {
    /// The folder with `agents/`, `skills/`, `tools/` and `gateway.yaml`.
    #[arg(long, short, default_value = "./workspace", value_name = "DIR")]
    pub(crate) workspace: PathBuf,
}

/// How to print data.
#[derive(Debug, ClapArgs)]
pub(crate) struct Output {
    /// Print JSON; the same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Output {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Init {
    /// The directory to make.
    pub(crate) name: PathBuf,
    /// Print what was made as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) workspace: Workspace,
    /// The address to listen on; without it, `server.host` of the configuration.
    #[arg(long, short = 'h', value_name = "IP")]
    pub(crate) host: Option<Host>,
    /// The port to listen on, 0 for any free one; without it, `server.port` of the configuration.
    #[arg(long, short)]
    pub(crate) port: Option<u16>,
    /// Serve POST /v1/reload, which reads the workspace again.
    #[arg(long)]
    pub(crate) reload: bool,
    /// Take no requests, and only run queued executions; needs a queue and a database that processes share.
    #[arg(long, conflicts_with_all = ["no_workers", "host", "port", "reload"])]
    pub(crate) worker_only: bool,
    /// Leave queued executions to other processes; needs a queue and a database that processes share.
    #[arg(long)]
    pub(crate) no_workers: bool,
    /// Print what was found and where it listens as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// How to write the log, which goes to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

impl Serve {
    pub(crate) fn role(&self) -> Role {
        match (self.worker_only, self.no_workers) {
            (true, _) => Role::WorkerOnly,
            (_, true) => Role::GatewayOnly,
            _ => Role::Whole,
        }
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host(pub(crate) IpAddr);

impl std::str::FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "localhost" => Ok(Self(IpAddr::from([127, 0, 0, 1]))),
            _ => text
                .parse()
                .map(Self)
                .map_err(|_| "not an IP address; write 127.0.0.1, 0.0.0.0, ::1 or localhost".to_owned()),
        }
    }
}

/// A form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For log collectors.
    Json,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Invoke {
    /// The agent's directory name.
    pub(crate) agent: String,
    /// What to tell it.
    pub(crate) message: String,
    /// Structured input, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    #[command(flatten)]
    pub(crate) workspace: Workspace,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Chat {
    /// The agent's directory name.
    pub(crate) agent: String,
    /// Say this, print the answer and leave.
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// Go on with this session.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Structured input of every turn, a JSON object; it is kept with the session.
    #[arg(long, value_name = "JSON")]
    pub(crate) input: Option<String>,
    /// Print what each turn consumed; without a terminal, also its tool calls.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    pub(crate) workspace: Workspace,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Listing {
    #[command(flatten)]
    pub(crate) workspace: Workspace,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Version {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
