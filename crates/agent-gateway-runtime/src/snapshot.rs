//! One immutable set of agents, skills and tools. A run keeps the snapshot that it began with.
use std::{collections::BTreeSet, sync::Arc};

use agent_gateway_core::{
    Error, JsonMap, Result,
    agent::{AgentDefinition, Availability},
    config::ToolVisibility,
    definitions::Definitions,
    diagnostic::Diagnostic,
    id::{AgentId, ModelName, ToolName},
    ports::definition::DefinitionSource,
    tool::{ToolAccess, ToolSource, ToolSpec},
};
use agent_gateway_engine::{
    AgentPlan, BoundTool, DELEGATE, FieldError, MadeWorkflow, ModelPlan, Named, OutputSchema, PromptLayers,
    Schema, ToolSet, delegation_spec,
};
use indexmap::IndexMap;

use crate::{Recipe, SchemaOverrides};

/// The key of findings about the application's tools, after the method that takes them. An error among them is the application's,
/// and not of a file that can be left out.
pub const CODE_TOOL: &str = "tool";

/// Everything that is served, made ready to run.
#[derive(Debug, Default)]
pub struct Snapshot {
    definitions: Definitions,
    agents: IndexMap<AgentId, Arc<AgentPlan>>,
    tools: IndexMap<ToolName, Arc<BoundTool>>,
}

impl Snapshot {
    /// Reads definitions and makes them ready to run. An error means that nothing could be read at all.
    pub async fn read(source: &dyn DefinitionSource, recipe: &Recipe) -> Result<Self> {
        Ok(Self::new(source.read().await?, recipe))
    }

    /// Makes definitions ready to run. What cannot be made ready is left out and named in the diagnostics.
    #[must_use]
    pub fn new(mut definitions: Definitions, recipe: &Recipe) -> Self {
        let mut tools = bind_tools(&mut definitions, recipe);
        bind_workflows(&mut definitions, &mut tools);
        check_skills(&mut definitions, &tools);
        let mut agents = IndexMap::new();
        let mut findings = Vec::new();
        for (id, definition) in &definitions.agents {
            match plan_agent(definition, &definitions, &tools, recipe) {
                Ok(plan) => {
                    agents.insert(id.clone(), Arc::new(plan));
                }
                Err(finding) => findings.push(*finding),
            }
        }
        let is_alone = definitions.agents.len() < 2;
        let delegation = delegation(definitions.agents.values()).filter(|_| !is_alone);
        if let Some(delegation) = delegation {
            tools.insert(delegation.spec().name.clone(), delegation);
        }
        definitions.diagnostics.extend(findings);
        let unknown = schemas_of_nobody(&definitions, recipe);
        definitions.diagnostics.extend(unknown);
        Self { definitions, agents, tools }
    }

    /// The agents that can be run, in directory order.
    pub fn agents(&self) -> impl ExactSizeIterator<Item = &Arc<AgentDefinition>> {
        self.agents.values().map(|plan| &plan.definition)
    }

    /// One agent.
    #[must_use]
    pub fn agent(&self, id: &str) -> Option<&Arc<AgentDefinition>> {
        self.agents.get(id).map(|plan| &plan.definition)
    }

    /// The models that an agent asks, in order.
    #[must_use]
    pub fn models(&self, agent: &AgentDefinition) -> Vec<&ModelName> {
        let plan = self.agents.get(&agent.id);
        plan.into_iter()
            .flat_map(|plan| std::iter::once(&plan.model.name).chain(&plan.model.fallback))
            .collect()
    }

    /// What was read, and what was found wrong with it.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// Every tool, in the order file, code.
    pub fn tools(&self) -> impl ExactSizeIterator<Item = &ToolSpec> {
        self.tools.values().map(|tool| &**tool.spec())
    }

