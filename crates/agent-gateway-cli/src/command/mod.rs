//! The commands.
mod chat;
mod check;
mod init;
mod invoke;
mod listing;
mod serve;

use std::process::ExitCode;

use agent_gateway::Plan;
use anyhow::{Result, bail};

use crate::{
    args::{Args, Command, Workspace},
    output,
};

/// Does what the command line asks for.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::Init(args) => init::init(&args),
        Command::Serve(args) => serve::serve(&args).await,
        Command::Invoke(args) => invoke::invoke(args).await,
        Command::Chat(args) => chat::chat(args).await,
        Command::Check(args) => check::check(&args).await,
        Command::Agents(args) => listing::agents(&args).await,
        Command::Skills(args) => listing::skills(&args).await,
        Command::Version(args) => {
            let version = env!("CARGO_PKG_VERSION");
            if args.json {
                output::json(&serde_json::json!({"name": "agent-gateway", "version": version}))?;
            } else {
                output::line(format_args!("agent-gateway {version}"));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Reads the workspace without asking who may call: this is the operator's own terminal.
async fn read(workspace: &Workspace) -> Result<Plan> {
    exists(workspace)?;
    Ok(agent_gateway::Gateway::builder(&workspace.workspace).without_auth().check().await)
}

fn exists(workspace: &Workspace) -> Result<()> {
    let path = &workspace.workspace;
    if !path.is_dir() {
        bail!(
            "there is no workspace folder at '{}'; name one with --workspace DIR, or make one with: agent-gateway init my-project",
            path.display()
        );
    }
    Ok(())
}
