//! Skills with steps, as tools of their agent.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, JsonMap, Timestamp,
    approval::{ApprovalStatus, Decision, Verdict},
    capability::Price,
    execution::{Cursor, LogEntry, LogEvent, StopReason, ToolOutcome},
    id::{ApprovalId, SkillId},
    skill::{SkillDefinition, SkillStep, StepAction, ToolStep},
    tool::{Approval, ToolAccess, ToolOutput, ToolRetry},
};
use agent_gateway_engine::Past;
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::World;

fn object(value: &Value) -> JsonMap {
    value.as_object().unwrap().clone()
}

pub(crate) fn tool(tool: &str, input: &Value) -> ToolStep {
    ToolStep { tool: tool.to_owned(), input: object(input) }
}

pub(crate) fn step(name: &str, action: StepAction) -> SkillStep {
    SkillStep { name: name.to_owned(), action }
}

fn prompt(text: &str, input: &Value) -> StepAction {
    StepAction::Prompt { prompt: text.to_owned(), system_prompt: None, input: object(input) }
}

pub(crate) fn skill(id: &str, steps: impl IntoIterator<Item = SkillStep>) -> SkillDefinition {
    let mut skill = SkillDefinition::new(SkillId::new(id).unwrap(), "How to do it.");
    skill.description = "Does it".to_owned();
    skill.steps = steps.into_iter().collect();
    skill
}

/// `add` and `multiply` of `a` and `b`, as JSON.
pub(crate) fn arithmetic(name: &str, of: fn(f64, f64) -> f64) -> Arc<FnTool> {
    let number = json!({"type": "number"});
    let schema = json!({"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]});
    let tool = FnTool::new(name, move |arguments, _| async move {
        let number = |name: &str| arguments[name].as_f64().unwrap();
        Ok(ToolOutput::Json(json!({"result": of(number("a"), number("b"))})))
    });
    Arc::new(tool.unwrap().parameters(schema))
}

/// A sum, two products of it at once, and a sentence about them.
fn math() -> SkillDefinition {
    let fan_out = StepAction::FanOut(vec![
        tool("multiply", &json!({"a": "$.steps.sum.output.result", "b": 2})),
        tool("multiply", &json!({"a": "$.steps.sum.output.result", "b": "$.input.factors[1]"})),
    ]);
    skill(
        "math",
        [
            step("sum", StepAction::Tool(tool("add", &json!({"a": "$.input.a", "b": "$.input.b"})))),
            step("products", fan_out),
            step(
                "words",
                prompt(
                    "Say it",
                    &json!({"products": "$.steps.products.output", "deep": [{"a": "$.input.a"}]}),
                ),
            ),
        ],
    )
}

fn math_world() -> (World, Arc<FnTool>, Arc<FnTool>) {
    let (add, multiply) = (arithmetic("add", |a, b| a + b), arithmetic("multiply", |a, b| a * b));
    let world = World::new(math_replies()).tool(&add).tool(&multiply).skill(math());
    (world, add, multiply)
}

fn math_replies() -> [Reply; 3] {
    let call = json!({"a": 1, "b": 2.5, "factors": [0, 10]});
    [Reply::calls([("math", call)]), Reply::text("Seven and thirty-five."), Reply::text("Done.")]
}

fn result(world: &World) -> Value {
    serde_json::from_str(&world.results().pop().unwrap()).unwrap()
}

#[tokio::test]
async fn the_steps_of_a_skill_are_one_call_with_typed_values() {
    let (world, add, multiply) = math_world();
    let outcome = world.outcome().await;
    let expected = json!({
        "output": "Seven and thirty-five.",
        "steps": {
            "sum": {"output": {"result": 3.5}},
            "products": {"output": [{"result": 7.0}, {"result": 35.0}]},
            "words": {"output": "Seven and thirty-five."},
        }
    });
    assert_eq!(result(&world), expected);
    assert_eq!(json!(add.calls()[0].arguments), json!({"a": 1, "b": 2.5}), "types are kept");
    assert_eq!((add.calls().len(), multiply.calls().len()), (1, 2));
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::Completed, "Done."));
    let usage = outcome.usage;
    assert_eq!((usage.llm_calls, usage.tool_calls), (3, 4), "the steps and the call itself");
    assert_eq!((usage.input_tokens, usage.output_tokens), (30, 15));
}

