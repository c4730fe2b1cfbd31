//! Talks with one agent.
mod editor;
mod history;
mod input;
mod plain;
mod print;
mod signals;
mod talk;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use agent_gateway::{
    Gateway,
    core::{JsonMap, agent::Availability, id::ConversationId},
};
use anyhow::{Context, Result, bail};

use self::{
    input::Input,
    plain::harmless,
    print::{Detail, Form, aside, watched},
    signals::Signals,
    talk::{Manner, Talk},
};
use super::exists;
use crate::args::{Chat, Format, LogFormat};

/// The commands of the prompt.
const HELP: &str = "\
/new       begins a new session
/session   tells the session's id
/usage     tells what the last turn and all turns consumed
/exit      leaves; exit, quit and Ctrl-D do too
Alt-Enter, or a backslash at the end of a line, begins another line of the message.
Ctrl-C stops the answer that is under way, or clears the line. Ctrl-R searches the history.
A line that begins with a blank is no command and is not kept in the history.";

pub(crate) async fn chat(args: Chat) -> Result<ExitCode> {
    let format = args.output.format();
    if format == Format::Csv {
        bail!("chat prints text or JSON; use --format json");
    }
    exists(&args.workspace)?;
    let input: JsonMap = match &args.input {
        None => JsonMap::new(),
        Some(text) => serde_json::from_str(text).context("--input must be a JSON object")?,
    };
    // What becomes of a turn is told once, in the conversation.
    super::serve::log(LogFormat::Text, "error");
    let gateway = Gateway::builder(&args.workspace.workspace)
        .without_auth()
        .use_memory_queue()
        .leave_orphans()
        .build()
        .await?;
    let code = talk(&gateway, args, input, format).await;
    gateway.shutdown().await?;
    code
}

async fn talk(gateway: &Gateway, args: Chat, input: JsonMap, format: Format) -> Result<ExitCode> {
    known_agent(gateway, &args.agent)?;
    let session = match &args.session {
        None => None,
        Some(id) => Some(known_session(gateway, &args.agent, id).await?),
    };
    let signals = Signals::listen()?;
    let manner = match &args.message {
        Some(_) => Manner::Script,
        None if at_terminal() => Manner::Prompt,
        None => Manner::Script,
    };
    let form = match format {
        Format::Json => Form::Json,
        _ if watched() => Form::Live,
        _ => Form::Whole,
    };
    if manner == Manner::Prompt {
        greet(&args.agent, session.as_ref());
    }
    let from = match (args.message, manner) {
        (Some(message), _) => Input::Once(Some(message)),
        (None, Manner::Prompt) => Input::prompt()?,
        (None, Manner::Script) => Input::lines()?,
    };
    let detail = if args.verbose { Detail::Everything } else { Detail::Usual };
    Talk::new(gateway, args.agent, session, input, (form, detail)).run(from, manner, signals).await
}

/// A prompt asks the terminal where its cursor is, and the answer must come back.
fn at_terminal() -> bool {
    io::stdin().is_terminal() && watched() && io::stderr().is_terminal()
}

fn greet(agent: &str, session: Option<&ConversationId>) {
    let which = session.map_or_else(String::new, |id| format!(" in session {}", harmless(id.as_str())));
    aside(&format!("Chatting with '{agent}'{which}. /help tells the commands, Ctrl-D leaves."));
}

fn known_agent(gateway: &Gateway, id: &str) -> Result<()> {
    let snapshot = gateway.snapshot();
    match snapshot.agent(id).map(|agent| agent.availability) {
        Some(Availability::Enabled) => Ok(()),
        Some(Availability::Disabled) => bail!("agent '{id}' is disabled; see 'enabled' in its AGENT.md"),
        None => {
            let known: Vec<&str> = snapshot.agents().map(|agent| agent.id.as_str()).collect();
            bail!(
                "there is no agent '{id}'. Available agents: {}. What keeps others from being served: agent-gateway check",
                known.join(", ")
            )
        }
    }
}

async fn known_session(gateway: &Gateway, agent: &str, id: &str) -> Result<ConversationId> {
    let found = match ConversationId::new(id) {
        Ok(id) => gateway.get_session(&id).await?,
        Err(_) => None,
    };
    let (persistence, _) = gateway.backends();
    match found {
        Some(session) if session.agent_id.as_str() == agent => Ok(session.id),
        Some(session) => {
            bail!("session '{}' is with agent '{}', not with '{agent}'", session.id, session.agent_id)
        }
        None => bail!(
            "there is no session '{}' in {} {}; leave out --session to begin a new one",
            harmless(id),
            persistence.name,
            persistence.location
        ),
    }
}
