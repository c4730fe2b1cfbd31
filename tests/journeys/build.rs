//! Building: what is chosen where, and what is refused.
use agent_gateway::{
    AuthSummary, BuildError, Gateway, ModelSource, core::diagnostic::Severity, prelude::*,
    sqlite::SqliteConfig,
};

use crate::world::{Workspace, no_vars, vars};

#[tokio::test]
async fn every_problem_comes_in_one_report() {
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", "server: {prot: 1}\nmodel: {default: '${NOWHERE}'}\nnonsense: 1\n");
    let built = Gateway::builder(workspace.path()).use_vars(no_vars()).auth_from_workspace().build().await;
    let Err(BuildError::Configuration(findings)) = built else { panic!("it was built") };
    for part in ["prot", "NOWHERE", "nonsense", "no key"] {
        assert!(findings.iter().any(|finding| finding.to_string().contains(part)), "{part}: {findings:#?}");
    }
}

#[tokio::test]
async fn code_wins_over_the_environment_over_the_file_over_the_default() {
    let workspace = Workspace::helper();
    let yaml = "server: {port: 1111}\nguardrails: {max_iterations: 3}\nauth: {enabled: false}\npersistence: {enabled: false}\n";
    workspace.write("gateway.yaml", yaml);
    let environment = vars(&[("AGENT_GATEWAY_SERVER__PORT", "2222"), ("OPENAI_API_KEY", "sk-x")]);
    let plan = Gateway::builder(workspace.path()).use_vars(environment).auth_from_workspace().check().await;
    assert_eq!((plan.config.server.port, plan.config.guardrails.max_iterations), (2222, 3));
    assert_eq!(plan.config.guardrails.max_tool_calls, 20);
    assert_eq!((plan.auth.clone(), plan.model.1), (AuthSummary::Open, ModelSource::Configured));
    let keys = [ApiKey::new("service-a", "a-long-enough-key")];
    let plan = Gateway::builder(workspace.path()).use_vars(no_vars()).use_api_keys(keys).check().await;
    assert_eq!((plan.auth.clone(), plan.model.1), (AuthSummary::Provider, ModelSource::Offline));
}

#[tokio::test]
async fn where_code_decides_who_may_call_the_file_need_not() {
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", "auth: {mode: custom}\npersistence: {enabled: false}\n");
    let keys = [ApiKey::new("service-a", "a-long-enough-key")];
    Gateway::builder(workspace.path()).use_vars(no_vars()).use_api_keys(keys).build().await.unwrap();
    let built = Gateway::builder(workspace.path()).use_vars(no_vars()).auth_from_workspace().build().await;
    assert!(matches!(built, Err(BuildError::Configuration(_))), "{built:?}");
}

#[tokio::test]
async fn a_key_without_a_text_is_refused() {
    let workspace = Workspace::helper();
    let keys = [ApiKey::new("service-a", "")];
    let built = Gateway::builder(workspace.path()).use_vars(no_vars()).use_api_keys(keys).build().await;
    assert!(matches!(built, Err(BuildError::Configuration(_))), "{built:?}");
}

/// Says hello.
#[tool]
async fn greet(name: &str) -> String {
    format!("hello {name}")
}

#[tokio::test]
async fn faulty_tools_of_the_application_are_problems_of_the_report() {
    let workspace = Workspace::helper();
    let schema = || serde_json::json!({"type": "object"});
    let again = FunctionTool::builder("greet", "Greets once more").handler(|(), _| async { "hi" });
    let odd = FunctionTool::new("odd", "", serde_json::json!({"type": 5}), |_, _| async {
        Ok(ToolOutput::Text(String::new()))
    });
    let unnamed = FunctionTool::builder("no name", "").schema(schema()).handler(|_, _| async { "hi" });
    let builder = Gateway::builder(workspace.path()).use_vars(no_vars()).tool(greet).tool(again);
    let built = builder.tool(odd).tool(unnamed).without_auth().build().await;
    let Err(BuildError::Configuration(findings)) = built else { panic!("it was built") };
    for part in ["Greets once more", "not a usable JSON Schema", "no name"] {
        assert!(findings.iter().any(|finding| finding.to_string().contains(part)), "{part}: {findings:#?}");
    }
    assert_eq!(findings.len(), 3, "{findings:#?}");
}

#[tokio::test]
async fn a_function_is_a_tool_of_every_agent() {
    let workspace = Workspace::helper();
    let builder = Gateway::builder(workspace.path()).use_vars(no_vars()).use_memory_queue().tool(greet);
    let gateway = builder.without_auth().build().await.unwrap();
    let execution = gateway.invoke("helper", r#"use greet {"name": "Ann"}"#).await.unwrap();
    assert!(execution.text().contains("hello Ann"), "{}", execution.text());
    gateway.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_stops_the_start() {
    let workspace = Workspace::helper();
    let nowhere = workspace.path().join("no/such/directory/x.db");
    let builder =
        Gateway::builder(workspace.path()).use_vars(no_vars()).use_sqlite(SqliteConfig::file(nowhere));
    let Err(BuildError::Backend(error)) = builder.without_auth().build().await else {
        panic!("it was built")
    };
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error}");
}

#[tokio::test]
async fn an_agent_whose_model_leads_nowhere_is_named() {
    let workspace = Workspace::helper();
    workspace.write("agents/helper/AGENT.md", "---\nmodel: {name: nowhere/x}\n---\nYou help.");
    let plan = Gateway::builder(workspace.path()).use_vars(no_vars()).without_auth().check().await;
    let found = plan.diagnostics().find(|finding| finding.file == "agents/helper/AGENT.md").unwrap();
    assert!(found.severity == Severity::Warning && found.message.contains("nowhere"), "{found}");
}

#[tokio::test]
async fn what_is_not_supported_yet_is_said() {
    let workspace = Workspace::helper();
    let agent = "---\nretrievers: [docs]\nmemory: {enabled: true}\nmcp_servers: [a]\nschedules: [{name: x, cron: '0 9 * * *', message: go}]\n---\nYou help.";
    workspace.write("agents/helper/AGENT.md", agent);
    workspace.write(
        "gateway.yaml",
        "persistence: {enabled: false}\ncors: {enabled: true}\nscheduler: {max_instances: 2}\n",
    );
    let plan = Gateway::builder(workspace.path()).use_vars(no_vars()).without_auth().check().await;
    let warned: Vec<String> = plan
        .diagnostics()
        .filter(|finding| {
            finding.severity == Severity::Warning && finding.message.contains("not yet supported")
        })
        .map(|finding| finding.key.clone())
        .collect();
    for key in ["retrievers", "memory", "mcp_servers", "schedules", "cors", "scheduler"] {
        assert!(warned.iter().any(|warned| warned.starts_with(key)), "{key} is not in {warned:?}");
    }
}