#[tokio::test]
async fn the_model_is_told_of_a_workflow_as_of_any_tool_and_a_step_asks_it_alone() {
    let (world, ..) = math_world();
    world.outcome().await;
    let requests = world.requests();
    let spec = requests[0].tools.iter().find(|tool| tool.name.as_str() == "math").unwrap();
    assert_eq!(&*spec.description, "Does it\n\nHow to do it.");
    let used = json!({"a": {}, "b": {}, "factors": {}});
    assert_eq!(
        *spec.parameters,
        json!({"type": "object", "properties": used, "required": ["a", "b", "factors"]})
    );
    let asked = &requests[1];
    assert!(asked.tools.is_empty());
    let shown = format!("{:?}", asked.messages);
    assert_eq!(asked.messages.len(), 2, "{shown}");
    for part in ["Say it\\n\\n## Context\\n```json\\n{", "\\\"result\\\": 35.0", "\\\"a\\\": 1"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[tokio::test]
async fn a_step_is_a_call_like_any_other_with_its_own_id_key_and_place() {
    let (world, add, multiply) = math_world();
    world.outcome().await;
    let (first, second) = (&multiply.calls()[0].context, &multiply.calls()[1].context);
    let run = add.calls()[0].context.execution_id.to_string();
    assert_eq!(&*add.calls()[0].context.call_id, "call_0/sum/0");
    assert_eq!((&*first.call_id, &*second.call_id), ("call_0/products/0", "call_0/products/1"));
    assert_eq!(first.idempotency_key, format!("{run}-1-0-products-0"));
    assert_eq!(second.idempotency_key, format!("{run}-1-0-products-1"));
    let log = world.log.events.lock().unwrap().clone();
    let places: Vec<String> = log
        .iter()
        .map(|event| match event {
            LogEvent::ModelTurn(turn) => place(turn.within.as_deref(), "model"),
            LogEvent::ToolTurn(turn) => place(turn.within.as_deref(), &turn.name),
            other => other.kind().to_owned(),
        })
        .collect();
    assert_eq!(
        places,
        ["model", "add sum/0", "multiply products/0", "multiply products/1", "model words/0", "math"]
    );
}

fn place(within: Option<&agent_gateway_core::execution::StepPlace>, name: &str) -> String {
    match within {
        Some(place) => {
            assert_eq!((&*place.call_id, place.skill.as_str()), ("call_0", "math"));
            format!("{name} {}/{}", place.step, place.item)
        }
        None => name.to_owned(),
    }
}

#[tokio::test]
async fn what_a_step_cannot_do_is_its_output_and_the_next_one_follows() {
    let failing = FnTool::new("fails", |_, _| async { Err(Error::new(ErrorKind::Invalid, "no such city")) });
    let failing = Arc::new(failing.unwrap());
    let foreign = FnTool::text("foreign", "never").unwrap();
    let foreign =
        Arc::new(foreign.with_spec(|spec| spec.access = ToolAccess::Only(vec!["other".to_owned()])));
    let (add, panics) = (
        arithmetic("add", |a, b| a + b),
        Arc::new(FnTool::new("panics", |_, _| async { panic!("oh") }).unwrap()),
    );
    let fan_out = StepAction::FanOut(vec![tool("panics", &json!({})), tool("add", &json!({"a": 1, "b": 1}))]);
    let flow = skill(
        "flow",
        [
            step("bad", StepAction::Tool(tool("fails", &json!({})))),
            step("not-mine", StepAction::Tool(tool("foreign", &json!({})))),
            step("unfit", StepAction::Tool(tool("add", &json!({"a": "$.steps.bad.output.error", "b": 1})))),
            step("many", fan_out),
            step("asks", prompt("What?", &json!({}))),
            step(
                "last",
                StepAction::Tool(tool("add", &json!({"a": "$.steps.many.output[1].result", "b": 1}))),
            ),
        ],
    );
    let replies = [
        Reply::calls([("flow", json!({}))]),
        Reply::error(ErrorKind::Unavailable, "the model is away"),
        Reply::text("ok"),
    ];
    let world = World::new(replies).tool(&failing).tool(&foreign).tool(&add).tool(&panics).skill(flow);
    let outcome = world.outcome().await;
    let result = result(&world);
    let error = |step: &str| result["steps"][step]["output"]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error("bad").contains("no such city"), "{result}");
    assert!(error("not-mine").contains("may not use the tool 'foreign'"), "{result}");
    assert!(error("unfit").contains("do not fit the tool's parameters: a:"), "{result}");
    assert!(error("asks").contains("the model is away"), "{result}");
    assert_eq!(result["steps"]["many"]["output"][0], json!({"error": "the tool 'panics' failed"}));
    assert_eq!(result["output"], json!({"result": 3.0}));
    assert!(foreign.calls().is_empty());
    assert_eq!(outcome.stop_reason, StopReason::Completed);
    assert_eq!(outcome.usage.tool_calls, 5, "the workflow, and the steps that reached their tool");
    assert_eq!(outcome.usage.llm_calls, 2);
}

#[tokio::test]
async fn the_tools_of_a_fan_out_run_at_the_same_time() {
    let slow = FnTool::new("wait", |_, _| async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(ToolOutput::Text("ok".to_owned()))
    });
    let slow = Arc::new(slow.unwrap());
    let flow = skill("flow", [step("all", StepAction::FanOut(vec![tool("wait", &json!({})); 10]))]);
    let world = World::new([Reply::calls([("flow", json!({}))]), Reply::text("ok")]).tool(&slow).skill(flow);
    world.outcome().await;
    assert_eq!((slow.calls().len(), slow.max_concurrency()), (10, 10));
    assert_eq!(result(&world)["output"], json!(vec!["ok"; 10]));
}

