//! What is served, and what a reload changes.
use std::sync::Arc;

use agent_gateway_core::{
    config::ToolVisibility,
    definitions::Definitions,
    diagnostic::Severity,
    id::{ModelName, SkillId},
    skill::SkillDefinition,
    tool::{Approval, ToolAccess, ToolSource},
};
use agent_gateway_runtime::{CODE_TOOL, HealthStatus, Recipe};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::json;

use crate::world::{Source, World, agent, request};

fn with_skill(skill_tools: &[&str]) -> Source {
    let mut definitions = Definitions::default();
    let mut skill = SkillDefinition::new(SkillId::new("know").unwrap(), "Know.");
    skill.tools = skill_tools.iter().map(|&name| name.to_owned()).collect();
    definitions.skills.insert(skill.id.clone(), Arc::new(skill));
    let mut helper = agent("helper");
    helper.skills = vec!["know".to_owned()];
    definitions.agents.insert(helper.id.clone(), Arc::new(helper));
    let source = Source::default();
    *source.0.lock().unwrap() = definitions;
    source
}

fn mcp_like(name: &str) -> Arc<FnTool> {
    Arc::new(FnTool::text(name, "ok").unwrap().with_spec(|spec| spec.source = ToolSource::File))
}

async fn offered(source: Source, change: impl FnOnce(Recipe) -> Recipe) -> Vec<String> {
    let world = World::start(source, ScriptedModel::new([Reply::text("ok")]), change).await;
    world.finish(request("helper", "hi")).await;
    world.model.requests()[0].tools.iter().map(|tool| tool.name.to_string()).collect()
}

#[tokio::test]
async fn an_agent_is_offered_the_tools_of_its_skills_by_name_and_then_the_code_tools_that_allow_it() {
    let foreign = FnTool::text("foreign", "ok").unwrap();
    let foreign = foreign.with_spec(|spec| spec.access = ToolAccess::Only(vec!["other".to_owned()]));
    let guarded = FnTool::text("guarded", "ok").unwrap().with_spec(|spec| spec.approval = Approval::Required);
    let code = Arc::new(FnTool::text("code", "ok").unwrap());
    let (foreign, guarded) = (Arc::new(foreign), Arc::new(guarded));
    let tools = || -> Vec<Arc<dyn agent_gateway_core::ports::tool::Tool>> {
        vec![
            mcp_like("zeta"),
            mcp_like("stray"),
            mcp_like("alpha"),
            code.clone(),
            foreign.clone(),
            guarded.clone(),
        ]
    };
    let with = |visibility| {
        let tools = tools();
        move |mut recipe: Recipe| {
            (recipe.code_tools, recipe.visibility) = (tools, visibility);
            recipe
        }
    };
    let names = ["zeta", "alpha", "missing"];
    assert_eq!(
        offered(with_skill(&names), with(ToolVisibility::Skills)).await,
        ["alpha", "zeta", "code", "guarded"]
    );
    let all = offered(with_skill(&names), with(ToolVisibility::All)).await;
    assert_eq!(all, ["alpha", "zeta", "stray", "code", "guarded"]);
}

#[tokio::test]
async fn an_agent_whose_schema_is_none_is_left_out_and_named() {
    let mut broken = agent("broken");
    broken.input_schema = Some(Arc::new(json!({"type": "objekt"})));
    let world = World::new([agent("helper"), broken], ScriptedModel::new([])).await;
    let (catalogue, snapshot) = (world.gateway.catalogue(), world.gateway.catalogue().snapshot());
    assert!(snapshot.agent("broken").is_none() && snapshot.agent("helper").is_some());
    let finding = &snapshot.definitions().diagnostics[0];
    assert_eq!((finding.severity, finding.file.as_str()), (Severity::Error, "agents/broken/AGENT.md"));
    assert_eq!(catalogue.health().status, HealthStatus::Degraded);
}

#[tokio::test]
async fn schemas_of_the_application_are_checked_and_survive_a_reload() {
    let id = |id: &str| agent_gateway_core::id::AgentId::new(id).unwrap();
    let set = |mut recipe: Recipe| {
        recipe.schemas.input.insert(id("nobody"), Arc::new(json!({"type": "object"})));
        recipe.schemas.output.insert(id("helper"), Arc::new(json!({"$ref": "https://example.com/x"})));
        recipe
    };
    let mut personal = agent("personal");
    personal.setup_schema = Some(Arc::new(json!({"properties": {"a": {"$ref": "#/$defs/none"}}})));
    let source = Source::with([agent("helper"), personal]);
    let world = World::start(source, ScriptedModel::new([]), set).await;
    for _ in 0..2 {
        let snapshot = world.gateway.catalogue().snapshot();
        assert_eq!(snapshot.agents().len(), 0);
        let told: Vec<_> = snapshot
            .definitions()
            .diagnostics
            .iter()
            .map(|finding| {
                (finding.severity, finding.file.as_str(), finding.key.as_str(), finding.message.as_str())
            })
            .collect();
        let [helper, personal, nobody] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(
            (helper.0, helper.1, helper.2),
            (Severity::Error, "agents/helper/AGENT.md", "output_schema")
        );
        assert!(helper.3.contains("that the application sets") && helper.3.contains("nothing is fetched"));
        assert_eq!((personal.1, personal.2), ("agents/personal/AGENT.md", "setup_schema"));
        assert_eq!((nobody.0, nobody.1, nobody.2), (Severity::Warning, "", "set_input_schema"));
        assert!(nobody.3.contains("'nobody'"), "{nobody:?}");
        world.gateway.catalogue().reload().await.unwrap();
    }
}