    /// One tool.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&ToolSpec> {
        self.tools.get(name).map(|tool| &**tool.spec())
    }

    /// How arguments miss a tool's schema; `None` when there is no such tool.
    pub(crate) fn check_arguments(&self, tool: &str, arguments: &JsonMap) -> Option<Vec<FieldError>> {
        self.tools.get(tool).map(|tool| tool.check(arguments, &["body", "arguments"]))
    }

    /// The names of the tools of an agent's skills, in the order of the skills.
    #[must_use]
    pub fn skill_tools(&self, agent: &AgentDefinition) -> Vec<&str> {
        skill_tools(agent, &self.definitions, &self.tools)
    }

    pub(crate) fn plan(&self, id: &str) -> Option<&Arc<AgentPlan>> {
        self.agents.get(id)
    }
}

/// File tools first, then code tools, which win over file tools of the same name.
fn bind_tools(definitions: &mut Definitions, recipe: &Recipe) -> IndexMap<ToolName, Arc<BoundTool>> {
    let mut bound = IndexMap::new();
    let mut findings = Vec::new();
    for (name, definition) in &definitions.tools {
        let file = format!("tools/{}/TOOL.md", definition.id);
        if name.as_str() == DELEGATE {
            findings.push(Diagnostic::error(file, taken()).hint("give it another name"));
            continue;
        }
        let tool = recipe.tool_factory.build(definition);
        match tool.and_then(|tool| BoundTool::new(tool, definition.defaults.clone())) {
            Ok(tool) => drop(bound.insert(name.clone(), Arc::new(tool))),
            Err(error) => findings.push(unusable(&file, "the tool is not served", &error)),
        }
    }
    for tool in &recipe.code_tools {
        let spec = tool.spec();
        let of_code = |message| Diagnostic::error("", message).key(CODE_TOOL);
        if spec.name.as_str() == DELEGATE {
            findings.push(of_code(taken()).hint("give it another name"));
            continue;
        }
        if let Some(earlier) = bound.get(&spec.name).filter(|earlier| !is_file(earlier)) {
            let (name, one, other) = (&spec.name, &earlier.spec().summary, &spec.summary);
            findings.push(
                of_code(format!(
                    "two tools of the application are named '{name}': \"{one}\" and \"{other}\""
                ))
                .hint("the model calls a tool by its name: give one of them another"),
            );
            continue;
        }
        match BoundTool::new(tool.clone(), JsonMap::new()) {
            Ok(tool) => {
                if bound.insert(spec.name.clone(), Arc::new(tool)).is_some() {
                    let message =
                        format!("the application's tool '{}' replaces the file tool of that name", spec.name);
                    findings.push(Diagnostic::warning("", message).key(CODE_TOOL));
                }
                findings.extend(unknown_agents(spec, definitions));
            }
            Err(error) => findings.push(of_code(format!("the application's tool cannot be served: {error}"))),
        }
    }
    definitions.diagnostics.extend(findings);
    bound
}

/// The skills that have steps, as tools of their names. One that cannot be run as it is written stays a skill without them.
fn bind_workflows(definitions: &mut Definitions, tools: &mut IndexMap<ToolName, Arc<BoundTool>>) {
    let find = |name: &str| match (tools.get(name), definitions.skills.get(name)) {
        (Some(tool), _) => Named::Tool(tool.clone()),
        // The tool of that name is each agent's own.
        (None, Some(skill)) if !skill.steps.is_empty() && name != DELEGATE => Named::Workflow,
        (None, _) => Named::Nothing,
    };
    let (mut bound, mut findings) = (Vec::new(), Vec::new());
    for skill in definitions.skills.values() {
        let made = MadeWorkflow::new(skill, &find);
        findings.extend(made.findings);
        let Some(workflow) = made.tool else { continue };
        if tools.contains_key(skill.id.as_str()) || skill.id.as_str() == DELEGATE {
            let message = format!(
                "a tool is named `{}` already; the skill is offered as instructions alone, not as a workflow",
                skill.id
            );
            let finding = Diagnostic::error(format!("skills/{}/SKILL.md", skill.id), message);
            findings.push(finding.hint("rename the skill's folder, or the tool"));
        } else {
            bound.push((workflow.spec().name.clone(), Arc::new(workflow)));
        }
    }
    tools.extend(bound);
    definitions.diagnostics.extend(findings);
}

