//! What earlier attempts of a run got done, and how a new attempt goes on from there.
use std::{collections::HashMap, sync::Arc};

use agent_gateway_core::{
    JsonMap,
    approval::{ApprovalStatus, AskedCall, Decision, Verdict},
    execution::{LogEntry, LogEvent, ModelTurn, StopReason, ToolOutcome, ToolTurn},
    message::{Message, ToolCall},
};

use serde_json::Value;

use crate::{
    Run,
    guard::{Budget, Progress},
    workflow::Done,
};

/// What was decided about calls that waited for a person, by the call's id within its turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settlements(HashMap<Arc<str>, Settled>);

#[derive(Clone, Debug)]
struct Settled {
    tool: Arc<str>,
    arguments: JsonMap,
    status: ApprovalStatus,
    reason: Option<Arc<str>>,
}

/// Whether a person was asked about a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked<'a> {
    /// Not yet.
    Not,
    /// It is settled like this: with the arguments that were asked about or that the person put in their place, and the
    /// reason.
    Settled(ApprovalStatus, &'a JsonMap, Option<&'a str>),
}

impl Settlements {
    /// What is settled of a call of this tool. A person agreed to a tool, not to whatever has the call's place by now.
    pub(crate) fn of(&self, call_id: &str, name: &str) -> Asked<'_> {
        match self.0.get(call_id) {
            Some(Settled { tool, arguments, status, reason })
                if *status != ApprovalStatus::Pending && **tool == *name =>
            {
                Asked::Settled(*status, arguments, reason.as_deref())
            }
            _ => Asked::Not,
        }
    }

    fn asked(&mut self, call: &AskedCall) {
        let settled = Settled {
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            status: ApprovalStatus::Pending,
            reason: None,
        };
        self.0.insert(call.call_id.clone(), settled);
    }

    fn settle(&mut self, call_id: &str, to: ApprovalStatus, decision: Option<&Decision>) {
        let Some(call) = self.0.get_mut(call_id) else { return };
        call.status = to;
        if let Some(decision) = decision {
            call.reason.clone_from(&decision.reason);
            if let Verdict::Edit { arguments } = &decision.verdict {
                call.arguments.clone_from(arguments);
            }
        }
    }
}

/// The turns and tool results of earlier attempts, in order. Empty for a first attempt.
#[derive(Clone, Debug, Default)]
pub struct Past(Vec<LogEvent>);

/// A call that may or may not have happened: its tool must not be called twice, so the run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutOff {
    /// The tool.
    pub tool: Arc<str>,
}

impl Past {
    /// Whether nothing was done yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the log of a run that has not finished.
    pub fn read(log: impl IntoIterator<Item = LogEntry>) -> Result<Self, CutOff> {
        let mut past: Vec<LogEvent> = Vec::new();
        let mut under_way: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for entry in log {
            match entry.event {
                LogEvent::ToolStarted { call_id, name } => under_way.push((call_id, name)),
                LogEvent::ToolTurn(turn) => {
                    let same = |(id, name): &(Arc<str>, Arc<str>)| *id == turn.call_id && *name == turn.name;
                    if let Some(place) = under_way.iter().position(same) {
                        under_way.swap_remove(place);
                    }
                    past.push(LogEvent::ToolTurn(turn));
                }
                event @ (LogEvent::ModelTurn(_)
                | LogEvent::ApprovalRequested { .. }
                | LogEvent::ApprovalSettled { .. }) => past.push(event),
                _ => {}
            }
        }
        match under_way.into_iter().next() {
            Some((_, tool)) => Err(CutOff { tool }),
            None => Ok(Self(past)),
        }
    }
}

/// What a run does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Ask the model.
    Ask,
    /// Make these calls; some may be answered already.
    Call(Calls),
    /// Hold the model's answer against its schema.
    Judge(ModelTurn, StopReason),
}

/// The calls of one turn, and those of their results that are there.
#[derive(Debug)]
pub(crate) struct Calls {
    calls: Vec<ToolCall>,
    results: Vec<Option<ToolTurn>>,
    settlements: Settlements,
    allowed: u32,
    done: Done,
}

impl Calls {
    /// Of these calls, `allowed` are within the limit.
    pub(crate) fn new(calls: Vec<ToolCall>, allowed: u32) -> Self {
        let results = vec![None; calls.len()];
        Self { calls, results, settlements: Settlements::default(), allowed, done: Done::default() }
    }

