//! A bad file harms only itself, and is named.
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::process::{OPEN, Workspace, stdout};

#[tokio::test]
async fn every_bad_file_is_named_and_the_rest_is_served() {
    let workspace = Workspace::new(&[
        ("gateway.yaml", OPEN),
        ("agents/good/AGENT.md", "You help."),
        ("agents/broken/AGENT.md", "---\nenabled: [no\n---\nx"),
        ("agents/typo/AGENT.md", "---\ndescripton: x\n---\nYou help."),
        ("agents/off/AGENT.md", "---\nenabled: no\n---\nYou rest."),
        ("agents/Bad_ID/AGENT.md", "x"),
        ("agents/empty/AGENT.md", "---\ndescription: x\n---\n"),
        ("tools/first/TOOL.md", "---\nname: same\ndescription: x\n---\n"),
        ("tools/second/TOOL.md", "---\nname: same\ndescription: x\n---\n"),
        ("skills/know/SKILL.md", "---\ndescription: x\ntools: [nowhere]\n---\nKnow."),
    ]);
    let path = workspace.path();
    std::fs::create_dir_all(path.join("agents/binary")).unwrap();
    std::fs::write(path.join("agents/binary/AGENT.md"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    std::fs::create_dir_all(path.join("agents/huge")).unwrap();
    std::fs::write(path.join("agents/huge/AGENT.md"), "x".repeat(10 * 1024 * 1024)).unwrap();
    std::fs::create_dir_all(path.join("agents/linked")).unwrap();
    std::fs::write(workspace.directory.path().join("outside.md"), "outside").unwrap();
    symlink("../../../outside.md", path.join("agents/linked/AGENT.md")).unwrap();

    let check = workspace.run(&["check", "--json"]);
    let report: Value = serde_json::from_str(&stdout(&check)).unwrap();
    assert_eq!(check.status.code(), Some(1));
    let named = |part: &str| {
        let all = [&report["errors"], &report["warnings"]];
        all.iter().flat_map(|list| list.as_array().unwrap()).any(|finding| finding.to_string().contains(part))
    };
    for part in ["broken", "descripton", "Bad_ID", "empty", "same", "nowhere", "binary", "huge", "linked"] {
        assert!(named(part), "{part} is not named in {report:#}");
    }

    let server = workspace.serve(|_| ());
    assert_eq!(server.invoke("good", "hi").await.0, 200);
    assert_eq!(server.invoke("typo", "hi").await.0, 200, "an unknown key is a warning");
    let (status, off) = server.invoke("off", "hi").await;
    assert_eq!((status, &off["error"]["code"]), (503, &Value::from("agent_disabled")));
    for gone in ["broken", "empty", "binary", "huge", "linked"] {
        assert_eq!(server.invoke(gone, "hi").await.0, 404, "{gone}");
    }
    let (_, health) = server.get("/v1/health").await;
    assert_eq!(
        (&health["status"], &health["agent_count"]),
        (&Value::from("degraded"), &Value::from(3)),
        "{health}"
    );
}
