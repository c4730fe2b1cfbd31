//! A process with everything that it starts: spawned with a clean environment, killed as one.
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{secret::Secret, vars::Vars};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long a killed process may take to disappear.
const FAREWELL: Duration = Duration::from_secs(2);
/// How much of what a process writes to stderr is kept.
const KEPT_NOISE: usize = 64 * 1024;

/// The few variables that every program needs.
#[derive(Clone, Debug)]
pub(crate) struct BaseEnvironment(BTreeMap<&'static str, String>);

impl BaseEnvironment {
    pub(crate) fn read(vars: &dyn Vars) -> Self {
        let mut found = BTreeMap::from([("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned())]);
        for name in ["PATH", "HOME", "LANG", "TMPDIR"] {
            if let Some(value) = vars.get(name) {
                found.insert(name, value);
            }
        }
        Self(found)
    }

    /// Where programs are searched.
    pub(crate) fn search(&self) -> &str {
        self.0.get("PATH").map_or("", String::as_str)
    }
}

/// What to start.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<&'a OsStr>,
    /// Where it starts; `None` is where the gateway was started.
    pub(crate) directory: Option<&'a Path>,
    pub(crate) base: &'a BaseEnvironment,
    pub(crate) named: &'a BTreeMap<String, Secret>,
}

/// A started process and its pipes.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) group: Group,
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Launch<'_> {
    /// Starts the process as the leader of a new group.
    pub(crate) fn start(&self, inside: TaskTrackerToken) -> io::Result<Started> {
        let mut command = Command::new(self.program);
        if let Some(directory) = self.directory {
            command.current_dir(directory);
        }
        let mut child = command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.base.0)
            .envs(self.named.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let group = Group { child, _inside: inside };
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the pipes of a new process are missing"));
        };
        Ok(Started { group, stdin, stdout, stderr })
    }
}

/// A process and all that it started. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    _inside: TaskTrackerToken,
}

impl Group {
    /// The group's number, as long as its leader has not been waited for: afterwards it may be another's.
    fn number(&self) -> Option<Pid> {
        self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?))
    }

    /// Sends `signal` to all of them.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.number(), signal);
    }

    /// Waits for the leader to end, and kills what it left behind. May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let number = self.number();
        let status = self.child.wait().await?;
        // The number stays taken while one of the group lives, and is not given to another so soon after.
        send(number, Signal::KILL);
        Ok(status)
    }

    /// Whether the leader still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        let number = self.number();
        let alive = matches!(self.child.try_wait(), Ok(None));
        if !alive {
            send(number, Signal::KILL);
        }
        alive
    }

    /// Kills all of them, and waits until the leader is gone.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        // Only a process stuck in the kernel survives this long; it is left to the runtime to collect.
        timeout(FAREWELL, self.wait()).await.ok();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn send(number: Option<Pid>, signal: Signal) {
    if let Some(number) = number {
        // It fails when there is nobody left, which is what is wanted.
        kill_process_group(number, signal).ok();
    }
}

/// How a process ended, for a sentence.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What a process writes to stderr: read to the end, of which the last [`KEPT_NOISE`] bytes are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noise(Arc<Mutex<Vec<u8>>>);

impl Noise {
    /// Reads until the other side closes.
    pub(crate) async fn drain(self, mut from: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; 8 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&buffer[..read]);
            if kept.len() > 2 * KEPT_NOISE {
                let surplus = kept.len() - KEPT_NOISE;
                kept.drain(..surplus);
            }
        }
    }

    /// Takes what was kept.
    pub(crate) fn take(&self) -> String {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&kept[kept.len().saturating_sub(KEPT_NOISE)..]).into_owned()
    }
}