fn taken() -> String {
    format!("a tool named '{DELEGATE}' is not served: agents hand work to each other by a tool of that name")
}

/// The tool by which work is handed to these agents; none where there is nobody.
fn delegation<'a>(others: impl Iterator<Item = &'a Arc<AgentDefinition>>) -> Option<Arc<BoundTool>> {
    let mut others = others.map(|other| (&other.id, other.description.as_str())).peekable();
    others.peek()?;
    let bound = delegation_spec(others).and_then(BoundTool::delegation);
    bound
        .inspect_err(|error| tracing::error!(?error, "the delegation tool could not be made"))
        .ok()
        .map(Arc::new)
}

/// The agents that a code tool allows and that are not there.
fn unknown_agents<'a>(
    spec: &'a ToolSpec,
    definitions: &'a Definitions,
) -> impl Iterator<Item = Diagnostic> + use<'a> {
    let allowed = match &spec.access {
        ToolAccess::Everyone => &[][..],
        ToolAccess::Only(agents) => agents,
    };
    let unknown = allowed.iter().filter(|agent| !definitions.agents.contains_key(agent.as_str()));
    unknown.map(|agent| {
        let message =
            format!("the application's tool '{}' allows the agent '{agent}', which is not there", spec.name);
        Diagnostic::warning("", message).key(CODE_TOOL).hint("an agent's name is that of its directory")
    })
}

fn is_file(tool: &BoundTool) -> bool {
    tool.spec().source == ToolSource::File
}

fn unusable(file: &str, what: &str, error: &Error) -> Diagnostic {
    Diagnostic::error(file, format!("{what}: {error}"))
}

fn check_skills(definitions: &mut Definitions, tools: &IndexMap<ToolName, Arc<BoundTool>>) {
    let mut findings = Vec::new();
    for skill in definitions.skills.values() {
        for name in &skill.tools {
            if name != DELEGATE && !tools.contains_key(name.as_str()) {
                let finding = Diagnostic::warning(
                    format!("skills/{}/SKILL.md", skill.id),
                    format!("no tool named '{name}' is served"),
                );
                findings.push(
                    finding
                        .key("tools")
                        .hint("a tool's name is the 'name' of its TOOL.md, or else its directory"),
                );
            }
        }
    }
    definitions.diagnostics.extend(findings);
}

/// Schemas that the application sets for agents that are not there.
fn schemas_of_nobody(definitions: &Definitions, recipe: &Recipe) -> Vec<Diagnostic> {
    let SchemaOverrides { input, output } = &recipe.schemas;
    let set =
        input.keys().map(|id| ("input_schema", id)).chain(output.keys().map(|id| ("output_schema", id)));
    set.filter(|(_, id)| !definitions.agents.contains_key(*id))
        .map(|(key, id)| {
            let message = format!(
                "the application sets a schema for the agent '{id}', which the workspace does not have"
            );
            Diagnostic::warning("", message).key(format!("set_{key}")).hint("the schema has no effect")
        })
        .collect()
}

