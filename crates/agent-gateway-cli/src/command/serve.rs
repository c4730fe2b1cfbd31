//! Serves a workspace.
use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
};

use agent_gateway::{
    AuthSummary, Gateway, GatewayBuilder, ModelSource, Plan, Role, core::diagnostic::Severity,
};
use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use super::exists;
use crate::{
    args::{Format, LogFormat, Serve},
    output::{Colour, line, note, paint},
};

pub(crate) async fn serve(args: &Serve) -> Result<ExitCode> {
    exists(&args.workspace)?;
    log(args.log_format, "info");
    let mut builder: GatewayBuilder = Gateway::builder(&args.workspace.workspace);
    if args.reload {
        builder = builder.allow_reload();
    }
    let role = args.role();
    let plan = builder.auth_from_workspace().role(role).check().await;
    let about = About::of(&plan);
    // An error of the configuration stops the start, which tells it then.
    let told_later = plan.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    for finding in
        plan.diagnostics().filter(|finding| told_later == 0 || finding.severity == Severity::Warning)
    {
        note(format_args!("{} {finding}", paint(Colour::Yellow, "found:", &std::io::stderr())));
    }
    let address = address(args, &plan)?;
    if role != Role::WorkerOnly {
        plan.check_exposure(address)?;
    }
    let workers = plan.config.queue.workers;
    let gateway = plan.start().await?;
    let (persistence, queue) = gateway.backends();
    let backends = (
        format!("{} {}", persistence.name, place(&persistence.location)),
        match queue.location.as_str() {
            "" => queue.name.to_string(),
            location => format!("{} {location}", queue.name),
        },
    );
    let form = if args.json { Format::Json } else { Format::Table };
    if role == Role::WorkerOnly {
        about.print_worker(workers, &backends, form);
        gateway.work_until(stop_signal()).await?;
        return Ok(ExitCode::SUCCESS);
    }
    gateway.run_until(address, stop_signal(), move |bound| about.print(bound, &backends, form)).await?;
    Ok(ExitCode::SUCCESS)
}

/// A path as one that does not depend on where the gateway was started.
fn place(location: &str) -> String {
    match std::path::absolute(location) {
        // A place that is no file is one on a server, or in memory.
        Ok(path) if path.is_file() => path.display().to_string(),
        _ => location.to_owned(),
    }
}

/// Resolves at the first signal to stop. A second one ends the process at once.
#[expect(clippy::disallowed_methods, reason = "the second signal must not wait for anything")]
async fn stop_signal() {
    agent_gateway::shutdown_signal().await;
    note("stopping: executions under way are given time to end; a second signal ends the process at once");
    tokio::spawn(async {
        agent_gateway::shutdown_signal().await;
        std::process::exit(130);
    });
}

/// Where to listen. A flag wins over the configuration. Without authentication the configured address gives way to loopback;
/// an address that was asked for by flag does not, and is refused when it can be reached from outside.
fn address(args: &Serve, plan: &Plan) -> Result<SocketAddr> {
    let port = args.port.unwrap_or(plan.config.server.port);
    if let Some(host) = args.host {
        return Ok(SocketAddr::new(host.0, port));
    }
    let configured = &plan.config.server.host;
    let host: IpAddr = match configured.as_str() {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        text => text.parse().with_context(|| format!("server.host '{configured}' is not an IP address"))?,
    };
    let exposed =
        plan.auth == AuthSummary::Open && !host.is_loopback() && !plan.config.server.allow_unauthenticated;
    Ok(SocketAddr::new(if exposed { IpAddr::from([127, 0, 0, 1]) } else { host }, port))
}

/// What `serve` says of itself when it listens.
struct About {
    agents: Vec<String>,
    skills: usize,
    tools: usize,
    model: String,
    offline: bool,
    auth: AuthSummary,
    errors: usize,
}

impl About {
    fn of(plan: &Plan) -> Self {
        let (name, source) = &plan.model;
        Self {
            agents: plan.snapshot.agents().map(|agent| agent.id.to_string()).collect(),
            skills: plan.snapshot.definitions().skills.len(),
            tools: plan.snapshot.tools().len(),
            model: name.to_string(),
            offline: *source == ModelSource::Offline,
            auth: plan.auth.clone(),
            errors: plan.snapshot.definitions().error_count(),
        }
    }

