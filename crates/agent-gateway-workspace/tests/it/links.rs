//! Symbolic links: within the workspace they are followed, out of it nothing is.
#![cfg(unix)]
use std::os::unix::fs::symlink;

use agent_gateway_core::tool::Handler;
use agent_gateway_core::vars::MapVars;
use agent_gateway_workspace::read_config;

use crate::support::{findings, workspace};

#[test]
fn nothing_outside_is_read() {
    let outside = tempfile::tempdir().unwrap();
    for file in ["AGENT.md", "SKILL.md", "TOOL.md", "secret.md", "handler.py", "BEHAVIOR.md"] {
        std::fs::write(outside.path().join(file), "outside").unwrap();
    }
    let folder = workspace([
        ("agents/good/AGENT.md", "---\ncontext: [linked.md]\n---\nx"),
        ("agents/good/context/a.md", "a"),
        ("agents/strict/AGENT.md", "x"),
        ("tools/t/TOOL.md", "does"),
    ]);
    let link = |target: &str, path: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(outside.path().join(target), path).unwrap();
    };
    link("", "agents/folder");
    link("AGENT.md", "agents/file/AGENT.md");
    link("BEHAVIOR.md", "agents/strict/BEHAVIOR.md");
    link("secret.md", "agents/good/context/b.md");
    link("secret.md", "linked.md");
    link("SKILL.md", "skills/s/SKILL.md");
    link("handler.py", "tools/t/handler.py");
    let found = folder.read();
    assert_eq!(found.agents.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(found.agents["good"].context.len(), 1);
    assert!(found.skills.is_empty() && found.tools.is_empty());
    let expected = [
        "E agents/file/AGENT.md",
        "E agents/folder",
        "E agents/strict/BEHAVIOR.md",
        "E skills/s/SKILL.md",
        "E tools/t/handler.py",
        "W agents/good/AGENT.md:2 context[0]",
        "W agents/good/context/b.md",
    ];
    assert_eq!(findings(&found), expected);
    assert!(!format!("{found:?}").contains("outside\""));
    link("secret.md", "agents/AGENTS.md");
    let found = folder.read();
    assert!(found.agents.is_empty() && found.root_prompt.is_empty());
    assert!(findings(&found).contains(&"E agents/AGENTS.md".to_owned()));
}

#[test]
fn links_within_the_workspace_are_followed() {
    let folder = workspace([
        ("..data/AGENT.md", "real"),
        ("shared/tool/TOOL.md", "does"),
        ("shared/tool/handler.py", ""),
        ("tools/x/TOOL.md", "x"),
        ("tools/x/handler.py", ""),
    ]);
    std::fs::create_dir(folder.path().join("agents/a")).unwrap();
    symlink("../../..data/AGENT.md", folder.path().join("agents/a/AGENT.md")).unwrap();
    symlink("../shared/tool", folder.path().join("tools/linked")).unwrap();
    let found = folder.read();
    assert_eq!(&*found.agents["a"].prompt, "real");
    assert!(matches!(found.tools["linked"].handler, Handler::Python(_)));
    assert_eq!(found.diagnostics, []);
}

#[test]
fn links_that_lead_nowhere_or_in_circles_are_reported() {
    let folder = workspace([("agents/a/AGENT.md", "x")]);
    symlink("nowhere", folder.path().join("agents/b")).unwrap();
    symlink("c", folder.path().join("agents/c")).unwrap();
    std::fs::create_dir(folder.path().join("agents/d")).unwrap();
    symlink("nowhere", folder.path().join("agents/d/AGENT.md")).unwrap();
    let found = folder.read();
    assert_eq!(found.agents.len(), 1);
    assert_eq!(findings(&found), ["E agents/c", "E agents/d/AGENT.md", "W agents/b"]);
}

#[test]
fn a_configuration_outside_is_not_read() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("gateway.yaml"), "auth: {enabled: false}").unwrap();
    let folder = workspace([]);
    symlink(outside.path().join("gateway.yaml"), folder.path().join("gateway.yaml")).unwrap();
    let reading = read_config(folder.path(), &MapVars::default());
    assert!(reading.has_errors());
    assert!(reading.config.auth.enabled);
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = workspace([("agents/a/AGENT.md", "x")]);
    std::fs::create_dir(folder.path().join("agents/pipe")).unwrap();
    let pipe = folder.path().join("agents/pipe/AGENT.md");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    assert_eq!(findings(&folder.read()), ["E agents/pipe/AGENT.md"]);
}
