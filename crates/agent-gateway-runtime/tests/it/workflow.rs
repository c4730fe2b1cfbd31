//! Skills with steps, from their definitions to the end of a run.
use std::sync::Arc;

use agent_gateway_core::{
    JsonMap,
    approval::{ApprovalQuery, Verdict},
    clock::{Clock, SystemClock},
    config::ToolVisibility,
    definitions::Definitions,
    execution::{
        Cursor, Departure, Execution, ExecutionStatus, Fence, LogEntry, LogEvent, ModelTurn, ResultForm,
        StepPlace, StopReason, ToolOutcome, ToolTurn, Transition,
    },
    id::{AgentId, ExecutionId, InstanceId, ModelName, SkillId},
    in_process::InProcessStore,
    message::{Arguments, Message, TokenUsage, ToolCall},
    page::PageRequest,
    ports::{persistence::PersistenceBackend, tool::Tool},
    skill::{SkillDefinition, SkillStep, StepAction, ToolStep},
    tool::Approval,
};
use agent_gateway_runtime::{HealthStatus, Recipe};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::{Source, World, agent, request, user};

fn calls(name: &str, tool: &str, input: &Value) -> SkillStep {
    let input = input.as_object().unwrap().clone();
    SkillStep { name: name.to_owned(), action: StepAction::Tool(ToolStep { tool: tool.to_owned(), input }) }
}

fn skill(id: &str, steps: impl IntoIterator<Item = SkillStep>) -> SkillDefinition {
    let mut skill = SkillDefinition::new(SkillId::new(id).unwrap(), "Do it.");
    skill.steps = steps.into_iter().collect();
    skill
}

/// The agent `helper` with these skills, and `other` without any.
fn source(skills: impl IntoIterator<Item = SkillDefinition>) -> Source {
    let mut definitions = Definitions::default();
    let mut helper = agent("helper");
    for skill in skills {
        helper.skills.push(skill.id.to_string());
        definitions.skills.insert(skill.id.clone(), Arc::new(skill));
    }
    for agent in [helper, agent("other")] {
        definitions.agents.insert(agent.id.clone(), Arc::new(agent));
    }
    let source = Source::default();
    *source.0.lock().unwrap() = definitions;
    source
}

fn with(tools: Vec<Arc<dyn Tool>>) -> impl FnOnce(Recipe) -> Recipe {
    |mut recipe| {
        recipe.code_tools = tools;
        recipe
    }
}

fn text_tool(name: &str) -> FnTool {
    FnTool::text(name, format!("{name} did it")).unwrap()
}

/// What the workflow told the model last.
fn result(world: &World) -> Value {
    let last = world.model.requests().pop().unwrap();
    let told = last.messages.iter().rev().find_map(|message| match message {
        Message::Tool { content, .. } => serde_json::from_str(content).ok(),
        _ => None,
    });
    told.unwrap()
}

#[tokio::test]
async fn a_workflow_is_a_tool_of_the_agents_that_have_its_skill() {
    let act: Arc<dyn Tool> = Arc::new(text_tool("act"));
    let offered = async |visibility| {
        let replies = [Reply::text("ok"), Reply::text("ok")];
        let act = act.clone();
        let change = move |mut recipe: Recipe| {
            (recipe.code_tools, recipe.visibility) = (vec![act], visibility);
            recipe
        };
        let flow = skill("flow", [calls("one", "act", &json!({}))]);
        let world = World::start(source([flow]), ScriptedModel::new(replies), change).await;
        for agent in ["helper", "other"] {
            world.finish(request(agent, "hi")).await;
        }
        let snapshot = world.gateway.catalogue().snapshot();
        assert!(snapshot.tool("flow").is_some());
        assert_eq!(snapshot.skill_tools(snapshot.agent("helper").unwrap()), ["flow"]);
        assert_eq!(world.gateway.catalogue().health().status, HealthStatus::Ok);
        let names = |place: usize| {
            let request = world.model.requests().remove(place);
            let names = request.tools.iter().map(|tool| tool.name.to_string());
            names.filter(|name| name != "delegate_to_agent").collect::<Vec<_>>().join(" ")
        };
        (names(0), names(1))
    };
    assert_eq!(offered(ToolVisibility::Skills).await, ("flow act".to_owned(), "act".to_owned()));
    assert_eq!(offered(ToolVisibility::All).await, ("flow act".to_owned(), "act flow".to_owned()));
}

#[tokio::test]
async fn a_workflow_that_cannot_be_run_degrades_and_leaves_the_rest() {
    let skills = [
        skill("act", [calls("one", "act", &json!({}))]),
        skill("delegate_to_agent", [calls("one", "act", &json!({}))]),
        skill("nested", [calls("one", "whole", &json!({}))]),
        skill("whole", [calls("one", "act", &json!({}))]),
        skill(
            "hands-on",
            [calls("one", "delegate_to_agent", &json!({"agent_id": "other", "message": "hi"}))],
        ),
    ];
    let model = ScriptedModel::new([Reply::text("ok")]);
    let world = World::start(source(skills), model, with(vec![Arc::new(text_tool("act"))])).await;
    let snapshot = world.gateway.catalogue().snapshot();
    let told: Vec<String> = snapshot.definitions().diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("skills/act/SKILL.md: a tool is named `act` already"), "{told:?}");
    assert!(told[1].starts_with("skills/delegate_to_agent/SKILL.md: a tool is named"), "{told:?}");
    assert!(told[2].starts_with("skills/nested/SKILL.md: steps[0].tool: `whole` is a workflow"), "{told:?}");
    assert_eq!(world.gateway.catalogue().health().status, HealthStatus::Degraded);
    assert!(!snapshot.tool("act").unwrap().description.contains("Do it."), "the tool stays what it was");
    world.finish(request("helper", "hi")).await;
    let names: Vec<_> = world.model.requests()[0].tools.iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, ["hands-on", "whole", "act", "delegate_to_agent"]);
}

