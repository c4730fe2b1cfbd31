//! Any other program: one JSON object on stdin, one JSON value on stdout.
use std::{
    collections::BTreeMap, ffi::OsStr, fmt, io, path::PathBuf, pin::pin, process::ExitStatus, sync::Arc,
    time::Duration,
};

use agent_gateway_core::{
    Error, JsonMap, Result, Retry,
    ports::tool::Tool,
    secret::Secret,
    tool::{ProcessHandler, ToolContext, ToolDefinition, ToolOutput, ToolSpec},
};
use async_trait::async_trait;
use rustix::process::Signal;
use serde::Serialize;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::{timeout, timeout_at},
};

use crate::{
    process::{BaseEnvironment, Group, Launch, Noise, Started, describe},
    program::{find, from_root},
    supervise::{House, deadline},
    turns::Turns,
    words::{LONGEST_ANSWER, last_line, log_printed, redact},
};

/// The shell that sets the limits and then becomes the program: core dumps off, memory in KiB. It is the memory that
/// a program writes to that counts: some runtimes reserve address space by the gigabyte and never touch it.
const LIMITED: &str = r#"ulimit -c 0; ulimit -d "$0" 2>/dev/null; exec "$@""#;
/// More memory than a machine has; shells do not read larger numbers.
const UNLIMITED: u64 = 1 << 62;
/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// How long pipes may stay open after the program and its group are gone.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A tool whose handler is a program.
pub(crate) struct CommandTool {
    id: String,
    spec: ToolSpec,
    program: PathBuf,
    arguments: Vec<String>,
    directory: PathBuf,
    env: BTreeMap<String, Secret>,
    kibibytes: String,
    timeout: Duration,
    base: BaseEnvironment,
    turns: Arc<Turns<String>>,
    house: House,
}

impl fmt::Debug for CommandTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandTool")
            .field("name", &self.spec.name)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Input<'a> {
    arguments: &'a JsonMap,
    context: &'a ToolContext,
}

/// How a program ended, and what it said.
struct Ended {
    status: ExitStatus,
    answer: Vec<u8>,
}

impl CommandTool {
    /// `Misconfigured` when there is no such program.
    pub(crate) fn new(
        definition: &ToolDefinition,
        handler: &ProcessHandler,
        base: BaseEnvironment,
        turns: Arc<Turns<String>>,
        house: House,
    ) -> Result<Self> {
        let directory = from_root(&handler.directory);
        let [name, arguments @ ..] = handler.command.as_slice() else {
            return Err(Error::misconfigured("the tool names no program to run").with("tool", &definition.id));
        };
        let program =
            find(name, &directory, base.search()).map_err(|error| error.with("tool", &definition.id))?;
        Ok(Self {
            id: definition.id.clone(),
            spec: definition.spec.clone(),
            program,
            arguments: arguments.to_vec(),
            directory,
            env: handler.env.clone(),
            kibibytes: match handler.max_memory {
                UNLIMITED.. => "unlimited".to_owned(),
                bytes => (bytes / 1024).to_string(),
            },
            timeout: handler.timeout,
            base,
            turns,
            house,
        })
    }

    fn start(&self) -> Result<Started> {
        let mut arguments: Vec<&OsStr> = ["-c", LIMITED, &self.kibibytes].map(OsStr::new).into();
        arguments.push(self.program.as_os_str());
        arguments.extend(self.arguments.iter().map(OsStr::new));
        let launch = Launch {
            program: "/bin/sh".as_ref(),
            arguments,
            directory: Some(&self.directory),
            base: &self.base,
            named: &self.env,
        };
        launch.start(self.house.enter()).map_err(|reason| {
            Error::unavailable(format!("the tool `{}` could not be started", self.spec.name))
                .with("program", self.program.display())
                .with("directory", self.directory.display())
                .with("reason", reason)
        })
    }

