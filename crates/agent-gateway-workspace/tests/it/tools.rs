//! What a `TOOL.md` and its folder mean.
use std::time::Duration;

use agent_gateway_core::{
    config::ToolsConfig,
    tool::{Approval, Handler, HttpReach, ToolAccess, ToolDefinition, ToolRetry},
};
use serde_json::json;

use crate::support::{Folder, findings, workspace};

fn tool(text: &str) -> (ToolDefinition, Vec<String>) {
    let found = workspace([("tools/t/TOOL.md", text), ("tools/t/handler.py", "")]).read();
    let (_, tool) = found.tools.first().expect("the tool is served");
    ((**tool).clone(), findings(&found))
}

#[cfg(unix)]
fn make_executable(folder: &Folder, path: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder.path().join(path), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn flat_parameters_become_a_schema_with_all_they_say() {
    let text = "\
---
name: get_weather
description: Weather of a city
parameters:
  city: {type: string, description: The city, required: true}
  days: {type: integer, default: 3, minimum: 1}
  unit: {enum: [c, f], default: c}
  tags: {type: array, items: {type: string}}
  place: {type: object, required: [lat], properties: {lat: {type: number}}}
  note: string
  count: {type: int, required: yes}
permissions:
  allowed_agents: [a]
  require_approval: true
retry: never
---
Use it for forecasts.
";
    let (tool, problems) = tool(text);
    assert_eq!(tool.spec.name.as_str(), "get_weather");
    assert_eq!(&*tool.spec.description, "Weather of a city\n\nUse it for forecasts.");
    assert_eq!(&*tool.spec.summary, "Weather of a city");
    let expected = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city"},
            "days": {"type": "integer", "description": "days", "default": 3, "minimum": 1},
            "unit": {"type": "string", "description": "unit", "enum": ["c", "f"], "default": "c"},
            "tags": {"type": "array", "description": "tags", "items": {"type": "string"}},
            "place": {"type": "object", "description": "place", "required": ["lat"],
                "properties": {"lat": {"type": "number"}}},
            "note": {"type": "string", "description": "note"},
            "count": {"type": "integer", "description": "count"},
        },
        "required": ["city", "count"],
    });
    assert_eq!(*tool.spec.parameters, expected);
    assert_eq!(json!(tool.defaults), json!({"days": 3, "unit": "c"}));
    assert_eq!(tool.spec.access, ToolAccess::Only(vec!["a".into()]));
    assert_eq!((tool.spec.approval, tool.spec.retry), (Approval::Required, ToolRetry::Never));
    let file = "tools/t/TOOL.md";
    let expected = [
        format!("W {file}:11 parameters.count.required"),
        format!("W {file}:11 parameters.count.type"),
        format!("W {file}:13 permissions.allowed_agents[0]"),
    ];
    assert_eq!(problems, expected);
}

#[test]
fn a_json_schema_is_taken_as_it_is() {
    let schema = json!({"type": "object", "properties": {"q": {"type": "string", "default": "x"}},
        "required": ["q"], "additionalProperties": false});
    let (tool, problems) = tool(&format!("---\ndescription: d\nparameters: {schema}\n---\n"));
    assert_eq!(*tool.spec.parameters, schema);
    assert_eq!(json!(tool.defaults), json!({"q": "x"}));
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_parameter_may_be_named_type() {
    let (tool, _) =
        tool("---\ndescription: d\nparameters: {type: {description: the kind}, properties: {}}\n---\n");
    assert_eq!(tool.spec.parameters["properties"]["type"]["description"], "the kind");
}

#[test]
fn no_parameters_is_an_empty_object() {
    for text in ["---\ndescription: d\n---\n", "---\ndescription: d\nparameters:\n---\n", "only a body"] {
        assert_eq!(*tool(text).0.spec.parameters, json!({"type": "object", "properties": {}}), "{text}");
    }
}

#[test]
fn a_long_body_is_cut() {
    let (tool, problems) = tool(&format!("---\ndescription: d\n---\n{}", "é".repeat(5000)));
    assert_eq!(tool.spec.description.chars().count(), 4000);
    assert_eq!(problems, ["W tools/t/TOOL.md"]);
}

#[test]
fn a_python_handler_gets_only_what_its_tool_names() {
    let text = "---\ndescription: d\nenv: [TOKEN, UNSET]\ntimeout_ms: 1500\n---\n";
    let folder =
        workspace([("tools/t/TOOL.md", text), ("tools/t/handler.py", ""), ("tools/t/handler.sh", "")])
            .vars(&[("TOKEN", "s3cr3t"), ("OTHER", "x")])
            .tools(ToolsConfig { max_memory_mb: 7, ..ToolsConfig::default() });
    let found = folder.read();
    let Handler::Python(handler) = &found.tools["t"].handler else { panic!("python") };
    let directory = folder.path().canonicalize().unwrap().join("tools/t");
    assert_eq!(handler.command, [directory.join("handler.py").display().to_string()]);
    assert_eq!(handler.directory, directory);
    assert_eq!(handler.timeout, Duration::from_millis(1500));
    assert_eq!(handler.max_memory, 7 * 1024 * 1024);
    let env: Vec<_> = handler.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("TOKEN", "s3cr3t")]);
    assert_eq!(findings(&found), ["W tools/t/TOOL.md:3 env[1]"]);
    assert!(!format!("{found:?}").contains("s3cr3t"));
}