    /// Whether the call of that place is within the limit.
    pub(crate) fn budget(&self, place: usize) -> Budget {
        if place < self.allowed as usize { Budget::Left(1) } else { Budget::Spent }
    }

    /// What steps of this turn's workflows came to in earlier attempts.
    pub(crate) fn done(&self) -> Arc<Done> {
        Arc::new(self.done.clone())
    }

    /// What was decided about calls of this turn.
    pub(crate) fn settlements(&self) -> Arc<Settlements> {
        Arc::new(self.settlements.clone())
    }

    /// The calls that have no result yet, with their places.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (usize, &ToolCall)> {
        let calls = self.calls.iter().enumerate();
        calls.zip(&self.results).filter(|(_, result)| result.is_none()).map(|(call, _)| call)
    }

    pub(crate) fn put(&mut self, place: usize, turn: ToolTurn) {
        self.results[place] = Some(turn);
    }

    /// Puts a result to the first call that it can belong to.
    fn restore(&mut self, turn: &ToolTurn) {
        let place = self.missing().find(|(_, call)| call.id == turn.call_id && call.name == turn.name);
        if let Some((place, _)) = place {
            self.put(place, turn.clone());
        }
    }

    /// Adds the results to the conversation with the model, in the order of the calls.
    pub(crate) fn tell(self, progress: &mut Progress) {
        for result in self.results.into_iter().flatten() {
            let ToolTurn { call_id, name, content, .. } = result;
            progress.messages.push(Message::Tool { call_id, name, content });
        }
    }
}

/// Brings the progress to where the earlier attempts ended.
pub(crate) fn restore(run: &Run, progress: &mut Progress) -> Next {
    let mut next = Next::Ask;
    for event in &run.past.0 {
        match event {
            // A step's turn is of its workflow's call, not of the agent.
            LogEvent::ModelTurn(turn @ ModelTurn { within: Some(place), text, .. }) => {
                charge(run, turn);
                progress.add_step(turn);
                progress.add_calls(1);
                if let Next::Call(calls) = &mut next {
                    calls.done.add(place, Value::String(text.to_string()));
                }
            }
            LogEvent::ModelTurn(turn) => {
                if let Next::Call(calls) = std::mem::replace(&mut next, Next::Ask) {
                    calls.tell(progress);
                }
                charge(run, turn);
                progress.add_turn(turn);
                next = after(run, progress, turn);
            }
            LogEvent::ToolTurn(turn) => {
                if turn.outcome != ToolOutcome::Refused {
                    progress.begun.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
                if turn.within.is_some() {
                    progress.add_calls(1);
                }
                if let Next::Call(calls) = &mut next {
                    match &turn.within {
                        Some(place) => calls.done.add(place, turn.output()),
                        None => calls.restore(turn),
                    }
                }
            }
            LogEvent::ApprovalRequested { call, .. } => {
                if let Next::Call(calls) = &mut next {
                    calls.settlements.asked(call);
                }
            }
            LogEvent::ApprovalSettled { call_id, status, decision, .. } => {
                if let Next::Call(calls) = &mut next {
                    calls.settlements.settle(call_id, *status, decision.as_ref());
                }
            }
            _ => {}
        }
    }
    next
}

fn charge(run: &Run, turn: &ModelTurn) {
    let tokens = turn.tokens.input_tokens.saturating_add(turn.tokens.output_tokens);
    run.ledger.charge(tokens, turn.cost_usd.unwrap_or_default());
}

/// What follows a turn of the model.
pub(crate) fn after(run: &Run, progress: &mut Progress, turn: &ModelTurn) -> Next {
    let allowed = match progress.budget(&run.limits) {
        Budget::Left(allowed) if !turn.tool_calls.is_empty() => allowed,
        budget => {
            let limited = budget == Budget::Spent && progress.calls() > 0;
            let reason = if limited { StopReason::MaxToolCalls } else { StopReason::Completed };
            return Next::Judge(turn.clone(), progress.cut_by.unwrap_or(reason));
        }
    };
    let (content, tool_calls) = (turn.text.clone(), turn.tool_calls.clone());
    progress.messages.push(Message::Assistant { content, tool_calls: tool_calls.clone() });
    // Counted before any of them is made, because workflows among them count their own on the way.
    progress.add_calls(tool_calls.len());
    Next::Call(Calls::new(tool_calls, allowed))
}
