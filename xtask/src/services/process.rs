//! Processes that outlive the command that started them, and are told from others that got their number.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

const POLL: Duration = Duration::from_millis(20);
/// How long a server may take to end in order.
const FAREWELL: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pid: i32,
    /// When it began, in the words of the system. A number is used again, the pair is not.
    begun: String,
}

impl Process {
    /// `None` when no such process runs.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, begun: begun(pid)? })
    }

    /// Starts one in a group of its own, so that what ends a terminal does not end it.
    pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let program = command.get_program().to_owned();
        let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        // Nobody here waits for it: it outlives us.
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let Some(process) = i32::try_from(child.id()).ok().and_then(Self::of) else {
            bail!("{} ended at once:\n{}", program.display(), tail(log));
        };
        Ok(process)
    }

    pub(super) fn runs(&self) -> bool {
        begun(self.pid).is_some_and(|begun| begun == self.begun)
    }

    /// Asks it to end, and ends it when it does not.
    pub(super) fn stop(&self, farewell: Signal) -> Result<()> {
        for (signal, patience) in [(farewell, FAREWELL), (Signal::KILL, FAREWELL)] {
            if !self.runs() {
                return Ok(());
            }
            let pid = Pid::from_raw(self.pid).context("no process has this number")?;
            // Between the look and the signal it may have ended by itself.
            if let Err(error) = kill_process(pid, signal)
                && self.runs()
            {
                return Err(error).with_context(|| format!("stopping process {}", self.pid));
            }
            let asked = Instant::now();
            while self.runs() && asked.elapsed() < patience {
                sleep(POLL);
            }
        }
        if self.runs() {
            bail!("process {} does not end", self.pid);
        }
        Ok(())
    }
}

/// When a process began; `None` when it has ended, though nobody has asked for its status yet.
fn begun(pid: i32) -> Option<String> {
    if cfg!(target_os = "linux") {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        return Some(format!("{} {}", ticks(&stat)?, boot.trim()));
    }
    let listing = Command::new("ps").args(["-o", "lstart=", "-p", &pid.to_string()]).output().ok()?;
    let text = String::from_utf8_lossy(&listing.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// State and start are counted after the name, which may hold blanks and parentheses.
fn ticks(stat: &str) -> Option<&str> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)
}

/// Different ports that were free a moment ago.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// A program of the PATH, or of the folders that a user's PATH often lacks.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders = std::env::split_paths(&path).chain(more);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A word that others on this machine cannot guess.
pub(super) fn secret() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The last lines of a log, for the message of a failure.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_as_the_kernel_writes_it_and_a_dead_child_does_not_count() {
        let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 901 0 2 0 250 37 1 2 20 0 5 0 998877 2 3";
        assert_eq!(ticks(stat), Some("998877"));
        assert_eq!(ticks(&stat.replace(") S", ") Z")), None);
        assert_eq!(ticks("1 (a) S 1"), None);
    }

    #[test]
    fn a_number_that_another_process_got_is_not_ours() {
        let me = i32::try_from(std::process::id()).unwrap();
        let ours = Process::of(me).unwrap();
        assert!(ours.runs());
        let stranger = Process { begun: "long ago".into(), ..ours };
        assert!(!stranger.runs());
        stranger.stop(Signal::KILL).unwrap();
    }

    #[test]
    fn ports_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
