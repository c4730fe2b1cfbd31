//! What a handler.py can count on.
use std::{collections::BTreeMap, sync::Arc};

use agent_gateway_core::{
    id::{ExecutionId, UserId},
    secret::Secret,
    tool::{Handler, ToolOutput},
};
use agent_gateway_tools::FileToolSettings;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Bench, SECRET_OF_GATEWAY, call, context, error, map, settings, value};

#[tokio::test]
async fn a_text_stays_a_text_and_anything_else_is_json() {
    agent_gateway_testkit::needs_python!("python::a_text_stays_a_text_and_anything_else_is_json");
    let bench = Bench::new();
    let tool = bench.python("def handle(arguments, context):\n    return arguments['give']\n");
    assert_eq!(
        call(&tool, json!({"give": "a \"text\" ä 😀"})).await.unwrap(),
        ToolOutput::Text("a \"text\" ä 😀".into())
    );
    for given in [json!({"a": [1, 2.5, null, true]}), json!(7), json!(null), json!([])] {
        assert_eq!(call(&tool, json!({"give": given})).await.unwrap(), ToolOutput::Json(given));
    }
}

#[tokio::test]
async fn async_handlers_share_one_event_loop() {
    agent_gateway_testkit::needs_python!("python::async_handlers_share_one_event_loop");
    let bench = Bench::new();
    let tool = bench.python(
        "import asyncio\nseen = []\nasync def handle(arguments, context):\n    await asyncio.sleep(0)\n    \
         seen.append(asyncio.get_running_loop())\n    return [arguments['n'], len(set(map(id, seen)))]\n",
    );
    assert_eq!(value(&tool, json!({"n": 1})).await, json!([1, 1]));
    assert_eq!(value(&tool, json!({"n": 2})).await, json!([2, 1]));
}

#[tokio::test]
async fn handlers_take_what_their_signature_takes() {
    agent_gateway_testkit::needs_python!("python::handlers_take_what_their_signature_takes");
    let bench = Bench::new();
    for (code, wanted) in [
        ("def handle(arguments): return arguments['x']", json!(1)),
        ("def handle(arguments, *, context): return context.agent_id", json!("helper")),
        ("def handle(*both): return len(both)", json!(2)),
        ("def handle(arguments, **rest): return list(rest)", json!(["context"])),
        (
            "class H:\n    def __call__(self, a, c): return [a, c.agent_id]\nhandle = H()",
            json!([{"x": 1}, "helper"]),
        ),
    ] {
        let tool = bench.python(code);
        assert_eq!(value(&tool, json!({"x": 1})).await, wanted, "{code}");
    }
}

#[tokio::test]
async fn the_context_has_every_field_as_attribute_and_as_key() {
    agent_gateway_testkit::needs_python!("python::the_context_has_every_field_as_attribute_and_as_key");
    let bench = Bench::new();
    let tool = bench.python(
        r#"
def handle(arguments, context):
    assert context["agent_id"] == context.agent_id == context.get("agent_id")
    assert context.get("nothing", 3) == 3 and "agent_id" in context
    print(context)
    try:
        context.nothing
    except AttributeError:
        pass
    return {name: getattr(context, name) for name in (
        "execution_id", "agent_id", "caller_identity", "metadata", "user_secrets", "user_config",
        "parent_execution_id", "root_execution_id", "delegation_depth", "delegates_to", "call_id",
        "idempotency_key")}
"#,
    );
    let mut context = context();
    context.caller_identity = Some(UserId::new("ada").unwrap());
    context.metadata = Arc::new(map(json!({"page": 3})));
    context.user_secrets = Arc::new(BTreeMap::from([("key".to_owned(), Secret::new("hush"))]));
    context.user_config = Arc::new(map(json!({"unit": "km"})));
    context.parent_execution_id = Some(ExecutionId::new("exec-0").unwrap());
    context.delegation_depth = 2;
    context.delegates_to = vec!["writer".to_owned()].into();
    context.call_id = "call-9".into();
    context.idempotency_key = "exec-1:call-9".to_owned();
    let seen = tool.call(map(json!({})), &context).await.unwrap().to_json();
    assert_eq!(
        seen,
        json!({
            "execution_id": "exec-1", "agent_id": "helper", "caller_identity": "ada", "metadata": {"page": 3},
            "user_secrets": {"key": "hush"}, "user_config": {"unit": "km"}, "parent_execution_id": "exec-0",
            "root_execution_id": "exec-1", "delegation_depth": 2, "delegates_to": ["writer"], "call_id": "call-9",
            "idempotency_key": "exec-1:call-9",
        })
    );
}