#[tokio::test]
async fn two_code_tools_of_one_name_are_an_error_that_names_both() {
    let tool = |about: &str| {
        Arc::new(FnTool::text("search", "ok").unwrap().with_spec(|spec| spec.summary = about.into()))
    };
    let (one, other) = (tool("Searches the pages"), tool("Searches the people"));
    let lost = FnTool::text("lost", "ok").unwrap();
    let lost = Arc::new(lost.with_spec(|spec| spec.access = ToolAccess::Only(vec!["nobody".to_owned()])));
    let broken = Arc::new(FnTool::text("broken", "ok").unwrap().parameters(json!({"type": "objekt"})));
    let world = World::start(Source::default(), ScriptedModel::new([]), |mut recipe| {
        recipe.code_tools = vec![one, other, lost, broken];
        recipe
    })
    .await;
    let snapshot = world.gateway.catalogue().snapshot();
    let findings = &snapshot.definitions().diagnostics;
    let said = |severity, words: &[&str]| {
        let fits = |text: String| words.iter().all(|word| text.contains(word));
        findings.iter().any(|finding| {
            finding.severity == severity && finding.key == CODE_TOOL && fits(finding.to_string())
        })
    };
    assert!(
        said(Severity::Error, &["'search'", "Searches the pages", "Searches the people"]),
        "{findings:#?}"
    );
    assert!(said(Severity::Error, &["broken", "JSON Schema"]), "{findings:#?}");
    assert!(said(Severity::Warning, &["'lost'", "'nobody'"]), "{findings:#?}");
    assert_eq!(&*snapshot.tool("search").unwrap().summary, "Searches the pages", "the first one stays");
}

#[tokio::test]
async fn an_agents_model_is_its_own_or_the_gateways() {
    let named = |id: &str, model: Option<&str>, fallback: Option<&str>| {
        let mut agent = agent(id);
        agent.model.name = model.map(|name| ModelName::new(name).unwrap());
        agent.model.fallback = fallback.map(|name| ModelName::new(name).unwrap());
        agent
    };
    let agents = [
        named("plain", None, None),
        named("own", Some("a/b"), None),
        named("both", Some("a/b"), Some("c/d")),
        named("reserved", Some("default"), Some("fallback")),
        named("other", None, Some("c/d")),
    ];
    let source = Source::default();
    for agent in agents {
        source.0.lock().unwrap().agents.insert(agent.id.clone(), Arc::new(agent));
    }
    let with_fallback = |mut recipe: Recipe| {
        recipe.fallback_model = Some(ModelName::new("scripted/two").unwrap());
        recipe
    };
    let world = World::start(source, ScriptedModel::new([]), with_fallback).await;
    let snapshot = world.gateway.catalogue().snapshot();
    let models = |id: &str| {
        let models = snapshot.models(snapshot.agent(id).unwrap());
        models.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(models("plain"), "scripted/one scripted/two");
    assert_eq!(models("own"), "a/b", "the gateway's fallback is for the gateway's model");
    assert_eq!(models("both"), "a/b c/d");
    assert_eq!(models("reserved"), "scripted/one scripted/two", "these names stand for the gateway's models");
    assert_eq!(models("other"), "scripted/one c/d");
}

#[tokio::test]
async fn a_reload_swaps_the_agents_and_runs_under_way_keep_theirs() {
    let world = World::helper([Reply::text("old").after(std::time::Duration::from_millis(50))]).await;
    let (done, health) = tokio::join!(world.finish(request("helper", "hi")), async {
        world.model.wait_for_requests(1).await;
        let mut definitions = world.source.0.lock().unwrap().clone();
        definitions.agents.clear();
        definitions.agents.insert(agent("new").id, Arc::new(agent("new")));
        *world.source.0.lock().unwrap() = definitions;
        world.gateway.catalogue().reload().await.unwrap()
    });
    assert_eq!((done.outcome.raw_text.as_str(), health.agent_count), ("old", 1));
    assert!(world.gateway.catalogue().snapshot().agent("new").is_some());
    assert!(world.submit(request("helper", "hi")).await.is_err());
}