#[cfg(unix)]
#[test]
fn other_programs_are_found_by_name() {
    let folder = workspace([]);
    for (id, file, executable) in [
        ("plain", "handler", true),
        ("shell", "handler.sh", false),
        ("shebang", "handler.sh", true),
        ("script", "handler.js", false),
        ("lost", "handler", false),
        ("notes", "handler.md", false),
        ("none", "other.py", true),
    ] {
        folder.write(&format!("tools/{id}/TOOL.md"), "does something");
        folder.write(&format!("tools/{id}/{file}"), "");
        if executable {
            make_executable(&folder, &format!("tools/{id}/{file}"));
        }
    }
    let found = folder.read();
    let command = |id: &str| match &found.tools[id].handler {
        Handler::Command(handler) => {
            let last = handler.command.last().unwrap().rsplit('/').next().unwrap().to_owned();
            let before = &handler.command[..handler.command.len() - 1];
            before.iter().cloned().chain([last]).collect::<Vec<_>>().join(" ")
        }
        Handler::Missing => "missing".into(),
        other => format!("{other:?}"),
    };
    let ids = ["plain", "shell", "shebang", "script", "lost", "notes", "none"];
    let expected =
        ["handler", "sh handler.sh", "handler.sh", "node handler.js", "missing", "missing", "missing"];
    assert_eq!(ids.map(command), expected);
    let expected = [
        "W tools/lost/TOOL.md",
        "W tools/lost/handler",
        "W tools/none/TOOL.md",
        "W tools/notes/TOOL.md",
        "W tools/notes/handler.md",
    ];
    assert_eq!(findings(&found), expected);
}

#[test]
fn a_command_may_be_written_down() {
    for key in ["exec", "script"] {
        let text = format!(
            "---\ndescription: d\nenv: [A]\n{key}:\n  command: [python3, run.py, '5']\n  timeout_ms: 10\n  env: {{B: 'x-${{A}}'}}\n---\n"
        );
        let found = workspace([("tools/t/TOOL.md", text.as_str())]).vars(&[("A", "1")]).read();
        let Handler::Command(handler) = &found.tools["t"].handler else { panic!("a command") };
        assert_eq!(handler.command, ["python3", "run.py", "5"]);
        assert_eq!(handler.timeout, Duration::from_millis(10));
        assert_eq!((handler.env["A"].expose(), handler.env["B"].expose()), ("1", "x-1"));
        assert_eq!(found.diagnostics, []);
    }
}

#[test]
fn an_http_call_keeps_its_placeholders() {
    let text = "\
---
description: d
parameters: {city: {type: string}}
http:
  url: https://${HOST}/w/{city}
  headers: {Authorization: 'Bearer ${TOKEN}'}
  body: {q: '{city}', fixed: 1}
---
";
    let folder = workspace([("tools/t/TOOL.md", text)]).vars(&[("HOST", "example.org"), ("TOKEN", "s3cr3t")]);
    let found = folder.read();
    let Handler::Http(handler) = &found.tools["t"].handler else { panic!("http") };
    assert_eq!((handler.method.as_str(), handler.url.as_str()), ("POST", "https://${HOST}/w/{city}"));
    assert_eq!(handler.headers["Authorization"].expose(), "Bearer ${TOKEN}");
    assert_eq!(handler.body, Some(json!({"q": "{city}", "fixed": 1})));
    assert_eq!((handler.timeout, handler.reach), (Duration::from_secs(15), HttpReach::Public));
    assert_eq!(found.diagnostics, []);
    let folder =
        folder.tools(ToolsConfig { allow_private_network: true, timeout_ms: 900, ..ToolsConfig::default() });
    let found = folder.read();
    let Handler::Http(handler) = &found.tools["t"].handler else { panic!("http") };
    assert_eq!((handler.timeout, handler.reach), (Duration::from_millis(900), HttpReach::Private));
}