#[tokio::test]
async fn steps_count_against_the_limit_of_calls() {
    let act = Arc::new(FnTool::text("act", "ok").unwrap());
    let flow = skill(
        "flow",
        [
            step("one", StepAction::Tool(tool("act", &json!({})))),
            step("two", StepAction::FanOut(vec![tool("act", &json!({})); 3])),
        ],
    );
    let calls = [("flow", json!({})), ("act", json!({})), ("act", json!({}))];
    let mut world = World::new([Reply::calls(calls), Reply::text("That is all.")]).tool(&act).skill(flow);
    world.limits.max_tool_calls = 5;
    let outcome = world.outcome().await;
    assert_eq!((outcome.stop_reason, outcome.raw_text.as_str()), (StopReason::MaxToolCalls, "That is all."));
    assert_eq!((act.calls().len(), outcome.usage.tool_calls), (4, 5), "two of the turn, two of the workflow");
    let results = world.results();
    let flow: Value = serde_json::from_str(&results[0]).unwrap();
    let two = flow["steps"]["two"]["output"].as_array().unwrap();
    let refused =
        two.iter().filter(|item| item["error"].as_str().is_some_and(|why| why.contains("limit of 5")));
    assert_eq!(refused.count(), 2, "{flow}");
    assert_eq!(results[1..], ["ok", "ok"]);
    assert!(world.requests().last().unwrap().tools.is_empty());
}