#[tokio::test]
async fn a_step_can_hand_work_to_another_agent() {
    let input = json!({"agent_id": "other", "message": "$.input.task"});
    let flow = skill("flow", [calls("ask", "delegate_to_agent", &input)]);
    let replies =
        [Reply::calls([("flow", json!({"task": "look"}))]), Reply::text("found"), Reply::text("end")];
    let world = World::start(source([flow]), ScriptedModel::new(replies), |recipe| recipe).await;
    let done = world.finish(request("helper", "hi")).await;
    assert_eq!(done.outcome.raw_text, "end");
    assert_eq!(result(&world)["output"], "found");
}

/// A run whose process died after the first of two steps.
async fn left_behind(store: &InProcessStore) -> ExecutionId {
    let at = SystemClock.now();
    let mut execution = Execution::new(ExecutionId::generate(), AgentId::new("helper").unwrap(), "hello", at);
    execution.instance = Some(InstanceId::new("gone").unwrap());
    execution.options.departure = Departure::Detaches;
    let executions = store.executions();
    executions.create(&execution).await.unwrap();
    let start = Transition::Start { fence: Fence(1), instance: execution.instance.clone(), at };
    executions.advance(&execution.id, Fence::NONE, &start).await.unwrap();
    let place =
        StepPlace { call_id: "c1".into(), skill: SkillId::new("flow").unwrap(), step: "one".into(), item: 0 };
    let arguments = Arguments::Object(JsonMap::new());
    let call = ToolCall { id: "c1".into(), name: "flow".into(), arguments: arguments.clone() };
    let events = [
        LogEvent::ModelTurn(ModelTurn {
            model: ModelName::new("scripted/one").unwrap(),
            text: "".into(),
            tool_calls: vec![call],
            tokens: TokenUsage::default(),
            cost_usd: None,
            duration_ms: 1,
            within: None,
        }),
        LogEvent::ToolTurn(ToolTurn {
            call_id: "c1/one/0".into(),
            name: "first".into(),
            arguments,
            outcome: ToolOutcome::Succeeded,
            content: "done before".into(),
            cut_from: None,
            whole: None,
            form: ResultForm::Text,
            duration_ms: 1,
            within: Some(Arc::new(place)),
        }),
    ];
    let entry = |(event, sequence)| LogEntry { sequence: Cursor(sequence), at, event };
    let entries: Vec<LogEntry> = events.into_iter().zip(1..).map(entry).collect();
    executions.append(&execution.id, Fence(1), &entries).await.unwrap();
    execution.id
}

fn two_steps() -> SkillDefinition {
    skill(
        "flow",
        [calls("one", "first", &json!({})), calls("two", "second", &json!({"x": "$.steps.one.output"}))],
    )
}

#[tokio::test]
async fn after_a_crash_a_workflow_goes_on_where_it_stopped() {
    let store = Arc::new(InProcessStore::default());
    let id = left_behind(&store).await;
    let (first, second) = (text_tool("first"), text_tool("second"));
    let tools: Vec<Arc<dyn Tool>> = vec![Arc::new(first.clone()), Arc::new(second.clone())];
    let model = ScriptedModel::new([Reply::text("end")]);
    let world = World::begin(source([two_steps()]), model, store, with(tools)).await;
    let ended = world.ended(&id).await;
    assert_eq!(ended.status, ExecutionStatus::Completed, "{:?}", ended.error);
    assert_eq!((first.calls().len(), second.calls().len()), (0, 1));
    assert_eq!(second.calls()[0].arguments["x"], "done before");
    assert_eq!(result(&world)["steps"]["one"]["output"], "done before");
    assert_eq!(ended.usage.unwrap().tool_calls, 3, "two steps and the workflow");
}

#[tokio::test]
async fn a_run_rests_at_the_step_that_needs_a_person_and_goes_on_from_there() {
    let first = text_tool("first");
    let second = text_tool("second").with_spec(|spec| spec.approval = Approval::Required);
    let tools: Vec<Arc<dyn Tool>> = vec![Arc::new(first.clone()), Arc::new(second.clone())];
    let model = ScriptedModel::new([Reply::calls([("flow", json!({}))]), Reply::text("end")]);
    let world = World::start(source([two_steps()]), model, with(tools)).await;
    let done = world.finish(request("helper", "hi")).await;
    assert_eq!(done.outcome.stop_reason, StopReason::Suspended);
    let boss = user("boss", &["approvals:read", "approvals:decide"]);
    let approvals = world.gateway.approvals();
    let waiting =
        approvals.list(&ApprovalQuery::default(), &boss, PageRequest::first(9)).await.unwrap().items;
    assert_eq!(waiting.len(), 1);
    assert_eq!((&*waiting[0].call_id, &*waiting[0].tool), ("call_0/two/0", "second"));
    assert_eq!(waiting[0].arguments["x"], "first did it");
    approvals.decide(&waiting[0].id, Verdict::Approve, None, &boss).await.unwrap();
    let ended = world.ended(&done.execution_id).await;
    assert_eq!(ended.status, ExecutionStatus::Completed, "{:?}", ended.error);
    assert_eq!((first.calls().len(), second.calls().len()), (1, 1));
    assert_eq!(result(&world)["output"], "second did it");
}
