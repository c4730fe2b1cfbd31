//! Gateways and workers as processes, on one database and one queue.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use agent_gateway::{
    core::{
        execution::{Cursor, Execution, ExecutionQuery, ExecutionStatus, LogEvent},
        page::PageRequest,
        ports::persistence::PersistenceBackend,
        principal::Principal,
    },
    postgres::{Postgres, PostgresBackend, PostgresConfig},
};
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    process::{Server, Workspace, command},
    sse::last_message,
};

#[path = "cluster/cancelling.rs"]
mod cancelling;
#[path = "cluster/faults.rs"]
mod faults;
#[path = "cluster/leftovers.rs"]
mod leftovers;
#[path = "cluster/restarts.rs"]
mod restarts;
#[path = "cluster/together.rs"]
mod together;

/// How long a cluster may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many requests a test has under way.
const AT_ONCE: usize = 24;

/// Writes the key of the call to a file: two lines of the same key are one call that was made twice.
const NOTE: &str = "import time

def handle(arguments, context):
    with open(arguments['path'], 'a') as file:
        file.write(context['idempotency_key'] + '\\n')
    time.sleep(float(arguments.get('seconds', 0)))
    return 'noted'
";
/// Kills the process that runs it, as a fault of memory would.
const POISON: &str = "import os, signal

def handle(arguments, context):
    with open(arguments['path'], 'a') as file:
        file.write('poison\\n')
    os.kill(os.getppid(), signal.SIGKILL)
";

/// Which queue a cluster works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Postgres,
    Redis,
    RabbitMq,
}

/// Where the servers are.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    pub(crate) postgres: String,
    /// Empty where the queue is in the database.
    pub(crate) queue: String,
}

/// A workspace whose agent calls a tool once and answers.
pub(crate) struct Cluster {
    pub(crate) workspace: Workspace,
    pub(crate) model: ModelServer,
    config: PostgresConfig,
    servers: Servers,
    queue: Queue,
    name: String,
}

/// A worker's process. It is killed when this is dropped.
pub(crate) struct Worker(Child);

