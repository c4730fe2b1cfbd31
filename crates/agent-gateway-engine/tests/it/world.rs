//! One run with a scripted model, its tools, and its log.
use std::sync::{Arc, Mutex};

use agent_gateway_core::{
    Error, JsonMap, Result,
    agent::AgentDefinition,
    clock::SystemClock,
    definitions::Definitions,
    execution::{Limits, LogEvent, Outcome},
    id::{AgentId, ExecutionId, ModelName},
    message::Message,
    ports::{
        model::{Delivery, LanguageModel, ModelRequest},
        tool::Tool,
    },
    skill::SkillDefinition,
    tool::ToolContext,
};
use agent_gateway_engine::{
    AgentPlan, BoundTool, Delegator, Ended, HookStack, Ledger, MadeWorkflow, ModelPlan, Named, NoDelegation,
    OutputSchema, Past, Ports, PromptLayers, Recorder, Run, Setting, Suspension, ToolSet, delegation_spec,
    drive, farewell,
};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// A log in memory that can break after some entries.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) events: Mutex<Vec<LogEvent>>,
    pub(crate) said: Mutex<Vec<String>>,
    pub(crate) breaks_after: Option<usize>,
}

#[async_trait]
impl Recorder for Log {
    async fn record(&self, event: LogEvent) -> Result<()> {
        let mut events = self.events.lock().unwrap();
        if self.breaks_after.is_some_and(|most| events.len() >= most) {
            return Err(Error::unavailable("disk 7 of host db-3 is on fire"));
        }
        events.push(event);
        Ok(())
    }

    fn say(&self, piece: &Arc<str>) {
        self.said.lock().unwrap().push(piece.to_string());
    }
}

/// A run that came to its end.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    pub(crate) unrecorded: Option<LogEvent>,
}

pub(crate) struct World {
    pub(crate) model: ScriptedModel,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) skills: Vec<SkillDefinition>,
    pub(crate) limits: Limits,
    pub(crate) output: Option<Value>,
    pub(crate) fallback: Option<&'static str>,
    pub(crate) log: Log,
    pub(crate) cancel: CancellationToken,
    pub(crate) defaults: JsonMap,
    pub(crate) setting: Setting,
    pub(crate) delivery: Delivery,
    pub(crate) past: Past,
    pub(crate) hooks: HookStack,
    pub(crate) parent: Option<Arc<Ledger>>,
    /// In the place of one of its own.
    pub(crate) ledger: Option<Arc<Ledger>>,
    /// In the place of the scripted model.
    pub(crate) asked: Option<Arc<dyn LanguageModel>>,
    pub(crate) id: Option<ExecutionId>,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) delegator: Arc<dyn Delegator>,
    pub(crate) delegates: Vec<AgentId>,
}

impl World {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            model: ScriptedModel::new(replies),
            tools: Vec::new(),
            skills: Vec::new(),
            limits: Limits::default(),
            output: None,
            fallback: None,
            log: Log::default(),
            cancel: CancellationToken::new(),
            defaults: JsonMap::new(),
            setting: Setting::Single,
            delivery: Delivery::Whole,
            past: Past::default(),
            hooks: HookStack::default(),
            parent: None,
            ledger: None,
            asked: None,
            id: None,
            max_tokens: Some(100),
            delegator: Arc::new(NoDelegation),
            delegates: Vec::new(),
        }
    }

    pub(crate) fn tool(mut self, tool: &Arc<impl Tool>) -> Self {
        self.tools.push(tool.clone());
        self
    }

    /// With a skill whose workflow must be in order.
    pub(crate) fn skill(mut self, skill: SkillDefinition) -> Self {
        self.skills.push(skill);
        self
    }

    pub(crate) async fn run(&self) -> Finished {
        match self.drive().await {
            Ended::Finished { outcome, unrecorded } => Finished { outcome, unrecorded },
            Ended::Suspended(suspension) => panic!("it rests: {suspension:?}"),
        }
    }

    pub(crate) async fn suspension(&self) -> Suspension {
        match self.drive().await {
            Ended::Suspended(suspension) => suspension,
            Ended::Finished { outcome, .. } => panic!("it ended: {outcome:?}"),
        }
    }

    async fn drive(&self) -> Ended {
        let definition = AgentDefinition::new(AgentId::new("helper").unwrap(), "You help.");
        let mut bound: Vec<_> = self
            .tools
            .iter()
            .map(|tool| Arc::new(BoundTool::new(tool.clone(), self.defaults.clone()).unwrap()))
            .collect();
        if !self.delegates.is_empty() {
            let spec = delegation_spec(self.delegates.iter().map(|id| (id, ""))).unwrap();
            bound.push(Arc::new(BoundTool::delegation(spec).unwrap()));
        }
        for skill in &self.skills {
            let find = |name: &str| match bound.iter().find(|tool| tool.spec().name.as_str() == name) {
                Some(tool) => Named::Tool(tool.clone()),
                None => Named::Nothing,
            };
            let made = MadeWorkflow::new(skill, &find);
            assert_eq!(made.findings, []);
            bound.push(Arc::new(made.tool.unwrap()));
        }
        let agent = AgentPlan {
            prompt: PromptLayers::new(&Definitions::default(), &definition, 1000),
            model: ModelPlan {
                name: ModelName::new("scripted/one").unwrap(),
                fallback: self.fallback.map(|name| ModelName::new(name).unwrap()),
                temperature: Some(0.1),
                max_tokens: self.max_tokens,
            },
            tools: ToolSet::new(&definition.id, bound),
            input_schema: None,
            output_schema: None,
            definition: Arc::new(definition),
        };
        let run = Run {
            instructions: None,
            context: ToolContext::root(
                self.id.clone().unwrap_or_else(ExecutionId::generate),
                agent.definition.id.clone(),
            ),
            model: agent.model.clone(),
            agent: Arc::new(agent),
            message: "hello".into(),
            limits: self.limits,
            ledger: self.ledger.clone().unwrap_or_else(|| Ledger::open(&self.limits, self.parent.as_ref())),
            hooks: self.hooks.clone(),
            output_schema: self.output.clone().map(|schema| Arc::new(OutputSchema::compile(schema).unwrap())),
            setting: self.setting.clone(),
            delivery: self.delivery,
            past: self.past.clone(),
        };
        let ports = Ports {
            model: self.asked.as_deref().unwrap_or(&self.model),
            delegator: &*self.delegator,
            recorder: &self.log,
            clock: &SystemClock,
        };
        let ended = drive(&run, ports, &self.cancel).await;
        if let Ended::Finished { outcome, .. } = &ended {
            farewell(&run, outcome).await;
        }
        ended
    }

    pub(crate) async fn outcome(&self) -> Outcome {
        self.finished().await.0
    }

    /// How the run ended, and what the log lacks of it.
    pub(crate) async fn finished(&self) -> (Outcome, Option<LogEvent>) {
        let Finished { outcome, unrecorded } = self.run().await;
        (outcome, unrecorded)
    }

    /// The requests that reached the model.
    pub(crate) fn requests(&self) -> Vec<ModelRequest> {
        self.model.requests()
    }

    /// The tool results that the model saw in its last request.
    pub(crate) fn results(&self) -> Vec<String> {
        let last = self.requests().pop().unwrap();
        let result = |message: Message| match message {
            Message::Tool { content, .. } => Some(content.to_string()),
            _ => None,
        };
        last.messages.into_iter().filter_map(result).collect()
    }
}
