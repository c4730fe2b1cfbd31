//! Bad files: a diagnostic each, and the rest is served.
use agent_gateway_core::agent::Availability;

use crate::support::{Folder, findings, text, workspace};

/// A workspace with one good agent, skill and tool beside what a test adds.
fn beside_good_ones() -> Folder {
    workspace([
        ("agents/good/AGENT.md", "I am good"),
        ("skills/good/SKILL.md", "---\ndescription: d\n---\nx"),
        ("tools/good/TOOL.md", "---\ndescription: d\n---\n"),
        ("tools/good/handler.py", ""),
    ])
}

fn check(folder: &Folder, expected: &[&str]) {
    let found = folder.read();
    let served = [
        found.agents.keys().map(ToString::to_string).collect::<Vec<_>>(),
        found.skills.keys().map(ToString::to_string).collect(),
        found.tools.keys().map(ToString::to_string).collect(),
    ];
    assert_eq!(served, [["good"], ["good"], ["good"]], "{}", text(&found));
    assert_eq!(findings(&found), expected, "{}", text(&found));
    assert!(found.diagnostics.iter().all(|finding| !finding.message.is_empty()));
}

#[test]
fn one_bad_file_harms_only_itself() {
    let cases: [(&str, &[u8], &str); 21] = [
        (
            "agents/bad/AGENT.md",
            b"---\nenabled: false\ndescription: [open\n---\nx",
            "E agents/bad/AGENT.md:3",
        ),
        ("agents/bad/AGENT.md", b"---\nenabled: false\nx", "E agents/bad/AGENT.md:1"),
        ("agents/bad/AGENT.md", b"---\ntags: [a]\ntags: [b]\n---\nx", "E agents/bad/AGENT.md:3"),
        ("agents/bad/AGENT.md", b"---\n# note\n\nenabled : no\n\nx", "E agents/bad/AGENT.md:1"),
        ("agents/bad/AGENT.md", b"{\n  \"enabled\":false,\nx", "E agents/bad/AGENT.md:1"),
        ("skills/bad/SKILL.md", b"\n---\n{name: x}\nx", "E skills/bad/SKILL.md:2"),
        ("agents/bad/AGENT.md", b"{\n\"a\": 1,\n}\nx", "E agents/bad/AGENT.md:3"),
        ("agents/bad/AGENT.md", b"---\nenabled: maybe\n---\nx", "E agents/bad/AGENT.md:2 enabled"),
        ("agents/bad/AGENT.md", b"---\nenabled:\n---\nx", "E agents/bad/AGENT.md:2 enabled"),
        ("agents/bad/AGENT.md", b"---\nscope: privat\n---\nx", "E agents/bad/AGENT.md:2 scope"),
        ("agents/bad/AGENT.md", b"---\ninput_schema: text\n---\nx", "E agents/bad/AGENT.md:2 input_schema"),
        ("agents/bad/AGENT.md", b"---\ndelegates_to: good\n---\nx", "E agents/bad/AGENT.md:2 delegates_to"),
        ("agents/bad/AGENT.md", b"", "E agents/bad/AGENT.md"),
        ("agents/bad/AGENT.md", b"caf\xe9", "E agents/bad/AGENT.md"),
        ("agents/bad/AGENT.md", b"null \0 byte", "E agents/bad/AGENT.md"),
        ("skills/bad/SKILL.md", b"---\nname: 'x\n---\nx", "E skills/bad/SKILL.md:3"),
        ("skills/bad/SKILL.md", b"\xff\xfe", "E skills/bad/SKILL.md"),
        ("tools/bad/TOOL.md", b"---\nname: {\n---\nx", "E tools/bad/TOOL.md:2"),
        ("agents/Bad_ID/AGENT.md", b"x", "W agents/Bad_ID"),
        ("agents/bad/agent.md", b"x", "W agents/bad/agent.md"),
        ("tools/bad.tool/TOOL.md", b"x", "W tools/bad.tool"),
    ];
    for (path, bytes, expected) in cases {
        let folder = beside_good_ones();
        folder.write(path, bytes);
        check(&folder, &[expected]);
    }
}