    async fn run(&self, arguments: &JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        let name = &self.spec.name;
        let input = serde_json::to_vec(&Input { arguments, context }).map_err(|reason| {
            Error::invalid(format!("the arguments of `{name}` cannot be written")).caused_by(reason)
        })?;
        let until = deadline(self.timeout);
        let busy = |_| {
            let waited = self.timeout;
            Error::timeout(format!(
                "the tool `{name}` did not start within {waited:?}: too many calls at once"
            ))
        };
        // Before the group, so that it is another's only when the processes have been killed.
        let _turn = timeout_at(until, self.turns.next(&self.id)).await.map_err(busy)??;
        let Started { mut group, stdin, stdout, stderr } = self.start()?;
        let noise = Noise::default();
        let talk = talk(&mut group, stdin, stdout, stderr, &input, &noise);
        let ended = timeout_at(until, talk).await;
        let printed = noise.take();
        log_printed(name, &printed, &self.env, context);
        match ended {
            Ok(Ok(ended)) => self.judge(&ended, &printed, context),
            Ok(Err(reason)) if reason.kind() == io::ErrorKind::FileTooLarge => Err(Error::too_large(
                format!("the tool `{name}` answered too much: at most {LONGEST_ANSWER} bytes"),
            )),
            Ok(Err(reason)) => {
                Err(Error::unexpected(format!("the tool `{name}` could not be read")).caused_by(reason))
            }
            Err(_) => {
                group.signal(Signal::TERM);
                timeout(GRACE, group.wait()).await.ok();
                let text = format!("the tool `{name}` took longer than {:?} and was stopped", self.timeout);
                // What it did until then is done.
                Err(Error::timeout(text).retry_as(Retry::Never))
            }
        }
    }

    fn judge(&self, ended: &Ended, printed: &str, context: &ToolContext) -> Result<ToolOutput> {
        let name = &self.spec.name;
        if !ended.status.success() {
            let printed = redact(printed, &self.env, context);
            let said = last_line(&printed).map(|line| format!(": {line}")).unwrap_or_default();
            let text = format!("the tool `{name}` failed ({}){said}", describe(ended.status));
            return Err(Error::unexpected(text).with("program", self.program.display()));
        }
        match serde_json::from_slice(&ended.answer) {
            Ok(Value::String(text)) => Ok(ToolOutput::Text(text)),
            Ok(value) => Ok(ToolOutput::Json(value)),
            Err(reason) => {
                let text = format!("the tool `{name}` printed no JSON on stdout ({reason})");
                Err(Error::unexpected(text).with("program", self.program.display()))
            }
        }
    }
}

/// Speaks with the program until it has ended.
async fn talk(
    group: &mut Group,
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    input: &[u8],
    noise: &Noise,
) -> io::Result<Ended> {
    let mut answer = Vec::new();
    let status = {
        let write = async move {
            // A program may answer without having read its input.
            stdin.write_all(input).await.ok();
            Ok(())
        };
        let drain = async {
            noise.clone().drain(stderr).await;
            Ok(())
        };
        let read = read_bounded(stdout, &mut answer);
        let mut pipes = pin!(async { tokio::try_join!(write, drain, read) });
        tokio::select! {
            done = &mut pipes => {
                done?;
                group.wait().await?
            }
            status = group.wait() => {
                // The pipes end now, unless a child that left the group holds them open.
                if let Ok(done) = timeout(LAST_WORDS, pipes).await {
                    done?;
                }
                status?
            }
        }
    };
    Ok(Ended { status, answer })
}

/// Reads to the end; `FileTooLarge` when there is more than an answer may have.
async fn read_bounded(from: impl AsyncRead + Unpin, into: &mut Vec<u8>) -> io::Result<()> {
    from.take(LONGEST_ANSWER as u64 + 1).read_to_end(into).await?;
    if into.len() > LONGEST_ANSWER { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
}

#[async_trait]
impl Tool for CommandTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        self.house.run(self.run(&arguments, context)).await
    }
}
