//! Servers of a test's own, which it may stop, kill and start again.
//!
//! They listen on a free loopback port and keep their data in a temporary directory. Where the program is not installed the
//! test is a visible skip.
//!
//! ```no_run
//! # async fn example() -> agent_gateway_core::Result<()> {
//! use agent_gateway_testkit::{Service, private::Private};
//!
//! let mut server = Private::start(Service::Redis).await?;
//! // ... use server.url() ...
//! server.stop().await?;
//! server.start_again().await?;
//! # Ok(())
//! # }
//! ```
mod program;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use agent_gateway_core::{Error, Result};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::service::{Service, absence};

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(90);
/// How long it may take to stop.
const STOP: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// A server that belongs to one test. It is killed when this is dropped.
#[derive(Debug)]
pub struct Private {
    service: Service,
    port: u16,
    directory: TempDir,
    process: Option<Child>,
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It is asked to.
    Asked,
    /// As by a loss of power.
    Killed,
}

impl Private {
    /// Starts a server with nothing in it. Where its program is not installed the error makes a test a skip; see
    /// [`needs_private!`](crate::needs_private).
    pub async fn start(service: Service) -> Result<Self> {
        let directory = tempfile::tempdir().map_err(|error| failed(service, error))?;
        let port = free_port().map_err(|error| failed(service, error))?;
        if let Some(missing) = program::missing(service) {
            return Err(absence(service, &format!("{missing} is not installed")));
        }
        let mut server = Self { service, port, directory, process: None };
        let (service, port, path) = (server.service, server.port, server.path().to_path_buf());
        let prepared = tokio::task::spawn_blocking(move || program::prepare(service, port, &path)).await;
        prepared
            .map_err(|error| failed(service, io::Error::other(error)))?
            .map_err(|error| failed(service, error))?;
        server.start_again().await?;
        Ok(server)
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        let port = self.port;
        match self.service {
            Service::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Service::Redis => format!("redis://127.0.0.1:{port}/0"),
            Service::RabbitMq => format!("amqp://guest:guest@127.0.0.1:{port}/%2f"),
        }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it on what it kept.
    pub async fn start_again(&mut self) -> Result<()> {
        let mut command = program::run(self.service, self.port, self.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| failed(self.service, error))?;
        self.process = Some(child);
        let end = Instant::now() + START;
        while !self.answers().await {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            if let Some(status) = ended {
                return Err(Error::unavailable(format!(
                    "the private server ended with {status} instead of answering"
                )));
            }
            if Instant::now() >= end {
                return Err(Error::unavailable(format!(
                    "the private server did not answer within {START:?}"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(&mut self) -> Result<()> {
        self.end(Ending::Asked).await
    }

    /// Ends it as a loss of power would, but for what the machine has in memory.
    pub async fn kill(&mut self) -> Result<()> {
        self.end(Ending::Killed).await
    }

    async fn end(&mut self, ending: Ending) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        program::end(self.service, &mut process, ending == Ending::Killed);
        let end = Instant::now() + STOP;
        loop {
            match process.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if Instant::now() < end => sleep(LOOK).await,
                Ok(None) => {
                    return Err(Error::unavailable(format!(
                        "the private server did not stop within {STOP:?}"
                    )));
                }
                Err(error) => return Err(failed(self.service, error)),
            }
        }
    }

    /// Whether it speaks its protocol by now.
    async fn answers(&self) -> bool {
        let question: &[u8] = match self.service {
            // An SSLRequest, which is answered by one byte once the server takes connections at all.
            Service::Postgres => &[0, 0, 0, 8, 4, 210, 22, 47],
            Service::Redis => b"PING\r\n",
            Service::RabbitMq => b"AMQP\x00\x00\x09\x01",
        };
        let asking = async {
            let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).await?;
            stream.write_all(question).await?;
            let mut answer = [0; 5];
            let length = stream.read(&mut answer).await?;
            io::Result::Ok(match self.service {
                Service::Redis => answer.starts_with(b"+PONG"),
                Service::Postgres | Service::RabbitMq => length > 0,
            })
        };
        let spoke = matches!(timeout(Duration::from_secs(2), asking).await, Ok(Ok(true)));
        // PostgreSQL answers that byte while it still recovers.
        spoke && (self.service != Service::Postgres || program::postgres_is_ready(self.port))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            program::end(self.service, &mut process, true);
            drop(process.wait());
        }
    }
}

/// A free loopback port that stays free: the system gives none of these to connections that go out, so that a server can
/// come back to it.
pub fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST_PORT + (begin.wrapping_mul(7) + step) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no loopback port is free"))
}

/// The ports that are tried: below those of outgoing connections, above those of well-known servers.
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 5_000;

fn failed(service: Service, error: io::Error) -> Error {
    Error::unavailable("a private server could not be started")
        .with("service", service.word())
        .caused_by(error)
}

/// A private server; ends the test as skipped where its program is not installed.
#[macro_export]
macro_rules! needs_private {
    ($service:expr, $test:expr) => {
        match $crate::private::Private::start($service).await {
            Ok(server) => server,
            Err(error) if $crate::service::is_absent(&error) => {
                return $crate::skip::skip($service.word(), $test, error.message())
            }
            Err(error) => panic!("{error:?}"),
        }
    };
}
