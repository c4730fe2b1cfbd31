//! The commands that print something.
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Workspace, run, stderr, stdout};

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_str(&stdout(output))
        .unwrap_or_else(|error| panic!("{error}: {} {}", stdout(output), stderr(output)))
}

#[test]
fn a_new_project_passes_its_check_and_is_listed() {
    agent_gateway_testkit::needs_python!("commands::a_new_project_passes_its_check_and_is_listed");
    let directory = TempDir::new().unwrap();
    let made = run(&["init", "my-project"], directory.path());
    assert!(made.status.success() && stdout(&made).contains("cd my-project"), "{made:?}");
    let project = directory.path().join("my-project");
    let check = run(&["check", "--json"], &project);
    let report = json_of(&check);
    assert_eq!((check.status.code(), &report["valid"]), (Some(0), &json!(true)), "{report}");
    assert_eq!((&report["errors"], &report["warnings"]), (&json!([]), &json!([])));
    assert_eq!(json_of(&run(&["agents", "--json"], &project))[0]["id"], "assistant");
    assert_eq!(json_of(&run(&["skills", "--format", "json"], &project))[0]["tools"], json!(["current-time"]));
    assert_eq!(
        stdout(&run(&["agents", "-f", "csv"], &project)),
        "id,skills,tools,model\nassistant,1,1,(default)\n"
    );
    let again = run(&["init", "my-project"], directory.path());
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("already exists"), "{}", stderr(&again));
    assert_eq!(run(&["init", "my project"], directory.path()).status.code(), Some(1));
}

#[test]
fn invoke_prints_the_answer_and_tells_by_its_code() {
    let workspace = Workspace::helper();
    let told = workspace.run(&["invoke", "helper", "good morning"]);
    assert!(told.status.success() && stdout(&told).starts_with("Status: completed\n\n"), "{told:?}");
    assert!(stdout(&told).contains("good morning"));
    let output = workspace.run(&["invoke", "helper", "good morning", "--json"]);
    assert_eq!(json_of(&output)["status"], "completed");
    let unknown = workspace.run(&["invoke", "nobody", "hi"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("Available agents: helper"), "{}", stderr(&unknown));
    assert_eq!(workspace.run(&["invoke", "helper"]).status.code(), Some(2), "wrong usage");
    workspace.write("gateway.yaml", "auth: {enabled: false}\nmodel: {default: openai/x, providers: {openai: {base_url: 'http://127.0.0.1:9/v1'}}}\n");
    let failed = workspace.run(&["invoke", "helper", "hi", "--json"]);
    assert_eq!(
        (failed.status.code(), &json_of(&failed)["status"]),
        (Some(3), &json!("failed")),
        "{}",
        stderr(&failed)
    );
}

#[test]
fn help_and_version_are_there() {
    let directory = TempDir::new().unwrap();
    assert_eq!(
        stdout(&run(&["version"], directory.path())),
        format!("agent-gateway {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(run(&[], directory.path()).status.code(), Some(2), "no arguments print the help");
    assert!(stdout(&run(&["--help"], directory.path())).contains("serve"));
    let nowhere = run(&["check"], directory.path());
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("--workspace"), "{}", stderr(&nowhere));
}

#[test]
fn nothing_is_coloured_where_no_terminal_is() {
    let workspace = Workspace::new(&[
        ("agents/helper/AGENT.md", "---\nenabled: [\n---\nx"),
        ("gateway.yaml", "nonsense: 1\n"),
    ]);
    let check = workspace.run(&["check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(!stdout(&check).contains('\u{1b}') && stdout(&check).contains("[x] "), "{}", stdout(&check));
}