    fn print(&self, bound: SocketAddr, backends: &(String, String), form: Format) {
        if form == Format::Json {
            let auth = if self.auth == AuthSummary::Open { "open" } else { "closed" };
            line(serde_json::json!({
                "url": format!("http://{bound}"), "agents": self.agents, "skills": self.skills, "tools": self.tools,
                "model": self.model, "persistence": backends.0, "queue": backends.1, "auth": auth,
            }));
            return;
        }
        let out = std::io::stdout();
        let row = |name: &str, value: &str| line(format_args!("  {name:<12} {value}"));
        line(format_args!("{} listens on http://{bound}\n", paint(Colour::Bold, "agent-gateway", &out)));
        row("agents", &shown(&self.agents));
        row("skills", &self.skills.to_string());
        row("tools", &self.tools.to_string());
        row("model", &self.model);
        row("persistence", &backends.0);
        row("queue", &backends.1);
        row("auth", &self.auth_line());
        row("docs", &format!("http://{bound}/docs"));
        if self.errors > 0 {
            let text = format!("{} problem(s) keep something from being served; see above", self.errors);
            line(format_args!("\n  {}", paint(Colour::Red, &text, &out)));
        }
        if self.offline {
            let text = "No model is configured and no provider key is set, so the built-in OFFLINE provider answers. It is \
                        no model: it repeats what you say. For real answers set model.default, such as openai/gpt-4o-mini, and its provider's key, such as \
                        OPENAI_API_KEY.";
            line(format_args!("\n  {}", paint(Colour::Yellow, text, &out)));
        }
        if let Some(agent) = self.agents.first() {
            let key =
                if self.auth == AuthSummary::Open { "" } else { " -H 'Authorization: Bearer YOUR_KEY'" };
            line(format_args!(
                "\nTry it:\n  curl -s http://{bound}/v1/agents/{agent}/invoke{key} -H 'Content-Type: application/json' \
                 -d '{{\"message\": \"Hello!\"}}'"
            ));
        }
    }

    fn print_worker(&self, workers: usize, backends: &(String, String), form: Format) {
        if form == Format::Json {
            line(serde_json::json!({
                "workers": workers, "agents": self.agents, "skills": self.skills, "tools": self.tools,
                "model": self.model, "persistence": backends.0, "queue": backends.1,
            }));
            return;
        }
        let out = std::io::stdout();
        let row = |name: &str, value: &str| line(format_args!("  {name:<12} {value}"));
        let title = paint(Colour::Bold, "agent-gateway", &out);
        line(format_args!("{title} runs queued executions, {workers} at once, and takes no requests\n"));
        row("agents", &shown(&self.agents));
        row("model", &self.model);
        row("persistence", &backends.0);
        row("queue", &backends.1);
    }

    fn auth_line(&self) -> String {
        match &self.auth {
            AuthSummary::Open => "off: everyone on this address may call".to_owned(),
            AuthSummary::ApiKeys(count) => format!("on: {count} API key(s)"),
            AuthSummary::Provider => "on: the application's provider".to_owned(),
            AuthSummary::Undecidable => "on".to_owned(),
        }
    }
}

fn shown(agents: &[String]) -> String {
    const MOST: usize = 8;
    let mut text =
        format!("{}: {}", agents.len(), agents.iter().take(MOST).cloned().collect::<Vec<_>>().join(", "));
    if agents.len() > MOST {
        text.push_str(", …");
    }
    text
}

/// Starts the log on stderr; `RUST_LOG` chooses what it says.
pub(crate) fn log(format: LogFormat, default: &str) {
    // The driver of RabbitMQ calls every lost connection an error; the backend says what that means.
    let quiet = format!("{default},lapin=off");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second log in one process is not started: the first one stands.
    let _ = match format {
        LogFormat::Text => {
            subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
        }
        LogFormat::Json => subscriber.json().try_init(),
    };
}