#[tokio::test]
async fn siblings_and_packages_beside_the_handler_import() {
    agent_gateway_testkit::needs_python!("python::siblings_and_packages_beside_the_handler_import");
    let bench = Bench::new();
    bench.write("units.py", "FACTOR = 2\n");
    std::fs::create_dir(bench.path("inner")).unwrap();
    bench.write("inner/__init__.py", "from .deep import ADDEND\n");
    bench.write("inner/deep.py", "ADDEND = 1\n");
    let tool = bench.python(
        "import units, inner\ndef handle(arguments, context):\n    return arguments['n'] * units.FACTOR + inner.ADDEND\n",
    );
    assert_eq!(value(&tool, json!({"n": 20})).await, json!(41));
    assert!(!bench.path("__pycache__").exists(), "nothing is written beside the handlers");
}

#[tokio::test]
async fn edits_are_live_and_otherwise_nothing_is_imported_again() {
    agent_gateway_testkit::needs_python!("python::edits_are_live_and_otherwise_nothing_is_imported_again");
    let bench = Bench::new();
    bench.write("part.py", "WORD = 'one'\n");
    let code = "import part\ncalls = 0\ndef handle(arguments, context):\n    global calls\n    calls += 1\n    \
                return [part.WORD, calls]\n";
    let tool = bench.python(code);
    assert_eq!(value(&tool, json!({})).await, json!(["one", 1]));
    assert_eq!(value(&tool, json!({})).await, json!(["one", 2]));
    // Same second, same length: neither of the two may hide the edit.
    bench.write("part.py", "WORD = 'two'\n");
    assert_eq!(value(&tool, json!({})).await, json!(["two", 1]));
    bench.write("handler.py", &code.replace("calls += 1", "calls += 5"));
    assert_eq!(value(&tool, json!({})).await, json!(["two", 5]));
    bench.write("handler.py", "def handle(:\n");
    assert!(error(&tool, json!({})).await.message().contains("SyntaxError"));
    bench.write("handler.py", "def handle(a, c): return 'well again'\n");
    assert_eq!(value(&tool, json!({})).await, json!("well again"));
}

#[tokio::test]
async fn odd_values_become_plain_ones() {
    agent_gateway_testkit::needs_python!("python::odd_values_become_plain_ones");
    let bench = Bench::new();
    let tool = bench.python(
        r#"
import dataclasses, datetime, decimal, enum, pathlib, uuid
@dataclasses.dataclass
class Point:
    x: int
    y: float
class Model:
    def model_dump(self): return {"kind": "model"}
class Odd:
    def __str__(self): return "odd"
def handle(arguments, context):
    return {
        "date": datetime.date(2026, 1, 2), "decimal": decimal.Decimal("1.10"), "set": {1}, "bytes": b"ab",
        "point": Point(1, 2.0), "model": Model(), "odd": Odd(), "path": pathlib.Path("/x"), "nan": float("nan"),
        ("a", 1): "key", "half": "\ud800", "uuid": uuid.UUID(int=0), 1: (1, 2),
    }
"#,
    );
    assert_eq!(
        value(&tool, json!({})).await,
        json!({
            "date": "2026-01-02", "decimal": "1.10", "set": [1], "bytes": "ab", "point": {"x": 1, "y": 2.0},
            "model": {"kind": "model"}, "odd": "odd", "path": "/x", "nan": null, "('a', 1)": "key", "half": "?",
            "uuid": "00000000-0000-0000-0000-000000000000", "1": [1, 2],
        })
    );
}

#[tokio::test]
async fn only_the_few_and_the_named_variables_reach_a_handler() {
    agent_gateway_testkit::needs_python!("python::only_the_few_and_the_named_variables_reach_a_handler");
    let mut bench = Bench::new();
    bench.env.insert("NAMED".into(), Secret::new("for you"));
    bench.env.insert("PYTHONPATH".into(), Secret::new(bench.path("lib").display().to_string()));
    std::fs::create_dir(bench.path("lib")).unwrap();
    bench.write("lib/borrowed.py", "");
    let tool = bench.python("import os, borrowed\ndef handle(arguments, context): return dict(os.environ)\n");
    let seen = map(value(&tool, json!({})).await);
    assert_eq!(seen["NAMED"], "for you");
    // The last two are Python's own or a launcher's.
    let few = ["PATH", "HOME", "LANG", "TMPDIR", "NAMED", "PYTHONPATH", "LC_CTYPE", "PWD", "SHLVL", "_"];
    for name in seen.keys() {
        assert!(few.contains(&name.as_str()) || name.contains("PYENV"), "{name} is not for handlers");
    }
    assert!(!serde_json::to_string(&seen).unwrap().contains(SECRET_OF_GATEWAY));
}