#[test]
fn what_is_no_mapping_is_no_settings_and_the_body_is_served() {
    for (written, body) in [
        ("---\n- a\n- b\n---\nx", "x"),
        ("---\njust a line\n---\nx", "x"),
        ("---\n42\n---\nx", "x"),
        ("---\n---\nx", "x"),
        ("---\n\n# A heading\n\n---\nx", "x"),
        ("---\nBe kind. Say: hello\n", "---\nBe kind. Say: hello"),
        ("---\n\n# Rules\n\n- one: two\n", "---\n\n# Rules\n\n- one: two"),
        ("---\nhttp://example.org/x is read\n", "---\nhttp://example.org/x is read"),
        ("{\nname} is greeted\n", "{\nname} is greeted"),
    ] {
        let found = workspace([("agents/a/AGENT.md", written)]).read();
        assert_eq!(&*found.agents["a"].prompt, body, "{written:?}");
        assert_eq!(findings(&found), ["W agents/a/AGENT.md:1"], "{written:?}: {}", text(&found));
    }
    let found =
        workspace([("skills/s/SKILL.md", "---\n- a\n---\nx"), ("tools/t/TOOL.md", "---\n- a\n---\nx")]);
    let found = found.read();
    assert_eq!((found.skills.len(), found.tools.len()), (1, 1), "{}", text(&found));
    assert_eq!(found.error_count(), 0);
}

#[test]
fn every_spelling_of_false_disables_and_the_odd_ones_are_warned_of() {
    for (spelling, is_odd) in [
        ("false", false),
        ("FALSE", false),
        ("no", true),
        ("Off", true),
        ("0", true),
        ("\"no\"", true),
        ("'false'", true),
        ("\" OFF \"", true),
    ] {
        let found =
            workspace([("agents/a/AGENT.md", format!("---\nenabled: {spelling}\n---\nx").as_str())]).read();
        assert_eq!(found.agents["a"].availability, Availability::Disabled, "{spelling}");
        let expected: &[&str] = if is_odd { &["W agents/a/AGENT.md:2 enabled"] } else { &[] };
        assert_eq!(findings(&found), expected, "{spelling}");
        assert!(!is_odd || text(&found).contains("write `false`"), "{}", text(&found));
    }
}

#[test]
fn the_yaml_library_does_not_speak_to_people() {
    for (head, message, hint) in [
        ("tags: [a]\ntags: [b]", "the key `tags` stands twice", "keep one of them"),
        ("model: {name: a, name: b}", "the key `name` stands twice", "keep one of them"),
        ("a: &x [*x]", "stands inside of the value", "write the value out"),
        ("description: *all*", "refers to nothing", "in quotes"),
        ("a: 1\n...\nb: 2", "more than one YAML document", "remove the lines"),
        ("a: .nan", "not finite", "1.5"),
        ("<<: 1", "takes a mapping", "correct the settings"),
        ("a: [1, 2", "unclosed bracket", "correct the settings"),
        ("a: b: c", "not allowed", "correct the settings"),
        ("a: %x", "unexpected character", "correct the settings"),
        ("[a, b]: c", "a key is not a text", "in quotes"),
        ("description: {{ name }}", "a key is not a text", "in quotes"),
        ("~: c", "a key is not a text", "in quotes"),
        ("a: !!int x", "a tag such as `!name`", "in quotes"),
    ] {
        let found = workspace([("agents/a/AGENT.md", format!("---\n{head}\n---\nx").as_str())]).read();
        let text = text(&found);
        assert!(text.contains(message) && text.contains(hint), "{head}: {text}");
        for foreign in ["Options", "Policy", "policy", "recursion", "deserialize", "budget", "i128", "set "] {
            assert!(!text.contains(foreign), "{head}: {text}");
        }
    }
}

#[test]
fn leftovers_and_stray_files_are_nobodys_business() {
    let folder = beside_good_ones();
    for path in
        ["tools/__pycache__/x.pyc", "agents/.git/AGENT.md", "agents/README.md", "skills/empty/notes.txt"]
    {
        folder.write(path, "x");
    }
    check(&folder, &[]);
}

#[test]
fn a_file_that_is_too_large_is_not_served() {
    let folder = beside_good_ones();
    folder.write("agents/huge/AGENT.md", vec![b'x'; 10 * 1024 * 1024]);
    check(&folder, &["E agents/huge/AGENT.md"]);
}