#[test]
fn a_tool_that_cannot_be_run_as_written_is_not_served() {
    let cases = [
        ("http: {url: 'https://${NOPE}/x'}", "4 http.url"),
        ("http: {url: 'https://h/x', headers: {A: '${NOPE}'}}", "4 http.headers.A"),
        ("http: {url: 'https://h/x', body: {a: ['${NOPE}']}}", "4 http.body"),
        ("http: {url: 'https://h/{nope}'}", "4 http.url"),
        ("http: {url: 'ftp://h/x'}", "4 http.url"),
        ("http: {url: 'https://h/x', method: BREW}", "4 http.method"),
        ("http: {method: GET}", "4 http"),
        ("http: https://h/x", "4 http"),
        ("exec: {command: python3 x.py}", "4 exec.command"),
        ("exec: {command: []}", "4 exec.command"),
        ("exec: {command: [a], env: {B: '${NOPE}'}}", "4 exec.env.B"),
        ("retry: nevr", "4 retry"),
        ("permissions: {require_approval: maybe}", "4 permissions.require_approval"),
        ("permissions: {allowed_agents: a}", "4 permissions.allowed_agents"),
        ("permissions: {require_aproval: true}", "4 permissions.require_aproval"),
        ("permissions:", "4 permissions"),
        ("permissions: {allowed_agents: }", "4 permissions.allowed_agents"),
        ("permissions:\n  allowed_agents:\n  #  - a", "5 permissions.allowed_agents"),
        ("parameters: [a]", "4 parameters"),
        ("timeout_ms: soon", "4 timeout_ms"),
    ];
    for (line, expected) in cases {
        let text = format!("---\ndescription: d\nname: bad\n{line}\n---\n");
        let found = workspace([
            ("tools/bad/TOOL.md", text.as_str()),
            ("tools/bad/handler.py", ""),
            ("tools/good/TOOL.md", "good"),
            ("tools/good/handler.py", ""),
        ])
        .read();
        assert_eq!(found.tools.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["good"], "{line}");
        let errors: Vec<_> =
            findings(&found).into_iter().filter(|finding| finding.starts_with('E')).collect();
        assert_eq!(errors, [format!("E tools/bad/TOOL.md:{expected}")], "{line}");
    }
}

#[test]
fn braces_of_other_languages_are_text() {
    let text = "---\ndescription: d\nparameters: {type: object}\n\
                http: {url: 'https://h/{any}', body: {q: 'query ${} { a {b} }'}}\n---\n";
    let found = workspace([("tools/t/TOOL.md", text)]).read();
    assert_eq!(found.diagnostics, []);
    assert_eq!(found.tools.len(), 1);
}

#[test]
fn an_empty_allow_list_is_nobody_and_worth_a_word() {
    let (tool, problems) = tool("---\ndescription: d\npermissions: {allowed_agents: []}\n---\n");
    assert_eq!(tool.spec.access, ToolAccess::Only(vec![]));
    assert_eq!(problems, ["W tools/t/TOOL.md:3 permissions.allowed_agents"]);
}

#[test]
fn names_are_unique_and_callable() {
    let found = workspace([
        ("tools/a/TOOL.md", "---\nname: same\ndescription: first\n---\n"),
        ("tools/a/handler.py", ""),
        ("tools/b/TOOL.md", "---\nname: same\ndescription: second\n---\n"),
        ("tools/b/handler.py", ""),
        ("tools/c/TOOL.md", "---\nname: not callable\ndescription: d\n---\n"),
        ("tools/c/handler.py", ""),
    ])
    .read();
    assert_eq!(found.tools.len(), 1);
    assert_eq!(&*found.tools["same"].spec.summary, "first");
    assert_eq!(findings(&found), ["E tools/b/TOOL.md name", "E tools/c/TOOL.md:2 name"]);
    assert!(crate::support::text(&found).contains("tools/a/TOOL.md"));
}