impl Worker {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ends it with kill -9.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.signal("-TERM");
        let status = tokio::task::spawn_blocking(move || self.0.wait().unwrap()).await.unwrap();
        assert!(status.success(), "it stopped with {status}");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Cluster {
    /// A cluster of nobody yet. `queue_settings` are added to the section `queue`.
    pub(crate) async fn new(queue: Queue, servers: &Servers, queue_settings: &str) -> Self {
        let name = format!("agwt{}", &uuid_text()[..12]);
        let backend = match queue {
            Queue::Postgres => "backend: postgres".to_owned(),
            Queue::Redis => {
                format!("backend: redis, redis_url: '{}', stream_key: '{name}:executions'", servers.queue)
            }
            Queue::RabbitMq => {
                format!(
                    "backend: rabbitmq, rabbitmq_url: '{}', queue_name: '{name}.executions'",
                    servers.queue
                )
            }
        };
        let yaml = format!(
            "auth: {{enabled: false}}\n\
             persistence: {{backend: postgres, url: '{}', db_schema: {name}, pool_size: 4, max_overflow: 4}}\n\
             queue: {{{backend}, {queue_settings}}}\n\
             tools: {{timeout_ms: 600000, python_workers: 2}}\n",
            servers.postgres
        );
        let tool = |about: &str| {
            format!(
                "---\n{about}description: Does it\nparameters:\n  path: {{type: string, required: true}}\n  seconds: {{type: number}}\n---\n"
            )
        };
        let workspace = Workspace::new(&[
            ("gateway.yaml", yaml.as_str()),
            ("agents/helper/AGENT.md", "---\nskills: [work]\n---\nYou help."),
            ("skills/work/SKILL.md", "---\ndescription: Works\ntools: [note, pay, poison]\n---\nWork."),
            ("tools/note/TOOL.md", &tool("")),
            ("tools/note/handler.py", NOTE),
            ("tools/pay/TOOL.md", &tool("retry: never\n")),
            ("tools/pay/handler.py", NOTE),
            ("tools/poison/TOOL.md", &tool("")),
            ("tools/poison/handler.py", POISON),
        ]);
        let path = workspace.directory.path().join("effects");
        let model = ModelServer::with(move |body| script(body, &path)).await;
        let config =
            PostgresConfig::parse(&servers.postgres).unwrap().schema(&name).pool_size(1).max_overflow(1);
        Self { workspace, model, config, servers: servers.clone(), queue, name }
    }

    fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("OPENAI_BASE_URL", self.model.url()),
            ("AGENT_GATEWAY_MODEL__DEFAULT", "openai/test-model".to_owned()),
        ]
    }

    /// A process that takes requests and leaves them to the workers.
    pub(crate) fn gateway(&self) -> Server {
        let environment = self.environment();
        Server::start(self.workspace.directory.path(), |command| {
            command.arg("--no-workers").envs(environment);
        })
    }

    /// A process that works.
    pub(crate) fn worker(&self) -> Worker {
        let mut command = command();
        command.args(["serve", "--worker-only", "--json"]).current_dir(self.workspace.directory.path());
        command.envs(self.environment()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with('{'), "it does not work: {line:?}");
        Worker(child)
    }

    /// Queues runs with these messages; the answer is the ids of those that were accepted.
    pub(crate) async fn submit(
        &self,
        gateway: &Server,
        messages: impl IntoIterator<Item = String>,
    ) -> BTreeSet<String> {
        let client = crate::process::client();
        let url = gateway.url("/v1/agents/helper/invoke");
        let requests = messages.into_iter().map(|message| {
            let request = client.post(&url).json(&json!({"message": message, "options": {"async": true}}));
            async move {
                let response = request.send().await.ok()?;
                let accepted = response.status() == 202;
                let body: Value = response.json().await.ok()?;
                accepted.then(|| body["execution_id"].as_str().unwrap().to_owned())
            }
        });
        stream::iter(requests).buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
    }

    /// The store as one more process sees it.
    pub(crate) async fn store(&self) -> PostgresBackend {
        PostgresBackend::new(&Postgres::open(self.config.clone()).await.unwrap())
    }

    /// Every stored execution.
    pub(crate) async fn executions(&self, store: &PostgresBackend) -> Vec<Execution> {
        let everything = Principal::system().visibility();
        let (mut all, mut page) = (Vec::new(), PageRequest::first(500));
        loop {
            let found = store.executions().list(&ExecutionQuery::default(), &everything, page).await.unwrap();
            all.extend(found.items);
            match found.next {
                Some(next) => page = PageRequest::first(500).after(next),
                None => return all,
            }
        }
    }

    /// Waits until so many executions have ended.
    pub(crate) async fn until_ended(&self, count: usize) {
        self.until(count, |execution| execution.status.is_final()).await;
    }

    /// Waits until so many executions are stored.
    pub(crate) async fn until_stored(&self, count: usize) {
        self.until(count, |_| true).await;
    }

    async fn until(&self, count: usize, so: fn(&Execution) -> bool) {
        let store = self.store().await;
        let end = Instant::now() + PATIENCE;
        loop {
            let all = self.executions(&store).await;
            let found = all.iter().filter(|execution| so(execution)).count();
            if found >= count {
                return;
            }
            assert!(
                Instant::now() < end,
                "only {found} of {} executions are so far, {count} should be",
                all.len()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everything has ended, and counts.
    pub(crate) async fn tally(&self, accepted: &BTreeSet<String>) -> Tally {
        let store = self.store().await;
        let end = Instant::now() + PATIENCE;
        let mut all = self.executions(&store).await;
        while all.iter().any(|execution| !execution.status.is_final()) && Instant::now() < end {
            sleep(Duration::from_millis(200)).await;
            all = self.executions(&store).await;
        }
        let mut tally = Tally { accepted: accepted.len(), ..Tally::default() };
        for execution in &all {
            match execution.status {
                ExecutionStatus::Completed => tally.completed += 1,
                status if status.is_final() => tally.failed += 1,
                _ => tally.unfinished += 1,
            }
            let log = store.executions().log(&execution.id, Cursor::START, 500).await.unwrap();
            let count = |is: fn(&LogEvent) -> bool| log.iter().filter(|entry| is(&entry.event)).count();
            let ends = count(|event| matches!(event, LogEvent::Finished(_)));
            let results = count(|event| matches!(event, LogEvent::ToolTurn(..)));
            if ends > 1 || results > 1 {
                tally.doubled += 1;
            }
        }
        let stored: BTreeSet<String> = all.iter().map(|execution| execution.id.to_string()).collect();
        tally.lost = accepted.difference(&stored).count();
        tally.repeated = self.effects().values().filter(|count| **count > 1).count();
        tally
    }

    /// How often each call had its effect.
    pub(crate) fn effects(&self) -> BTreeMap<String, usize> {
        let text = fs::read_to_string(self.effects_file()).unwrap_or_default();
        let mut effects = BTreeMap::new();
        for line in text.lines() {
            *effects.entry(line.to_owned()).or_default() += 1;
        }
        effects
    }

    pub(crate) fn effects_file(&self) -> PathBuf {
        self.workspace.directory.path().join("effects")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        leftovers::remove(&self.servers, self.queue, &self.name);
    }
}

/// What became of a cluster's executions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Those that were answered with 202.
    pub(crate) accepted: usize,
    pub(crate) completed: usize,
    pub(crate) failed: usize,
    pub(crate) unfinished: usize,
    /// Accepted ones that are not stored.
    pub(crate) lost: usize,
    /// Executions that ended twice, or a call of theirs did.
    pub(crate) doubled: usize,
    /// Calls that were cut off and made again, with the same key.
    pub(crate) repeated: usize,
}

impl Tally {
    /// Writes a row of the table of faults, and finds a broken promise.
    pub(crate) fn judge(&self, fault: &str) -> &Self {
        let Self { accepted, completed, failed, lost, doubled, repeated, .. } = self;
        let row =
            format!("| {fault} | {accepted} | {completed} | {failed} | {lost} | {doubled} | {repeated} |");
        tell(&row);
        assert_eq!((self.lost, self.doubled, self.unfinished), (0, 0, 0), "{fault}: {self:?}");
        self
    }

    /// Everything that was accepted completed.
    pub(crate) fn is_whole(&self) -> &Self {
        assert!(self.failed == 0 && self.completed >= self.accepted, "{self:?}");
        self
    }
}

/// Adds a row to the table of faults.
pub(crate) fn tell(row: &str) {
    eprintln!("fault: {row}");
    if let Some(path) = std::env::var_os("AGW_FAULT_TABLE") {
        let mut table = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        writeln!(table, "{row}").unwrap();
    }
}

/// The agent's model: it calls the tool that the message names, and then answers.
fn script(body: &Value, path: &std::path::Path) -> Reply {
    let (role, text) = last_message(body);
    if role == "tool" {
        return Reply::text("done");
    }
    let mut words = text.split_whitespace();
    let tool = words.next().unwrap_or("note").to_owned();
    let seconds: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_default();
    match tool.as_str() {
        "note" | "pay" | "poison" => Reply::tool_calls([(tool, json!({"path": path, "seconds": seconds}))]),
        "hang" => Reply::hang(),
        _ => Reply::text("done"),
    }
}

pub(crate) fn uuid_text() -> String {
    agent_gateway::core::id::ExecutionId::generate().to_string().replace('-', "").chars().rev().collect()
}

/// So many runs that call the tool once.
pub(crate) fn notes(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("note 0 {number}"))
}

/// The servers of a queue; ends the test as skipped when one of them is not there.
macro_rules! needs_servers {
    ($queue:expr, $test:expr) => {{
        use agent_gateway_testkit::{Service, needs_service};
        let postgres = needs_service!(Service::Postgres, $test);
        let queue = match $queue {
            crate::cluster::Queue::Postgres => String::new(),
            crate::cluster::Queue::Redis => needs_service!(Service::Redis, $test),
            crate::cluster::Queue::RabbitMq => needs_service!(Service::RabbitMq, $test),
        };
        crate::cluster::Servers { postgres, queue }
    }};
}
pub(crate) use needs_servers;