#[tokio::test]
async fn the_cost_of_steps_is_the_runs_and_their_fallback_too() {
    let price = Price { input: 1.0, cached_input: 1.0, output: 2.0 };
    let mut world = World::new([]).skill(skill("flow", [step("ask", prompt("Well?", &json!({})))]));
    world.fallback = Some("scripted/two");
    world.model = ScriptedModel::new([
        Reply::calls([("flow", json!({}))]),
        Reply::error(ErrorKind::Unavailable, "down"),
        Reply::text("from the second"),
        Reply::text("end"),
    ])
    .priced(price);
    let outcome = world.outcome().await;
    assert_eq!(result(&world)["output"], "from the second");
    assert_eq!(outcome.usage.llm_calls, 3);
    assert!((outcome.usage.cost_usd - 3.0 * 20e-6).abs() < 1e-9, "{:?}", outcome.usage);
}

#[tokio::test]
async fn arguments_that_miss_the_input_schema_begin_nothing() {
    let act = Arc::new(FnTool::text("act", "ok").unwrap());
    let mut flow = skill(
        "flow",
        [step("one", StepAction::Tool(tool("act", &json!({"n": "$.input.n", "m": "$.input.m"}))))],
    );
    let n = json!({"type": "integer"});
    flow.input_schema =
        Some(Arc::new(json!({"properties": {"n": n, "m": {"default": [1]}}, "required": ["n", "m"]})));
    let first =
        Reply::calls([("flow", json!({"n": "x"})), ("flow", json!({"n": 1}))]).raw_call("flow", "[1]");
    let world = World::new([first, Reply::text("sorry")]).tool(&act).skill(flow);
    let outcome = world.outcome().await;
    let results = world.results();
    assert!(results[0].contains("error") && results[2].contains("error"), "{results:?}");
    assert_eq!(act.calls().len(), 1);
    assert_eq!(json!(act.calls()[0].arguments), json!({"n": 1, "m": [1]}), "defaults are filled in");
    assert_eq!(outcome.usage.tool_calls, 2);
}

#[tokio::test]
async fn steps_that_would_grow_without_end_are_refused() {
    let echo =
        FnTool::new("echo", |arguments, _| async move { Ok(ToolOutput::Json(Value::Object(arguments))) });
    let echo = Arc::new(echo.unwrap());
    let mut steps = vec![step("s0", StepAction::Tool(tool("echo", &json!({"x": "a".repeat(100_000)}))))];
    for place in 1..12 {
        let last = format!("$.steps.s{}.output", place - 1);
        steps
            .push(step(&format!("s{place}"), StepAction::Tool(tool("echo", &json!({"x": last, "y": last})))));
    }
    let world = World::new([Reply::calls([("flow", json!({}))]), Reply::text("ok")])
        .tool(&echo)
        .skill(skill("flow", steps));
    world.outcome().await;
    let log = world.log.events.lock().unwrap();
    let refused = log.iter().filter(|event| matches!(event, LogEvent::ToolTurn(turn) if turn.outcome == ToolOutcome::Refused && turn.content.contains("larger than")));
    assert!(refused.count() >= 1);
    let most = echo.calls().iter().map(|call| json!(call.arguments).to_string().len()).max().unwrap();
    assert!(most <= 1_100_000, "{most}");
}

fn entries(events: &[LogEvent]) -> Vec<LogEntry> {
    let entry = |(event, sequence): (&LogEvent, u64)| LogEntry {
        sequence: Cursor(sequence),
        at: Timestamp::UNIX_EPOCH,
        event: event.clone(),
    };
    events.iter().zip(1..).map(entry).collect()
}

/// Two turns with workflows beside other calls, a step that is refused, and one whose question fails.
fn long_script() -> Vec<Reply> {
    let call = json!({"a": 1, "b": 2.5, "factors": [0, 10]});
    vec![
        Reply::calls([("math", call.clone()), ("add", json!({"a": 1, "b": 1}))]),
        Reply::text("in words"),
        Reply::calls([("math", call)]),
        Reply::text("in words again"),
        Reply::text("end"),
    ]
}

