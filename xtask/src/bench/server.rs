//! A server under test: a child process that is watched from outside and ends with this value.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const START_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);

/// A child that is watched from outside.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// One that listens.
#[derive(Debug)]
pub(super) struct Server {
    process: Process,
    port: u16,
    ready_in: Duration,
}

impl Server {
    /// Spawns the command with `--port`, and returns at the first 200 on `/healthz`.
    pub(super) fn start(name: &'static str, command: &mut Command, port: u16, logs: &Path) -> Result<Self> {
        command.args(["--port", &port.to_string()]);
        let begun = Instant::now();
        let mut process = Process::start(name, command, logs)?;
        while get_status(port, "/healthz") != Some(200) {
            if let Some(status) = process.child.try_wait()? {
                bail!("{name} ended with {status} instead of serving:\n{}", tail(&process.log));
            }
            if begun.elapsed() > START_LIMIT {
                bail!("{name} was not ready within {} s:\n{}", START_LIMIT.as_secs(), tail(&process.log));
            }
            sleep(POLL);
        }
        Ok(Self { process, port, ready_in: begun.elapsed() })
    }

    pub(super) fn process(&self) -> &Process {
        &self.process
    }

    pub(super) fn name(&self) -> &'static str {
        self.process.name
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn last_words(&self) -> String {
        self.process.last_words()
    }

    pub(super) fn ready_in(&self) -> Duration {
        self.ready_in
    }

    pub(super) fn rss_kib(&self) -> Result<u64> {
        self.process.rss_kib()
    }

    pub(super) fn cpu_ticks(&self) -> Result<u64> {
        self.process.cpu_ticks()
    }
}

impl Process {
    /// Spawns the command, and waits for nothing.
    pub(super) fn start(name: &'static str, command: &mut Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        isolate(command);
        let child = command.spawn().with_context(|| format!("starting {:?}", command.get_program()))?;
        Ok(Self { name, child, log })
    }

    /// The end of its log, for the message of a failure.
    pub(super) fn last_words(&self) -> String {
        format!("{} said last:\n{}", self.name, tail(&self.log))
    }

    /// Resident memory now.
    pub(super) fn rss_kib(&self) -> Result<u64> {
        let text = self.proc("status")?;
        parse_rss(&text).with_context(|| format!("no VmRSS for {}", self.name))
    }

    /// User and system time since the start, in clock ticks.
    pub(super) fn cpu_ticks(&self) -> Result<u64> {
        let text = self.proc("stat")?;
        ticks(&text, 2).with_context(|| format!("no processor times for {}", self.name))
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        std::fs::read_to_string(&path).with_context(|| format!("{} is gone ({path})", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a child that is already gone.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A proxy or a setting of the user's must not come between the servers.
fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        if upper.ends_with("_PROXY") || upper.starts_with("AGENT_GATEWAY_") || upper == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn get_status(port: u16, path: &str) -> Option<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    status_of(port, &request).ok()
}

/// Sends one request as it stands and returns the answer's status.
pub(super) fn status_of(port: u16, request: &str) -> Result<u16> {
    let mut stream = connected(port)?;
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let text = std::str::from_utf8(&head)?;
    let status = text.strip_prefix("HTTP/1.1 ").context("not HTTP/1.1")?;
    Ok(status.parse()?)
}

/// Sends one request and returns the answer's status and body.
pub(super) fn exchange(port: u16, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = connected(port)?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no end of the answer's head")?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).context("not HTTP/1.1")?;
    Ok((status.parse()?, body.to_owned()))
}

fn connected(port: u16) -> Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// The last lines of a log, for the message of a failure.
fn tail(log: &PathBuf) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

fn parse_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The first `fields` of user time, system time, and the same of children that have ended. They are counted
/// after the command's name, which may hold blanks and parentheses.
pub(super) fn ticks(stat: &str, fields: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let times: Vec<u64> =
        rest.split_whitespace().skip(11).take(fields).filter_map(|time| time.parse().ok()).collect();
    (times.len() == fields).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read_as_the_kernel_writes_them() {
        let stat = "4711 (a (b) c) S 1 4711 4711 0 -1 4194560 901 0 2 0 250 37 1 2 20 0 5 0 1 2 3";
        assert_eq!((ticks(stat, 2), ticks(stat, 4)), (Some(287), Some(290)));
        assert_eq!(parse_rss("Name:\ta\nVmHWM:\t  99 kB\nVmRSS:\t   41234 kB\n"), Some(41234));
        assert_eq!(ticks("1 (a) S 1", 2), None);
    }
}
