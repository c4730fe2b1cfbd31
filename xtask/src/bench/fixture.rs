//! The world of one bench: a workspace with 100 agents, a database, logs; gone when it is over.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::server::status_of;

/// The API key of the run; it opens nothing but a server on loopback that ends with it.
pub(super) const KEY: &str = "bench-0123456789-bench-abcdefghi";
const AGENTS: usize = 100;

#[derive(Debug)]
pub(super) struct Fixture {
    folder: PathBuf,
}

impl Fixture {
    /// In the target folder and not the system's temporary one, which is often memory: a commit must reach
    /// a disk as it would in service.
    pub(super) fn create(target: &Path) -> Result<Self> {
        let fixture = Self { folder: target.join(format!("bench-{}", std::process::id())) };
        write_agents(&fixture.workspace())?;
        fs::create_dir_all(fixture.database_folder())?;
        fs::write(fixture.workspace().join("gateway.yaml"), fixture.configuration())?;
        Ok(fixture)
    }

    /// Where the logs go.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn workspace(&self) -> PathBuf {
        self.folder.join("workspace")
    }

    fn database_folder(&self) -> PathBuf {
        self.folder.join("database")
    }

    /// The file that SQLite has.
    pub(super) fn database(&self) -> PathBuf {
        self.database_folder().join("bench.db")
    }

    /// Each start finds no database, so that its time includes the migrations.
    pub(super) fn forget_database(&self) -> Result<()> {
        fs::remove_dir_all(self.database_folder())?;
        Ok(fs::create_dir(self.database_folder())?)
    }

    fn configuration(&self) -> String {
        format!(
            r#"model:
  default: "openai/bench-model"
auth:
  api_keys:
    - name: bench
      key: "{KEY}"
      scopes: ["*"]
persistence:
  backend: sqlite
  url: "sqlite:{}"
telemetry:
  exporter: none
guardrails:
  timeout_ms: 300000
"#,
            self.database().display()
        )
    }

    /// The figures are worth nothing if the gateway lets everybody in.
    pub(super) fn check_gateway(&self, port: u16, route: &str) -> Result<()> {
        let body = r#"{"message":"ping"}"#;
        let length = body.len();
        let request = format!(
            "POST /v1/agents/agent-000/{route} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let status = status_of(port, &request).context("asking the gateway without a key")?;
        ensure!(status == 401, "the gateway answered {status} without a key: authentication is off");
        Ok(())
    }

    pub(super) fn database_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.database_folder())? {
            bytes += entry?.metadata()?.len();
        }
        Ok(bytes)
    }

    /// Nor if nothing was written.
    pub(super) fn check_database(&self, before: u64) -> Result<()> {
        let after = self.database_bytes()?;
        ensure!(
            after > before + 100_000,
            "the database went from {before} to {after} bytes: persistence is off"
        );
        Ok(())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // What remains is in the target folder, which is there to be deleted.
        drop(fs::remove_dir_all(&self.folder));
    }
}

pub(super) fn write_agents(workspace: &Path) -> Result<()> {
    for agent in 0..AGENTS {
        let folder = workspace.join(format!("agents/agent-{agent:03}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("AGENT.md"), agent_file(agent))?;
    }
    Ok(())
}

fn agent_file(agent: usize) -> String {
    format!(
        "---\ndescription: Answers pings, number {agent}.\n---\n\n\
         You are agent {agent:03}. Answer every message with one short sentence.\n"
    )
}