#[test]
fn settings_that_explode_are_not_served() {
    let folder = beside_good_ones();
    let mut bomb = String::from("---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    folder.write("agents/bomb/AGENT.md", format!("{bomb}---\nx"));
    folder.write("agents/deep/AGENT.md", format!("---\na: {}\n---\nx", "[".repeat(10_000)));
    let many: String = (0..200).map(|index| format!("- [{index}]\n")).collect();
    folder.write("agents/many/AGENT.md", format!("---\ntags:\n{many}---\nx"));
    let found = folder.read();
    assert_eq!(found.agents.keys().map(|id| id.as_str()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(found.error_count(), 3, "{}", text(&found));
}

#[test]
fn values_of_the_wrong_type_that_guard_nothing_are_passed_by() {
    let head = "---\ndescription: [a]\ntags: x\nskills:\nversion:\nmodel: {temperature: hot, max_tokens: -1, name: gpt-4o}\n\
                memory: true\nschedules: soon\nretrievers: [a, [b]]\nnotifications: {on_error: [{target: x}]}\n\
                display_nam: X\ntools: [t]\nmodle: x\n---\nx";
    let found = workspace([("agents/a/AGENT.md", head)]).read();
    let agent = &found.agents["a"];
    assert_eq!((agent.description.as_str(), agent.tags.len(), agent.skills.len()), ("", 0, 0));
    assert_eq!(agent.model.name.as_ref().unwrap().as_str(), "gpt-4o");
    assert_eq!((agent.model.temperature, agent.model.max_tokens), (None, None));
    assert_eq!(agent.retrievers, ["a"]);
    let expected = [
        "W agents/a/AGENT.md:10 notifications",
        "W agents/a/AGENT.md:10 notifications.on_error[0]",
        "W agents/a/AGENT.md:11 display_nam",
        "W agents/a/AGENT.md:12 tools",
        "W agents/a/AGENT.md:13 modle",
        "W agents/a/AGENT.md:2 description",
        "W agents/a/AGENT.md:3 tags",
        "W agents/a/AGENT.md:4 skills",
        "W agents/a/AGENT.md:6 model.max_tokens",
        "W agents/a/AGENT.md:6 model.temperature",
        "W agents/a/AGENT.md:7 memory",
        "W agents/a/AGENT.md:8 schedules",
        "W agents/a/AGENT.md:9 retrievers",
        "W agents/a/AGENT.md:9 retrievers[1]",
    ];
    assert_eq!(findings(&found), expected, "{}", text(&found));
    let text = text(&found);
    for hint in ["did you mean `display_name`?", "did you mean `model`?", "list them in its SKILL.md"] {
        assert!(text.contains(hint), "{hint}");
    }
}

#[test]
fn context_files_that_are_no_text_are_left_out() {
    let folder = workspace([("agents/a/AGENT.md", "---\ncontext: [nowhere.md, agents]\n---\nx")]);
    folder.write("agents/a/context/logo.png", b"\x89PNG\0");
    folder.write("agents/a/context/binary.md", b"\xff\xfe\0");
    folder.write("agents/a/context/text.md", "text");
    folder.write("agents/a/context/huge.md", vec![b'x'; 2 * 1024 * 1024]);
    let found = folder.read();
    assert_eq!(found.agents["a"].context.len(), 1);
    let expected = [
        "E agents/a/context/binary.md",
        "E agents/a/context/huge.md",
        "W agents/a/AGENT.md:2 context[0]",
        "W agents/a/AGENT.md:2 context[1]",
        "W agents/a/context/logo.png",
    ];
    assert_eq!(findings(&found), expected);
    assert!(text(&found).contains("`nowhere.md` there is no such file; it is left out"), "{}", text(&found));
}

#[test]
fn context_is_bounded_together() {
    let folder = workspace([("agents/a/AGENT.md", "x")]);
    for index in 0..5 {
        folder.write(&format!("agents/a/context/{index}.md"), vec![b'x'; 1024 * 1024]);
    }
    let found = folder.read();
    assert_eq!(found.agents["a"].context.len(), 4);
    assert_eq!(findings(&found), ["E agents/a/context/4.md"]);
}

#[test]
fn an_agent_is_not_served_without_its_own_rules() {
    let folder = beside_good_ones();
    folder.write("agents/bad/AGENT.md", "x");
    folder.write("agents/bad/BEHAVIOR.md", b"\xff");
    check(&folder, &["E agents/bad/BEHAVIOR.md"]);
}

#[test]
fn no_agent_is_served_without_the_rules_that_all_share() {
    let bad: [(&str, Vec<u8>, &str); 3] = [
        ("agents/AGENTS.md", b"\xff".to_vec(), "is not UTF-8 text"),
        ("agents/BEHAVIOR.md", b"null \0 byte".to_vec(), "is not UTF-8 text"),
        ("agents/BEHAVIOR.md", vec![b'x'; 1024 * 1024 + 1], "is larger than 1024 KiB"),
    ];
    for (file, bytes, why) in bad {
        let folder = beside_good_ones();
        folder.write("agents/other/AGENT.md", "I am good too");
        // Another agent's own fault is told as well, and a right name is not called wrong.
        folder.write("agents/bad/AGENT.md", "");
        folder
            .write("tools/good/TOOL.md", "---\ndescription: d\npermissions: {allowed_agents: [good]}\n---\n");
        let without = folder.read();
        assert_eq!(without.agents.len(), 2);
        folder.write(file, bytes);
        let found = folder.read();
        assert!(found.agents.is_empty(), "{file}");
        assert_eq!((found.skills.len(), found.tools.len()), (1, 1), "{file}");
        assert_eq!(
            findings(&found),
            [format!("E {file}"), "E agents/bad/AGENT.md".into()],
            "{}",
            text(&found)
        );
        assert!(
            text(&found).contains(&format!("{file}: {why}; all agents share it, so none")),
            "{}",
            text(&found)
        );
        assert_ne!(found.revision, without.revision, "{file}");
        folder.write(file, "");
        assert_ne!(folder.read().revision, found.revision, "{file}");
        folder.write(file, "Be kind.");
        assert_eq!(folder.read().agents.len(), 2, "{file}");
    }
}

#[tokio::test]
async fn a_workspace_that_is_no_folder_is_an_error_and_an_empty_one_a_warning() {
    use std::sync::Arc;

    use agent_gateway_core::{ErrorKind, ports::definition::DefinitionSource, vars::MapVars};
    use agent_gateway_workspace::Workspace;

    let dir = tempfile::tempdir().unwrap();
    let found = Workspace::new(dir.path(), Arc::new(MapVars::default())).read().await.unwrap();
    assert_eq!(findings(&found), ["W agents"]);
    std::fs::write(dir.path().join("file"), "x").unwrap();
    for path in ["nowhere", "file"] {
        let source = Workspace::new(dir.path().join(path), Arc::new(MapVars::default()));
        assert_eq!(source.read().await.unwrap_err().kind(), ErrorKind::Misconfigured, "{path}");
    }
}

#[test]
fn the_number_of_context_files_is_bounded() {
    let folder = workspace([("agents/a/AGENT.md", "x")]);
    for index in 0..201 {
        folder.write(&format!("agents/a/context/{index}.md"), "x");
    }
    let found = folder.read();
    assert_eq!(found.agents["a"].context.len(), 200);
    assert_eq!(findings(&found), ["E agents/a/AGENT.md"]);
}

#[test]
fn the_number_of_folders_is_bounded() {
    let folder = workspace([("skills/a/SKILL.md", "---\ndescription: d\n---\nx")]);
    for index in 0..2_000 {
        std::fs::create_dir(folder.path().join(format!("skills/b{index}"))).unwrap();
    }
    let found = folder.read();
    assert_eq!(found.skills.len(), 1);
    assert_eq!(findings(&found), ["E skills"]);
}

#[test]
fn the_number_of_findings_is_bounded_and_errors_stay() {
    let folder = workspace([("agents/z/AGENT.md", "---\nenabled: maybe\n---\nx")]);
    for index in 0..1_100 {
        folder.write(&format!("agents/Bad_{index}/AGENT.md"), "x");
    }
    let found = folder.read();
    assert_eq!(found.diagnostics.len(), 1_001);
    assert_eq!(found.error_count(), 2, "the broken agent, and that there is more");
}

#[test]
fn a_file_that_nests_deeper_than_anything_sensible_is_told_and_harms_nobody() {
    let nested = |levels: usize| {
        let mut text = "---\nzzz:\n".to_owned();
        for level in 1..levels {
            text.push_str(&format!("{}a:\n", "  ".repeat(level)));
        }
        format!("{text}---\nYou help.\n")
    };
    for levels in [40, 60, 63, 65, 200, 2_000] {
        let deep = nested(levels);
        let found =
            workspace([("agents/deep/AGENT.md", deep.as_str()), ("agents/well/AGENT.md", "You help.")])
                .read();
        assert!(found.agents.contains_key("well"), "{levels}");
        assert!(!findings(&found).is_empty(), "{levels}");
    }
}

#[test]
fn a_guard_in_the_wrong_place_keeps_the_tool_from_being_served() {
    for key in ["require_approval: true", "allowed_agents: [a]"] {
        let file = format!("---\ndescription: Pays\n{key}\n---\nPays.");
        let found = workspace([("tools/pay/TOOL.md", file.as_str()), ("tools/pay/handler.py", "")]).read();
        assert!(found.tools.is_empty(), "{key}");
        assert!(text(&found).contains("permissions"), "{}", text(&found));
    }
}
