//! Hooks that steer and observers that watch, buffered and streamed alike.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agent_gateway_core::{
    Error, ErrorKind, Result, Timestamp,
    approval::{ApprovalStatus, AskedCall},
    execution::{Cursor, LogEntry, LogEvent, Outcome, StopReason, ToolOutcome},
    hook::{
        AfterTool, BeforeExecution, BeforeModel, BeforeTool, Event, ExecutionHook, HookContext, HookedCall,
        HookedResult, HookedStart, Observer,
    },
    id::ApprovalId,
    message::Message,
    ports::model::{Delivery, ModelRequest},
    tool::{Approval, ToolOutput},
};
use agent_gateway_engine::{HookStack, Past};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::World;

/// What a hook does at its moment.
#[derive(Clone, Debug, Default)]
enum Does {
    #[default]
    Nothing,
    Patches(&'static str),
    Stops,
    Rewrites(Value),
    Suspends(&'static str),
    Replaces(&'static str),
    Fails,
    Panics,
    Hangs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Execution,
    Model,
    Tool,
    Result,
    End,
}

/// A hook that does one thing at one moment, and notes what it was shown.
#[derive(Clone, Debug)]
struct Hook {
    name: &'static str,
    moment: Moment,
    does: Does,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    async fn at(&self, moment: Moment, shown: String) -> Result<Does> {
        if moment != self.moment {
            return Ok(Does::Nothing);
        }
        self.seen.lock().unwrap().push(format!("{} {shown}", self.name));
        match self.does.clone() {
            Does::Fails => Err(Error::unavailable("the list of sanctions is away")),
            Does::Panics => panic!("a hook of a test"),
            Does::Hangs => std::future::pending().await,
            does => Ok(does),
        }
    }
}

#[async_trait]
impl ExecutionHook for Hook {
    async fn before_execution(&self, _: &HookContext, start: &HookedStart) -> Result<BeforeExecution> {
        Ok(match self.at(Moment::Execution, start.message.to_string()).await? {
            Does::Patches(text) => BeforeExecution::Patch {
                message: Some(format!("{}{text}", start.message)),
                instructions: Some(format!("Mind {text}.")),
            },
            Does::Stops => BeforeExecution::Reject("not today".to_owned()),
            _ => BeforeExecution::Continue,
        })
    }

    async fn before_model(&self, _: &HookContext, request: &ModelRequest) -> Result<BeforeModel> {
        Ok(match self.at(Moment::Model, request.messages.len().to_string()).await? {
            Does::Patches(text) => {
                let mut request = request.clone();
                request.messages.push(Message::user(text));
                request.delivery = Delivery::Whole;
                BeforeModel::Patch(Box::new(request))
            }
            Does::Stops => BeforeModel::Stop("not today".to_owned()),
            _ => BeforeModel::Continue,
        })
    }

    async fn before_tool(&self, _: &HookContext, call: &HookedCall) -> Result<BeforeTool> {
        Ok(match self.at(Moment::Tool, Value::Object(call.arguments.clone()).to_string()).await? {
            Does::Rewrites(Value::Object(arguments)) => BeforeTool::Rewrite(arguments),
            Does::Stops => BeforeTool::Deny("not today".to_owned()),
            Does::Suspends(question) => BeforeTool::Suspend(question.to_owned()),
            _ => BeforeTool::Allow,
        })
    }

    async fn after_tool(&self, _: &HookContext, _: &HookedCall, result: &HookedResult) -> Result<AfterTool> {
        Ok(match self.at(Moment::Result, result.output.to_text()).await? {
            Does::Replaces(text) => AfterTool::Replace(ToolOutput::Text(text.to_owned())),
            _ => AfterTool::Keep,
        })
    }

    async fn after_execution(&self, _: &HookContext, outcome: &Outcome) -> Result<()> {
        self.at(Moment::End, outcome.stop_reason.as_str().to_owned()).await.map(drop)
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

/// A run of two turns with one call between them, past these hooks.
fn world(moment: Moment, does: impl IntoIterator<Item = Does>) -> (World, Arc<FnTool>, Seen) {
    let seen = Seen::default();
    let hooks = ["first", "second", "third"].into_iter().zip(does).map(|(name, does)| {
        Arc::new(Hook { name, moment, does, seen: seen.clone() }) as Arc<dyn ExecutionHook>
    });
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let act = Arc::new(FnTool::text("act", "ok").unwrap().parameters(schema));
    let mut world = World::new([Reply::calls([("act", json!({"n": 1}))]), Reply::text("the end")]).tool(&act);
    world.hooks = HookStack::new(hooks.collect(), Vec::new());
    (world, act, seen)
}

/// The outcome without its time, after it is clear that it is the same when the answer comes in pieces.
async fn alike(moment: Moment, does: &[Does]) -> (Outcome, World, Arc<FnTool>, Vec<String>) {
    let mut outcomes = Vec::new();
    for delivery in [Delivery::Incremental, Delivery::Whole] {
        let (mut world, act, seen) = world(moment, does.iter().cloned());
        world.delivery = delivery;
        let mut outcome = world.outcome().await;
        outcome.usage.duration_ms = 0;
        let seen = seen.lock().unwrap().clone();
        outcomes.push((outcome, world, act, seen));
    }
    let (whole, pieces) = (outcomes.pop().unwrap(), outcomes.pop().unwrap());
    assert_eq!((&whole.0, &whole.3), (&pieces.0, &pieces.3));
    whole
}

fn sentence(outcome: &Outcome) -> &str {
    outcome.error.as_deref().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_execution_can_be_changed_before_it_begins() {
    let does = [Does::Patches(" one"), Does::Patches(" two"), Does::Nothing];
    let (outcome, world, _, seen) = alike(Moment::Execution, &does).await;
    assert_eq!(outcome.raw_text, "the end");
    assert_eq!(seen, ["first hello", "second hello one", "third hello one two"]);
    let messages = &world.requests()[0].messages;
    assert_eq!(messages[1], Message::user("hello one two"));
    let Message::System { content } = &messages[0] else { panic!("no system prompt") };
    assert!(content.ends_with("Mind  one.\n\n---\n\nMind  two."), "{content}");
}

#[tokio::test(start_paused = true)]
async fn whatever_stands_in_the_way_of_an_execution_or_a_model_call_ends_it_with_a_sentence() {
    for moment in [Moment::Execution, Moment::Model] {
        for (does, expected) in [
            (Does::Stops, "not today"),
            (Does::Fails, "the list of sanctions is away"),
            (Does::Panics, "failed before the"),
            (Does::Hangs, "within 10 s"),
        ] {
            let (outcome, world, _, seen) = alike(moment, &[Does::Nothing, does, Does::Nothing]).await;
            assert_eq!(outcome.stop_reason, StopReason::Stopped, "{moment:?}");
            assert!(sentence(&outcome).contains(expected), "{}", sentence(&outcome));
            assert_eq!(world.requests().len(), 0);
            assert_eq!(seen.len(), 2, "the third is not asked");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_to_a_model_can_be_changed() {
    let does = [Does::Patches("first"), Does::Patches("second")];
    let (_, world, _, seen) = alike(Moment::Model, &does).await;
    assert_eq!(seen, ["first 2", "second 3", "first 4", "second 5"], "a change is for one request");
    let last = world.requests()[1].messages.clone();
    assert_eq!(last[4..], [Message::user("first"), Message::user("second")]);
}

#[tokio::test(start_paused = true)]
async fn hooks_see_fallbacks_and_second_chances_too() {
    let (mut world, _, seen) = world(Moment::Model, [Does::Nothing]);
    let away = Reply::error(ErrorKind::Unavailable, "away");
    world.model = ScriptedModel::new([away, Reply::text("no"), Reply::text("{}")]);
    world.fallback = Some("scripted/two");
    world.output = Some(json!({"type": "object"}));
    assert_eq!(world.outcome().await.stop_reason, StopReason::Completed);
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_made_with_the_arguments_that_hooks_write() {
    let does = [Does::Rewrites(json!({"n": 2})), Does::Nothing];
    let (_, world, act, seen) = alike(Moment::Tool, &does).await;
    assert_eq!(act.calls()[0].arguments["n"], 2);
    assert_eq!(seen, [r#"first {"n":1}"#, r#"second {"n":2}"#]);
    let events = world.log.events.lock().unwrap().clone();
    assert!(events.iter().any(|event| matches!(event, LogEvent::ToolTurn(turn)
        if turn.arguments.to_json() == json!({"n": 2}))));
}

#[tokio::test(start_paused = true)]
async fn whatever_stands_in_the_way_of_a_call_refuses_it() {
    for (does, expected) in [
        (Does::Stops, "not today"),
        (Does::Rewrites(json!({"n": "two"})), "cannot be made"),
        (Does::Fails, "the list of sanctions is away"),
        (Does::Panics, "a hook of the application failed"),
        (Does::Hangs, "within 10 s"),
    ] {
        let (outcome, world, act, seen) =
            alike(Moment::Tool, &[Does::Nothing, does, Does::Suspends("never asked")]).await;
        assert_eq!((outcome.stop_reason, outcome.usage.tool_calls), (StopReason::Completed, 0));
        assert_eq!(act.calls().len(), 0);
        assert!(world.results()[0].contains(expected), "{:?}", world.results());
        assert_eq!(seen.len(), 2);
    }
}

fn entries(events: &[LogEvent]) -> Vec<LogEntry> {
    let entry = |(event, sequence): (&LogEvent, u64)| LogEntry {
        sequence: Cursor(sequence),
        at: Timestamp::UNIX_EPOCH,
        event: event.clone(),
    };
    events.iter().zip(1..).map(entry).collect()
}

/// The log of a run that waited for its call, which a person approved.
fn approved(log: &[LogEvent], call: &AskedCall) -> Past {
    let approval_id = ApprovalId::generate();
    let mut log = log.to_vec();
    log.push(LogEvent::ApprovalRequested {
        approval_id: approval_id.clone(),
        call: call.clone(),
        expires_at: Timestamp::MAX,
    });
    let status = ApprovalStatus::Approved;
    let call_id = call.call_id.clone();
    log.push(LogEvent::ApprovalSettled { approval_id, call_id, status, decision: None });
    Past::read(entries(&log)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_a_person_unless_a_later_hook_denies_it() {
    let does = [Does::Suspends("Really?"), Does::Rewrites(json!({"n": 7})), Does::Suspends("Sure?")];
    let (world, act, seen) = self::world(Moment::Tool, does.clone());
    let call = world.suspension().await.calls.remove(0);
    assert_eq!((call.question.as_deref(), &call.arguments["n"]), (Some("Really?"), &json!(7)));
    assert_eq!((act.calls().len(), seen.lock().unwrap().len()), (0, 3));

    let log = world.log.events.lock().unwrap().clone();
    let (mut again, act, _) = self::world(Moment::Tool, does);
    again.model = ScriptedModel::new([Reply::text("the end")]);
    again.past = approved(&log, &call);
    assert_eq!(again.outcome().await.raw_text, "the end");
    assert_eq!(act.calls()[0].arguments["n"], 7, "what was approved is what is done");

    let (mut denied, act, _) = self::world(Moment::Tool, [Does::Stops]);
    denied.model = ScriptedModel::new([Reply::text("the end")]);
    denied.past = approved(&log, &call);
    assert_eq!(denied.outcome().await.raw_text, "the end");
    assert_eq!(act.calls().len(), 0);

    let (world, _, _) = self::world(Moment::Tool, [Does::Suspends("Really?"), Does::Stops]);
    assert_eq!(world.outcome().await.stop_reason, StopReason::Completed);
    assert!(world.results()[0].contains("not today"));
}

#[tokio::test(start_paused = true)]
async fn a_result_is_recorded_as_hooks_leave_it() {
    let (_, world, _, seen) = alike(Moment::Result, &[Does::Replaces("hidden"), Does::Nothing]).await;
    assert_eq!(
        (world.results(), seen),
        (vec!["hidden".to_owned()], vec!["first ok".into(), "second hidden".into()])
    );
    let tool_turn = world.log.events.lock().unwrap().iter().find_map(|event| match event {
        LogEvent::ToolTurn(turn) => Some(turn.clone()),
        _ => None,
    });
    assert_eq!(&*tool_turn.unwrap().content, "hidden");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_a_hook_failed_on_is_not_shown() {
    for does in [Does::Fails, Does::Panics, Does::Hangs] {
        let (_, world, act, _) = alike(Moment::Result, &[does]).await;
        assert_eq!(act.calls().len(), 1);
        assert!(world.results()[0].contains("the result is not shown"), "{:?}", world.results());
        let failed = |event: &LogEvent| matches!(event, LogEvent::ToolTurn(turn) if turn.outcome == ToolOutcome::Failed);
        assert!(world.log.events.lock().unwrap().iter().any(failed));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_to_every_hook_and_none_can_change_it() {
    let (outcome, _, _, seen) = alike(Moment::End, &[Does::Fails, Does::Panics, Does::Hangs]).await;
    assert_eq!(outcome.raw_text, "the end");
    assert_eq!(seen, ["first completed", "second completed", "third completed"]);
    let (world, _, seen) = world(Moment::End, [Does::Nothing]);
    world.cancel.cancel();
    world.outcome().await;
    assert_eq!(*seen.lock().unwrap(), ["first cancelled"]);
}

async fn faulty() {
    panic!("an observer of a test");
}

/// Notes every event of a run, as JSON.
fn observed(world: &mut World, misbehave: bool) -> Arc<Mutex<Vec<(Event, Value)>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut observers = Vec::new();
    for event in Event::ALL {
        if misbehave {
            observers.push(Observer::new(event, |_| faulty()));
            observers.push(Observer::new(event, |_| async { Err::<(), _>("away") }));
            observers.push(Observer::new(event, |_| std::future::pending::<()>()));
        }
        let seen = seen.clone();
        observers.push(Observer::new(event, move |occurrence| {
            let json = serde_json::to_value(&occurrence).unwrap();
            seen.lock().unwrap().push((occurrence.event(), json));
            async {}
        }));
    }
    world.hooks = HookStack::new(Vec::new(), observers);
    seen
}

#[tokio::test(start_paused = true)]
async fn observers_are_told_everything_in_order_whatever_the_others_do() {
    for (delivery, misbehave) in
        [(Delivery::Whole, false), (Delivery::Incremental, false), (Delivery::Whole, true)]
    {
        let (mut world, _, _) = world(Moment::End, []);
        world.delivery = delivery;
        world.limits.timeout = Duration::from_secs(600);
        let seen = observed(&mut world, misbehave);
        assert_eq!(world.outcome().await.raw_text, "the end");
        let seen = seen.lock().unwrap().clone();
        let names: Vec<&str> = seen.iter().map(|(event, _)| event.as_str()).collect();
        let expected = [
            "agent.invoke.before",
            "llm.call.before",
            "llm.call.after",
            "tool.execute.before",
            "tool.execute.after",
            "llm.call.before",
            "llm.call.after",
            "agent.invoke.after",
        ];
        assert_eq!(names, expected);
        let facts = |place: usize| &seen[place].1;
        assert!(
            seen.iter().all(|(_, facts)| facts["execution_id"].is_string() && facts["agent_id"] == "helper")
        );
        assert_eq!(facts(0)["message"], "hello");
        assert_eq!(facts(1)["model"], "scripted/one");
        assert_eq!((&facts(2)["input_tokens"], &facts(2)["success"]), (&json!(10), &json!(true)));
        assert_eq!((&facts(3)["tool_name"], &facts(3)["arguments"]), (&json!("act"), &json!({"n": 1})));
        assert_eq!((&facts(4)["result"], &facts(4)["success"]), (&json!("ok"), &json!(true)));
        assert_eq!(facts(7)["result"]["raw_text"], "the end");
        assert!(facts(7)["duration_ms"].is_u64() && facts(7)["message"] == "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_is_told_however_it_comes() {
    let (mut timeout, _, _) = world(Moment::End, []);
    timeout.model = ScriptedModel::new([Reply::hang()]);
    let (mut failed, _, _) = world(Moment::End, []);
    let away = Reply::error(ErrorKind::Unavailable, "away");
    failed.model = ScriptedModel::new([away]);
    let (cancelled, _, _) = world(Moment::End, []);
    cancelled.cancel.cancel();
    for (mut world, reason) in [(timeout, "timeout"), (failed, "error"), (cancelled, "cancelled")] {
        let seen = observed(&mut world, false);
        world.outcome().await;
        let (first, last) = {
            let seen = seen.lock().unwrap();
            (seen[0].clone(), seen.last().unwrap().clone())
        };
        assert_eq!((first.0, last.0), (Event::AgentInvokeBefore, Event::AgentInvokeAfter));
        assert_eq!((&last.1["result"]["stop_reason"], &last.1["success"]), (&json!(reason), &json!(false)));
        assert!(last.1["error"].is_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_rests_is_told_to_begin_once_and_to_end_once() {
    let (mut world, _, _) = world(Moment::Tool, [Does::Nothing]);
    let act = Arc::new(FnTool::text("act", "ok").unwrap().with_spec(|spec| {
        spec.approval = Approval::Required;
    }));
    world.tools = vec![act];
    let seen = observed(&mut world, false);
    let call = world.suspension().await.calls.remove(0);
    world.past = approved(&world.log.events.lock().unwrap(), &call);
    world.outcome().await;
    let seen = seen.lock().unwrap();
    let count = |wanted| seen.iter().filter(|(event, _)| *event == wanted).count();
    assert_eq!((count(Event::AgentInvokeBefore), count(Event::AgentInvokeAfter)), (1, 1));
}

#[test]
fn events_are_read_by_their_names() {
    for event in Event::ALL {
        assert_eq!(Event::parse(event.as_str()).unwrap(), event);
    }
    assert!(Event::parse("agent.invoke").unwrap_err().to_string().contains("agent.invoke.before"));
}
