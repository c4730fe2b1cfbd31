//! Runs one agent once.
use std::{process::ExitCode, sync::Arc};

use agent_gateway::{
    core::{
        execution::{ExecutionStatus, Origin, RunOptions},
        in_process::InProcessStore,
    },
    runtime::Refusal,
};
use anyhow::{Context, Result, bail};

use super::exists;
use crate::{
    args::{Format, Invoke},
    output::{self, line},
};

pub(crate) async fn invoke(args: Invoke) -> Result<ExitCode> {
    let format = args.output.format();
    if format == Format::Csv {
        bail!("invoke prints text or JSON; use --format json");
    }
    exists(&args.workspace)?;
    let input = match &args.input {
        None => agent_gateway::core::JsonMap::new(),
        Some(text) => serde_json::from_str(text).context("--input must be a JSON object")?,
    };
    super::serve::log(crate::args::LogFormat::Text, "warn");
    let gateway = agent_gateway::Gateway::builder(&args.workspace.workspace)
        .without_auth()
        .use_persistence(Arc::new(InProcessStore::default()))
        .use_memory_queue()
        .build()
        .await?;
    let invoked = gateway.invoke_with(&args.agent, &args.message, input, RunOptions::default(), Origin::Cli);
    let done = tokio::select! {
        done = invoked => Some(done),
        // Dropping the call cancels the execution, its model call and its tools.
        () = agent_gateway::shutdown_signal() => None,
    };
    let known: Vec<String> = gateway.snapshot().agents().map(|agent| agent.id.to_string()).collect();
    gateway.shutdown().await?;
    let Some(done) = done else {
        output::note("interrupted: the execution was cancelled");
        return Ok(ExitCode::from(4));
    };
    let execution = match done {
        Ok(execution) => execution,
        Err(Refusal::AgentNotFound(id)) => bail!(
            "there is no agent '{id}'. Available agents: {}. What keeps others from being served: agent-gateway check",
            known.join(", ")
        ),
        Err(refusal) => bail!("{refusal}"),
    };
    let outcome = &execution.outcome;
    match format {
        Format::Json => output::json(&serde_json::json!({
            "execution_id": execution.id, "status": outcome.stop_reason.status(),
            "stop_reason": outcome.stop_reason, "result": &**outcome,
        }))?,
        _ => {
            line(format_args!("Status: {}\n\n{}", outcome.stop_reason.as_str(), outcome.raw_text));
            if let Some(value) = &outcome.output {
                line(format_args!("\n{}", serde_json::to_string_pretty(value)?));
            }
            if let Some(error) = &outcome.error {
                output::note(error);
            }
        }
    }
    Ok(match outcome.stop_reason.status() {
        ExecutionStatus::Completed => ExitCode::SUCCESS,
        ExecutionStatus::Cancelled | ExecutionStatus::Timeout => ExitCode::from(4),
        _ => ExitCode::from(3),
    })
}
