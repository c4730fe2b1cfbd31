//! One python3 process, which runs the handler of one tool, one call at a time.
use std::{collections::BTreeMap, ffi::OsStr, io, path::PathBuf, time::Duration};

use agent_gateway_core::{JsonMap, secret::Secret, tool::ToolContext};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::protocol::{Answer, Line, Request, read_line};
use crate::{
    process::{BaseEnvironment, Group, Launch, Noise, Started, describe},
    supervise::House,
    words::LONGEST_ANSWER,
};

const SHIM: &str = include_str!("shim.py");
/// How long a worker that closed its pipe may take to end, and its last words to arrive.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What makes one worker different from another.
#[derive(Debug, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) python: PathBuf,
    pub(crate) handler: PathBuf,
    pub(crate) env: BTreeMap<String, Secret>,
    pub(crate) max_memory: u64,
}

/// A running worker. Dropping it kills it and all that it started.
#[derive(Debug)]
pub(crate) struct Worker {
    group: Group,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    noise: Noise,
    drain: AbortOnDropHandle<()>,
    calls: u64,
}

/// Why a worker gave no answer. It is of no use any more.
#[derive(Debug)]
pub(crate) enum Broken {
    /// It ended; the text says how.
    Ended(String),
    /// Its answer has no end.
    TooLong,
    /// It wrote something that is no answer.
    Garbled,
}

impl Worker {
    pub(crate) fn start(recipe: &Recipe, base: &BaseEnvironment, house: &House) -> io::Result<Self> {
        let (memory, longest) = (recipe.max_memory.to_string(), LONGEST_ANSWER.to_string());
        // Isolated, unbuffered, leaving no files beside the handlers.
        let mut arguments: Vec<&OsStr> = ["-I", "-u", "-B", "-X", "utf8", "-c", SHIM].map(OsStr::new).into();
        arguments.extend([recipe.handler.as_os_str(), OsStr::new(&memory), OsStr::new(&longest)]);
        let launch = Launch {
            program: &recipe.python,
            arguments,
            // A relative path means in a handler what it means to whoever starts the gateway.
            directory: None,
            base,
            named: &recipe.env,
        };
        let Started { group, stdin, stdout, stderr } = launch.start(house.enter())?;
        let noise = Noise::default();
        let drain = house.spawn(noise.clone().drain(stderr));
        let answers = BufReader::with_capacity(64 << 10, stdout);
        Ok(Self { group, requests: stdin, answers, noise, drain, calls: 0 })
    }

    /// Makes one call. A future that is dropped leaves the worker in the middle of it: drop the worker too.
    pub(crate) async fn ask(&mut self, arguments: &JsonMap, context: &ToolContext) -> Result<Answer, Broken> {
        self.calls += 1;
        let id = self.calls;
        let line = match (Request { id, arguments, context }).line() {
            Ok(line) => line,
            Err(reason) => return Ok(Answer::Unusable(reason.to_string())),
        };
        let read = match self.requests.write_all(&line).await {
            Ok(()) => read_line(&mut self.answers).await.unwrap_or(Line::Ended),
            Err(_) => Line::Ended,
        };
        match read {
            Line::Whole(line) => Answer::parse(&line, id).ok_or(Broken::Garbled),
            Line::TooLong => Err(Broken::TooLong),
            Line::Ended => Err(Broken::Ended(self.end().await)),
        }
    }

    /// How many calls it has had.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Whether it can take another call.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.group.is_alive()
    }

    /// What it has printed since the last time, as far as it has arrived.
    pub(crate) fn printed(&self) -> String {
        self.noise.take()
    }

    /// Kills it, and waits until it is gone.
    pub(crate) async fn kill(self) {
        self.group.kill().await;
    }

    /// How it ended, once it has closed its pipe.
    async fn end(&mut self) -> String {
        let end = match timeout(LAST_WORDS, self.group.wait()).await {
            Ok(Ok(status)) => describe(status),
            _ => "it closed its pipe".to_owned(),
        };
        timeout(LAST_WORDS, &mut self.drain).await.ok();
        end
    }
}
