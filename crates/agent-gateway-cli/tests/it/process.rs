//! Starts the command and talks to it.
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Once,
};

use serde_json::Value;
use tempfile::TempDir;

/// The command with an environment that holds nothing of the tester's own.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent-gateway"));
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs the command to its end.
pub(crate) fn run(args: &[&str], directory: &Path) -> Output {
    command().args(args).current_dir(directory).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A workspace in a directory of its own.
pub(crate) struct Workspace {
    pub(crate) directory: TempDir,
}

impl Workspace {
    /// These files, by their path in the workspace.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let workspace = Self { directory: TempDir::new().unwrap() };
        for (path, text) in files {
            workspace.write(path, text);
        }
        workspace
    }

    /// One agent, `helper`, and a configuration that lets this machine in.
    pub(crate) fn helper() -> Self {
        Self::new(&[("agents/helper/AGENT.md", "You help."), ("gateway.yaml", OPEN)])
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("workspace")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.path().join("test.db")
    }

    /// Runs a command on it.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        run(args, self.directory.path())
    }

    pub(crate) fn serve(&self, change: impl FnOnce(&mut Command)) -> Server {
        Server::start(self.directory.path(), change)
    }

    /// Serves it with this OpenAI-compatible server as the model.
    pub(crate) fn serve_with_model(&self, url: &str) -> Server {
        self.serve_with_model_at(0, url)
    }

    /// The same on this port; 0 is any.
    pub(crate) fn serve_with_model_at(&self, port: u16, url: &str) -> Server {
        Server::start_at(port, self.directory.path(), |command| {
            command.env("OPENAI_BASE_URL", url).env("AGENT_GATEWAY_MODEL__DEFAULT", "openai/test-model");
        })
    }
}

/// Lets this machine in and keeps everything in `test.db`.
pub(crate) const OPEN: &str = "auth: {enabled: false}\npersistence: {url: 'sqlite:test.db'}\n";

/// A served gateway. It is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) about: Value,
    client: reqwest::Client,
}

impl Server {
    pub(crate) fn start(directory: &Path, change: impl FnOnce(&mut Command)) -> Self {
        Self::start_at(0, directory, change)
    }

    fn start_at(port: u16, directory: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = command();
        command.args(["serve", "--port", &port.to_string(), "--json"]).current_dir(directory);
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let about = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("it does not serve: {error}: {line:?}"));
        Self { child, about, client: client() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.about["url"].as_str().unwrap())
    }

    pub(crate) fn port(&self) -> u16 {
        self.about["url"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// Ends it with kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap();
        assert!(status.success(), "it stopped with {status}");
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.client.post(self.url(path)).json(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path))).await
    }

    pub(crate) async fn invoke(&self, agent: &str, message: &str) -> (u16, Value) {
        self.post(&format!("/v1/agents/{agent}/invoke"), &serde_json::json!({ "message": message })).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
