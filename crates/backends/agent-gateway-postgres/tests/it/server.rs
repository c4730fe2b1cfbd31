//! A server of a test's own, which may be stopped and may have passwords.
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A server in a directory, gone with this guard.
pub(crate) struct Server {
    directory: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
}

/// The password of its user `postgres`.
pub(crate) const PASSWORD: &str = "sesame-42";

impl Server {
    /// Makes and starts one, or says why that is not possible here.
    pub(crate) async fn start() -> Result<Self, String> {
        let programs = programs().ok_or("no PostgreSQL server is installed under /usr/lib/postgresql")?;
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = Self { directory, programs, port };
        server.make()?;
        server.resume().await;
        Ok(server)
    }

    /// Its URL with the right password.
    pub(crate) fn url(&self) -> String {
        self.url_with(PASSWORD)
    }

    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", self.port)
    }

    fn make(&self) -> Result<(), String> {
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown").arg("postgres").arg(self.directory.path()))?;
        }
        let password = self.directory.path().join("password");
        fs::write(&password, PASSWORD).map_err(|error| error.to_string())?;
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&password))?;
        }
        let mut making = self.program("initdb");
        making.arg("--no-sync").args(["-U", "postgres", "-A", "scram-sha-256"]);
        making.arg(format!("--pwfile={}", password.display())).arg("-D").arg(self.data());
        run(&mut making)
    }

    /// Stops it at once, as a crash would.
    pub(crate) fn stop(&self) {
        let mut stopping = self.program("pg_ctl");
        run(stopping.args(["stop", "-w", "-m", "immediate", "-D"]).arg(self.data())).unwrap();
    }

    /// Starts it again.
    pub(crate) async fn resume(&self) {
        let options = format!("-p {} -k '' -c listen_addresses=127.0.0.1 -c max_connections=40", self.port);
        let mut starting = self.program("pg_ctl");
        starting
            .args(["start", "-w", "-o", &options, "-l"])
            .arg(self.data().join("log"))
            .arg("-D")
            .arg(self.data());
        run(&mut starting).unwrap();
        for _ in 0..100 {
            if let Ok(connection) = PgConnection::connect(&self.url()).await {
                return connection.close().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not take connections");
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stopping = self.program("pg_ctl");
        // It may be stopped already.
        let _ = run(stopping.args(["stop", "-w", "-m", "immediate", "-D"]).arg(self.data()));
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
}

fn is_root() -> bool {
    fs::metadata(Path::new("/proc/self")).is_ok_and(|this| this.uid() == 0)
}

fn run(command: &mut Command) -> Result<(), String> {
    // A pipe would stay open in the server that this starts.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        failed => Err(format!("{:?}: {failed:?}", command.get_program())),
    }
}

/// A server of this test's own; ends the test as skipped where there can be none.
macro_rules! needs_own_server {
    ($test:expr) => {
        match $crate::it::server::Server::start().await {
            Ok(server) => server,
            Err(reason) => return agent_gateway_testkit::skip::skip("postgres-server", $test, &reason),
        }
    };
}
pub(crate) use needs_own_server;