#[tokio::test]
async fn wherever_an_attempt_is_cut_off_in_a_workflow_the_next_one_makes_the_rest() {
    let world = |replies: Vec<Reply>| {
        let (mut world, add, multiply) = math_world();
        world.model = ScriptedModel::new(replies);
        world.limits.max_tool_calls = 8;
        (world, add, multiply)
    };
    let (whole, ..) = world(long_script());
    let expected = whole.outcome().await;
    assert_eq!(expected.stop_reason, StopReason::MaxToolCalls);
    let log = whole.log.events.lock().unwrap().clone();
    assert!(log.len() >= 12, "{}", log.len());
    for cut in 0..=log.len() {
        let kept = &log[..cut];
        let turns = kept.iter().filter(|event| matches!(event, LogEvent::ModelTurn(_))).count();
        let made = |name: &str, events: &[LogEvent]| {
            let is = |event: &&LogEvent| matches!(event, LogEvent::ToolTurn(turn) if &*turn.name == name && turn.outcome == ToolOutcome::Succeeded);
            events.iter().filter(is).count()
        };
        let (mut again, add, multiply) = world(long_script().into_iter().skip(turns).collect());
        again.past = Past::read(entries(kept)).unwrap();
        let mut outcome = again.outcome().await;
        outcome.usage.duration_ms = expected.usage.duration_ms;
        assert_eq!(outcome, expected, "cut after {cut}");
        let conversation = |world: &World| world.requests().pop().unwrap().messages[1..].to_vec();
        assert_eq!(conversation(&again), conversation(&whole), "cut after {cut}");
        let calls = (add.calls().len(), multiply.calls().len());
        let missing = |name: &str| made(name, &log) - made(name, kept);
        assert_eq!(
            calls,
            (missing("add"), missing("multiply")),
            "what was answered is not called again, cut after {cut}"
        );
    }
}

#[tokio::test]
async fn a_question_that_failed_is_not_asked_again() {
    let act = || Arc::new(FnTool::text("act", "ok").unwrap());
    let flow = || {
        skill(
            "flow",
            [
                step("ask", prompt("Well?", &json!({}))),
                step("act", StepAction::Tool(tool("act", &json!({"x": "$.steps.ask.output"})))),
            ],
        )
    };
    let replies = [
        Reply::calls([("flow", json!({}))]),
        Reply::error(ErrorKind::Unavailable, "down"),
        Reply::text("end"),
    ];
    let world = World::new(replies).tool(&act()).skill(flow());
    let expected = world.outcome().await;
    let log = world.log.events.lock().unwrap().clone();
    let mut again = World::new([Reply::text("end")]).tool(&act()).skill(flow());
    again.past = Past::read(entries(&log[..2])).unwrap();
    let mut outcome = again.outcome().await;
    outcome.usage.duration_ms = expected.usage.duration_ms;
    assert_eq!(outcome, expected);
    assert_eq!(result(&again), result(&world));
}

#[tokio::test]
async fn a_step_that_may_have_happened_forbids_another_attempt() {
    let once = Arc::new(FnTool::text("once", "ok").unwrap().with_spec(|spec| spec.retry = ToolRetry::Never));
    let flow = skill("flow", [step("it", StepAction::Tool(tool("once", &json!({}))))]);
    let world = World::new([Reply::calls([("flow", json!({}))]), Reply::text("end")]).tool(&once).skill(flow);
    world.run().await;
    let log = world.log.events.lock().unwrap().clone();
    assert!(Past::read(entries(&log)).is_ok());
    assert_eq!(&*Past::read(entries(&log[..2])).unwrap_err().tool, "once");
}