fn plan_agent(
    agent: &Arc<AgentDefinition>,
    definitions: &Definitions,
    tools: &IndexMap<ToolName, Arc<BoundTool>>,
    recipe: &Recipe,
) -> Result<AgentPlan, Box<Diagnostic>> {
    let unfit = |key: &'static str| {
        let file = format!("agents/{}/AGENT.md", agent.id);
        let set = match key {
            "input_schema" => recipe.schemas.input.contains_key(&agent.id),
            "output_schema" => recipe.schemas.output.contains_key(&agent.id),
            _ => false,
        };
        let by = if set { ", for the schema that the application sets" } else { "" };
        move |error: Error| {
            Box::new(unusable(&file, &format!("the agent is not served{by}"), &error).key(key))
        }
    };
    agent.setup_schema.as_deref().map(Schema::compile).transpose().map_err(unfit("setup_schema"))?;
    let mut definition = AgentDefinition::clone(agent);
    if let Some(schema) = recipe.schemas.input.get(&agent.id) {
        definition.input_schema = Some(schema.clone());
    }
    if let Some(schema) = recipe.schemas.output.get(&agent.id) {
        definition.output_schema = Some(schema.clone());
    }
    if let Some(schema) = definition.setup_schema.as_deref() {
        Schema::compile(schema).map_err(unfit("setup_schema"))?;
    }
    let input_schema =
        definition.input_schema.as_deref().map(Schema::compile).transpose().map_err(unfit("input_schema"))?;
    let output_schema = definition.output_schema.clone().map(OutputSchema::compile).transpose();
    let output_schema = output_schema.map_err(unfit("output_schema"))?.map(Arc::new);
    let mut own = offered(&definition, definitions, tools, recipe.visibility);
    let others = definitions.agents.values().filter(|other| {
        other.id != definition.id
            && other.availability == Availability::Enabled
            && definition.delegates_to.allows(other.id.as_str())
    });
    own.extend(delegation(others));
    Ok(AgentPlan {
        prompt: PromptLayers::new(definitions, &definition, recipe.max_context_file_chars),
        model: model_plan(&definition, recipe),
        tools: ToolSet::new(&agent.id, own),
        input_schema,
        output_schema,
        definition: Arc::new(definition),
    })
}

/// An agent's own fallback always counts; the gateway's counts for the gateway's model alone. The names `default` and
/// `fallback` stand for the gateway's models.
pub(crate) fn model_plan(agent: &AgentDefinition, recipe: &Recipe) -> ModelPlan {
    let stands_for = |name: &ModelName| match (name.as_str(), &recipe.fallback_model) {
        ("default", _) | ("fallback", None) => None,
        ("fallback", Some(fallback)) => Some(fallback.clone()),
        _ => Some(name.clone()),
    };
    let own = agent.model.name.as_ref().and_then(stands_for);
    let fallback = match (&agent.model.fallback, &own) {
        (Some(fallback), _) => Some(stands_for(fallback).unwrap_or_else(|| recipe.default_model.clone())),
        (None, Some(_)) => None,
        (None, None) => recipe.fallback_model.clone(),
    };
    let name = own.unwrap_or_else(|| recipe.default_model.clone());
    let own = &agent.model;
    ModelPlan {
        fallback: fallback.filter(|fallback| *fallback != name),
        name,
        temperature: Some(own.temperature.unwrap_or(recipe.temperature)),
        max_tokens: Some(own.max_tokens.unwrap_or(recipe.max_tokens)),
    }
}

/// Whether a name stands for one of the gateway's models.
pub(crate) fn is_of_gateway(name: &ModelName) -> bool {
    matches!(name.as_str(), "default" | "fallback")
}

/// The names of the tools of an agent's skills, and of the skills among them that are workflows.
fn skill_tools<'a>(
    agent: &AgentDefinition,
    definitions: &'a Definitions,
    tools: &IndexMap<ToolName, Arc<BoundTool>>,
) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let skills = agent.skills.iter().filter_map(|id| definitions.skills.get(id.as_str()));
    let names = skills.flat_map(|skill| {
        let workflow =
            tools.get(skill.id.as_str()).filter(|tool| tool.is_workflow()).map(|_| skill.id.as_str());
        skill.tools.iter().map(String::as_str).chain(workflow)
    });
    names.filter(|name| seen.insert(*name)).collect()
}

/// The tools that an agent is offered: those of its skills by name, then the others that it may see, in registry order.
fn offered(
    agent: &AgentDefinition,
    definitions: &Definitions,
    tools: &IndexMap<ToolName, Arc<BoundTool>>,
    visibility: ToolVisibility,
) -> Vec<Arc<BoundTool>> {
    let mut names = skill_tools(agent, definitions, tools);
    names.sort_unstable();
    let of_skills = names.into_iter().filter_map(|name| tools.get(name));
    let others = tools.values().filter(|tool| match visibility {
        ToolVisibility::All => true,
        ToolVisibility::Skills => tool.spec().source == ToolSource::Code,
    });
    of_skills.chain(others).cloned().collect()
}
