//! A conversation: what is said, turn by turn.
use std::{pin::pin, process::ExitCode, sync::Arc, sync::atomic::Ordering};

use agent_gateway::{
    Gateway, TurnStream,
    core::{
        Error, JsonMap,
        execution::{ExecutionEvent, ExecutionRequest, ExecutionStatus, Origin, Outcome, Thread, Usage},
        id::{AgentId, ConversationId},
        ports::model::Delivery,
        principal::Principal,
    },
    runtime::{Refusal, Streaming, Submitted},
};
use anyhow::Result;

use super::{
    HELP,
    input::{Input, Said},
    plain::harmless,
    print::{Detail, Form, Printer, aside, consumed},
    signals::{Signals, Word},
};

/// Who is talking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// A person at a prompt, who sees what fails and decides how to go on.
    Prompt,
    /// A program or a file: every line is a message, and the exit code tells whether a turn failed.
    Script,
}

/// How a turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    Well,
    /// It failed, with this exit code.
    Badly(u8),
    /// Somebody wants to leave.
    Leaving,
    /// Nobody reads stdout any more.
    Unread,
}

/// What the exit code of the command says of a turn that was stopped.
const STOPPED: u8 = 4;
/// The exit code of a turn that waits for a person.
const WAITS: u8 = 3;

pub(super) struct Talk<'a> {
    gateway: &'a Gateway,
    agent: String,
    session: Option<ConversationId>,
    input: JsonMap,
    shown: (Form, Detail),
    turns: u32,
    last: Usage,
    all: Usage,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        gateway: &'a Gateway,
        agent: String,
        session: Option<ConversationId>,
        input: JsonMap,
        shown: (Form, Detail),
    ) -> Self {
        let (last, all) = Default::default();
        Self { gateway, agent, session, input, shown, turns: 0, last, all }
    }

    /// Talks until nothing more is said. The exit code of a script is that of its first turn that failed.
    pub(super) async fn run(
        mut self,
        mut from: Input,
        manner: Manner,
        mut signals: Signals,
    ) -> Result<ExitCode> {
        let mut code = ExitCode::SUCCESS;
        let mut failed = false;
        loop {
            let said = match hear(&mut from, manner, &mut signals).await? {
                Ok(Said::Text(text)) => text,
                Ok(Said::Nothing) => break,
                Err(Word::Interrupt | Word::Leave) if manner == Manner::Prompt => break,
                Err(_) => return Ok(ExitCode::from(STOPPED)),
            };
            let message = match (self.command(&said, manner), &from) {
                (Command::None, _) | (_, Input::Once(_)) => said,
                (Command::Done, _) => continue,
                (Command::Leave, _) => break,
            };
            if manner == Manner::Prompt {
                signals.forget_interrupt().await;
            }
            match (self.turn(message, manner, &mut signals).await, manner) {
                (Went::Well, _) | (Went::Badly(_), Manner::Prompt) => {}
                (Went::Badly(of), Manner::Script) if !failed => {
                    failed = true;
                    code = ExitCode::from(of);
                }
                (Went::Badly(_), Manner::Script) => {}
                (Went::Leaving, _) => return Ok(ExitCode::from(STOPPED)),
                (Went::Unread, _) => return Ok(code),
            }
        }
        if let (Manner::Prompt, Some(session)) = (manner, &self.session) {
            let session = harmless(session.as_str());
            aside(&format!("Bye! To go on: agent-gateway chat {} --session {session}", self.agent));
        }
        Ok(code)
    }

    /// Says one message and tells what comes of it.
    async fn turn(&mut self, message: String, manner: Manner, signals: &mut Signals) -> Went {
        let mut printer = Printer::new(self.shown.0, self.shown.1);
        let submitted = tokio::select! {
            submitted = self.submit(message) => submitted,
            word = signals.next() => {
                aside("(cancelled)");
                return stopped(word, manner);
            }
        };
        let told = match submitted {
            Ok(turn) => self.follow(turn, &mut printer, manner, signals).await,
            Err(refusal) => printer.failed(&refused(&refusal)).map(|()| Went::Badly(1)),
        };
        told.unwrap_or(Went::Unread)
    }

    /// As [`Gateway::chat_stream`] does it, with structured input, and recorded as coming from the command line.
    async fn submit(&self, message: String) -> Result<TurnStream, Refusal> {
        let agent = AgentId::new(&self.agent).map_err(|_| Refusal::AgentNotFound(self.agent.clone()))?;
        let thread = self.session.clone().map_or(Thread::New, Thread::Existing);
        let request = ExecutionRequest::new(agent, message, Principal::system(), Origin::Cli)
            .input(self.input.clone())
            .thread(thread)
            .delivery(Delivery::Incremental);
        match self.gateway.runtime().executions().submit(request).await? {
            Submitted::Streaming(Streaming {
                execution_id, session_id: Some(session_id), events, ..
            }) => Ok(TurnStream { session_id, execution_id, events }),
            _ => Err(Error::unexpected("a turn of a session is not streamed").into()),
        }
    }

    /// Tells the events of a turn. Ctrl-C stops the turn and waits for its end; a second one does not wait.
    async fn follow(
        &mut self,
        mut turn: TurnStream,
        printer: &mut Printer,
        manner: Manner,
        signals: &mut Signals,
    ) -> std::io::Result<Went> {
        self.session = Some(turn.session_id.clone());
        let mut asked = None;
        loop {
            let batch = tokio::select! {
                batch = turn.events.next() => batch,
                word = signals.next() => {
                    if asked.is_some() || self.gateway.cancel_execution(&turn.execution_id).await.is_err() {
                        // Dropping the events cancels the turn, too.
                        printer.end_line()?;
                        aside("(cancelled)");
                        return Ok(stopped(word, manner));
                    }
                    asked = Some(word);
                    continue;
                }
            };
            let events = match batch {
                Ok(Some(events)) => events,
                Ok(None) => {
                    printer.failed("the gateway stopped before the turn ended")?;
                    return Ok(Went::Badly(STOPPED));
                }
                Err(error) => {
                    printer.failed(&error.to_string())?;
                    return Ok(Went::Badly(1));
                }
            };
            for event in &events {
                printer.event(&turn, event)?;
                if let ExecutionEvent::Finished(outcome) = &event.event {
                    self.count(outcome);
                    return Ok(asked.map_or_else(|| went(outcome), |word| stopped(word, manner)));
                }
            }
            if turn.events.is_over() {
                printer.end_line()?;
                aside(
                    "the turn goes on in a gateway on this database, once somebody decides there on /v1/approvals",
                );
                return Ok(Went::Badly(WAITS));
            }
        }
    }

    fn count(&mut self, outcome: &Arc<Outcome>) {
        self.turns += 1;
        self.last = outcome.usage.clone();
        let (all, last) = (&mut self.all, &self.last);
        all.input_tokens += last.input_tokens;
        all.output_tokens += last.output_tokens;
        all.cost_usd += last.cost_usd;
        all.cost_incomplete |= last.cost_incomplete;
        all.llm_calls += last.llm_calls;
        all.tool_calls += last.tool_calls;
        all.duration_ms += last.duration_ms;
    }

    /// Does what a line says that is no message. In a script only the words of the reference end the conversation.
    fn command(&mut self, said: &str, manner: Manner) -> Command {
        let word = said.trim();
        if word.is_empty() {
            return Command::Done;
        }
        if word.eq_ignore_ascii_case("exit") || word.eq_ignore_ascii_case("quit") {
            return Command::Leave;
        }
        if manner == Manner::Script || !said.starts_with('/') {
            return Command::None;
        }
        match word {
            "/exit" | "/quit" => return Command::Leave,
            "/help" => aside(HELP),
            "/new" => {
                self.session = None;
                aside("the next message begins a new session");
            }
            "/session" => match &self.session {
                Some(id) => aside(&harmless(id.as_str())),
                None => aside("no session yet: the next message begins one"),
            },
            "/usage" if self.turns == 0 => aside("nothing was consumed yet"),
            "/usage" => aside(&format!(
                "last turn: {}\n{} turn(s): {}",
                consumed(&self.last),
                self.turns,
                consumed(&self.all)
            )),
            // A path or the like may well begin a message.
            _ if word[1..].contains(|character: char| !character.is_ascii_alphabetic()) => {
                return Command::None;
            }
            _ => aside(&format!(
                "there is no command {word}; /help tells the commands. To say it to the agent, put a blank before it"
            )),
        }
        Command::Done
    }
}