#[tokio::test]
async fn tools_do_not_share_processes_and_one_tool_keeps_its_own() {
    agent_gateway_testkit::needs_python!("python::tools_do_not_share_processes_and_one_tool_keeps_its_own");
    let (one, other) = (Bench::new(), Bench::new());
    let code = "import os\ndef handle(arguments, context): return os.getpid()\n";
    let first = one.python(code);
    other.write("handler.py", code);
    let handler = Handler::Python(other.process(&["handler.py"]));
    let second = one.build(handler).unwrap();
    let (a, b) = (value(&first, json!({})).await, value(&second, json!({})).await);
    assert_ne!(a, b);
    // Built anew, as by a reload.
    let rebuilt = one.python_as_it_is();
    assert_eq!(value(&rebuilt, json!({})).await, a);
}

#[tokio::test]
async fn relative_paths_begin_where_the_gateway_runs_and_imports_beside_the_handler() {
    agent_gateway_testkit::needs_python!(
        "python::relative_paths_begin_where_the_gateway_runs_and_imports_beside_the_handler"
    );
    let bench = Bench::new();
    let tool = bench.python(
        "import os, sys\ndef handle(arguments, context):\n    \
         return [os.getcwd(), sys.path[0], open('Cargo.toml').read().count('agent-gateway-tools') > 0]\n",
    );
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(value(&tool, json!({})).await, json!([here, bench.folder.path(), true]));
}

#[tokio::test]
async fn twenty_calls_of_one_tool_share_three_quarters_of_the_workers() {
    agent_gateway_testkit::needs_python!(
        "python::twenty_calls_of_one_tool_share_three_quarters_of_the_workers"
    );
    let bench = Bench::with(FileToolSettings { python_workers: 4, ..settings() });
    let tool = bench.python(
        "import os, time\ndef handle(arguments, context):\n    time.sleep(0.02)\n    \
         return [arguments['n'], os.getpid()]\n",
    );
    let calls = (0..20).map(|n| {
        let tool = Arc::clone(&tool);
        async move { value(&tool, json!({"n": n})).await }
    });
    let mut answers = tokio::task::JoinSet::from_iter(calls).join_all().await;
    answers.sort_by_key(|answer| answer[0].as_u64());
    let numbers: Vec<_> = answers.iter().map(|answer| answer[0].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    let workers: std::collections::BTreeSet<_> = answers.iter().map(|answer| answer[1].as_u64()).collect();
    assert_eq!(workers.len(), 3, "{workers:?}");
}

#[tokio::test]
async fn more_tools_than_workers_take_turns() {
    agent_gateway_testkit::needs_python!("python::more_tools_than_workers_take_turns");
    let bench = Bench::with(FileToolSettings { python_workers: 1, ..settings() });
    let others: Vec<_> = (0..3).map(|_| Bench::new()).collect();
    for round in 0..2 {
        for other in &others {
            other.write("handler.py", &format!("def handle(a): return {round}\n"));
            let handler = Handler::Python(other.process(&["handler.py"]));
            assert_eq!(value(&bench.build(handler).unwrap(), json!({})).await, json!(round));
        }
    }
}

#[tokio::test]
async fn a_worker_is_replaced_after_its_share_of_calls() {
    agent_gateway_testkit::needs_python!("python::a_worker_is_replaced_after_its_share_of_calls");
    let bench = Bench::with(FileToolSettings { max_calls_per_worker: 2, ..settings() });
    let tool = bench.python("import os\ndef handle(arguments, context): return os.getpid()\n");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(value(&tool, json!({})).await);
    }
    assert!(seen[0] == seen[1] && seen[2] == seen[3] && seen[0] != seen[2], "{seen:?}");
}

#[tokio::test]
async fn large_arguments_and_results_pass() {
    agent_gateway_testkit::needs_python!("python::large_arguments_and_results_pass");
    let bench = Bench::new();
    let tool = bench.python("def handle(arguments, context): return arguments['text'] * 2\n");
    let text = "x".repeat(3 << 20);
    assert_eq!(value(&tool, json!({"text": text})).await.as_str().unwrap().len(), 6 << 20);
}

#[tokio::test]
async fn a_warm_call_is_quick() {
    agent_gateway_testkit::needs_python!("python::a_warm_call_is_quick");
    let bench = Bench::new();
    let tool = bench.python("def handle(arguments, context): return 'done'\n");
    call(&tool, json!({})).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = Instant::now();
        call(&tool, json!({"city": "Oslo"})).await.unwrap();
        times.push(start.elapsed());
    }
    times.sort();
    println!("a warm call takes {:?} (p50), {:?} (p99)", times[250], times[495]);
}