#[tokio::test]
async fn a_step_that_needs_a_person_rests_the_run_and_goes_on_from_there() {
    let guarded = || {
        Arc::new(FnTool::text("send", "sent").unwrap().with_spec(|spec| spec.approval = Approval::Required))
    };
    let act = || Arc::new(FnTool::text("act", "ok").unwrap());
    let flow = || {
        skill(
            "flow",
            [
                step("before", StepAction::Tool(tool("act", &json!({})))),
                step(
                    "both",
                    StepAction::FanOut(vec![
                        tool("send", &json!({"to": "a"})),
                        tool("send", &json!({"to": "b"})),
                        tool("act", &json!({})),
                    ]),
                ),
                step("after", StepAction::Tool(tool("act", &json!({"x": "$.steps.both.output"})))),
            ],
        )
    };
    let world = World::new([Reply::calls([("flow", json!({}))])]).tool(&guarded()).tool(&act()).skill(flow());
    let suspension = world.suspension().await;
    let asked: Vec<&str> = suspension.calls.iter().map(|call| &*call.call_id).collect();
    assert_eq!(asked, ["call_0/both/0", "call_0/both/1"]);
    assert_eq!(suspension.outcome.usage.tool_calls, 2, "the workflow itself has not come to its end");
    let mut log = world.log.events.lock().unwrap().clone();
    for (place, call) in suspension.calls.into_iter().enumerate() {
        let approval_id = ApprovalId::generate();
        let call_id = call.call_id.clone();
        let expires_at = Timestamp::UNIX_EPOCH;
        log.push(LogEvent::ApprovalRequested { approval_id: approval_id.clone(), call, expires_at });
        let edited = Verdict::Edit { arguments: object(&json!({"to": "c"})) };
        let (status, verdict) = if place == 0 {
            (ApprovalStatus::Approved, edited)
        } else {
            (ApprovalStatus::Denied, Verdict::Deny)
        };
        let decision =
            Some(Decision { verdict, reason: Some("so".into()), by: None, at: Timestamp::UNIX_EPOCH });
        log.push(LogEvent::ApprovalSettled { approval_id, call_id, status, decision });
    }
    let (send, act) = (guarded(), act());
    let mut again = World::new([Reply::text("end")]).tool(&send).tool(&act).skill(flow());
    again.past = Past::read(entries(&log)).unwrap();
    let outcome = again.outcome().await;
    assert_eq!(json!(send.calls()[0].arguments), json!({"to": "c"}));
    assert_eq!((send.calls().len(), act.calls().len()), (1, 1), "only the last step is left");
    assert_eq!(outcome.usage.tool_calls, 5, "the workflow, three of `act`, one of `send`");
    let both = &result(&again)["steps"]["both"]["output"];
    assert_eq!((both[0].clone(), both[2].clone()), (json!("sent"), json!("ok")));
    assert!(both[1]["error"].as_str().unwrap().contains("denied"), "{both}");
}

#[tokio::test]
async fn ten_steps_cost_what_ten_calls_cost() {
    let add = arithmetic("add", |a, b| a + b);
    let steps = (0..10).map(|place| {
        let a = if place == 0 { json!(1) } else { json!(format!("$.steps.s{}.output.result", place - 1)) };
        step(&format!("s{place}"), StepAction::Tool(tool("add", &json!({"a": a, "b": 1}))))
    });
    let ten_steps = skill("ten", steps);
    let calls = || Reply::calls((0..10).map(|n| ("add", json!({"a": n, "b": 1}))));
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..40 {
        let mut plain = World::new([calls(), Reply::text("end")]).tool(&add);
        plain.limits.parallel_tools = 1;
        let flow = World::new([Reply::calls([("ten", json!({}))]), Reply::text("end")]);
        let flow = flow.tool(&add).skill(ten_steps.clone());
        for (world, times) in [&plain, &flow].into_iter().zip(&mut times) {
            let started = tokio::time::Instant::now();
            world.outcome().await;
            times.push(started.elapsed());
        }
        assert_eq!(plain.log.events.lock().unwrap().len(), 11, "the model's turn and the calls");
        assert_eq!(flow.log.events.lock().unwrap().len(), 12, "the same, and the workflow's own result");
        assert_eq!(result(&flow)["output"], json!({"result": 11.0}));
    }
    let [plain, flow] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!("ten calls {plain:?}, ten steps {flow:?}");
    assert!(flow < plain * 2 + Duration::from_millis(1), "ten calls {plain:?}, ten steps {flow:?}");
}