/// What a line was.
enum Command {
    /// A message.
    None,
    /// A command, which is done.
    Done,
    /// The wish to leave.
    Leave,
}

/// Waits for what is said next, or for the word that ends it. At a prompt Ctrl-C is a key; a signal of that kind from elsewhere
/// is meant for a turn, and there is none.
async fn hear(from: &mut Input, manner: Manner, signals: &mut Signals) -> Result<Result<Said, Word>> {
    let stop = from.stop();
    let mut said = pin!(from.next());
    loop {
        let word = tokio::select! {
            said = &mut said => return Ok(Ok(said?)),
            word = signals.next() => word,
        };
        match (manner, word) {
            (Manner::Prompt, Word::Interrupt) => {}
            (Manner::Prompt, Word::Leave) => {
                stop.store(true, Ordering::Relaxed);
                // It gives the terminal back. What it says no longer counts.
                drop(said.await);
                return Ok(Err(word));
            }
            (Manner::Script, word) => return Ok(Err(word)),
        }
    }
}

fn stopped(word: Word, manner: Manner) -> Went {
    match (word, manner) {
        (Word::Interrupt, Manner::Prompt) => Went::Badly(STOPPED),
        _ => Went::Leaving,
    }
}

fn went(outcome: &Outcome) -> Went {
    match outcome.stop_reason.status() {
        ExecutionStatus::Completed => Went::Well,
        ExecutionStatus::Cancelled | ExecutionStatus::Timeout => Went::Badly(STOPPED),
        _ => Went::Badly(3),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::SessionNotFound(_) => format!("{refusal}; it was deleted. /new begins a new one"),
        _ => refusal.to_string(),
    }
}
