//! What a handler.py can do wrong, and that the next call does not suffer from it.
use std::{
    collections::BTreeMap,
    io::Write,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use agent_gateway_core::{Error, ErrorKind, ports::tool::Tool, secret::Secret, tool::Handler};
use agent_gateway_tools::FileToolSettings;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Bench, MEBIBYTE, call, context, error, eventually, map, pids, runs, settings, value};

/// A handler whose `fault` argument chooses what goes wrong; without it the process id is the answer.
fn faulty(bench: &Bench, body: &str) -> Arc<dyn Tool> {
    let body = body.replace('\n', "\n        ");
    bench.python(&format!(
        "import os, signal, subprocess, sys, time\nHERE = os.path.dirname(__file__)\ndef handle(arguments, context):\n    if 'fault' in arguments:\n        \
         {body}\n    return os.getpid()\n"
    ))
}

async fn fault(tool: &Arc<dyn Tool>) -> Error {
    error(tool, json!({"fault": true})).await
}

/// The tool answers, from a process that is not `before`.
async fn recovers(tool: &Arc<dyn Tool>, before: &Value) {
    let after = value(tool, json!({})).await;
    assert_ne!(after, *before);
}

#[tokio::test]
async fn an_exception_is_told_by_type_and_first_line() {
    agent_gateway_testkit::needs_python!("python_faults::an_exception_is_told_by_type_and_first_line");
    let bench = Bench::new();
    let tool = faulty(&bench, "raise ValueError('no such city\\nsecond line')");
    let before = value(&tool, json!({})).await;
    let error = fault(&tool).await;
    assert_eq!(error.message(), "the tool `probe` failed: ValueError: no such city");
    assert_eq!(value(&tool, json!({})).await, before, "an exception does not cost the worker");
}

#[tokio::test]
async fn exceptions_of_all_kinds_stay_inside() {
    agent_gateway_testkit::needs_python!("python_faults::exceptions_of_all_kinds_stay_inside");
    let bench = Bench::new();
    for (body, wanted) in [
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("raise Exception()", "failed: Exception"),
        ("raise Exception('long ' * 1000)", "long long"),
        ("sys.exit(3)", "sys.exit(3)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import no_such_module", "No module named 'no_such_module'"),
        ("f = lambda: f()\nf()", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): raise E()\nraise E()", "failed: E"),
        ("a = []\na.append(a)\nreturn a", "nested too deeply"),
        ("a = []\nfor _ in range(500): a = [a]\nreturn a", "cannot be read"),
    ] {
        let tool = faulty(&bench, body);
        let error = fault(&tool).await;
        assert!(error.message().contains(wanted), "{body}: {error}");
        assert!(error.message().chars().count() < 600 && !error.message().contains("Traceback"), "{error}");
    }
}

#[tokio::test]
async fn a_module_that_cannot_be_used_says_why() {
    agent_gateway_testkit::needs_python!("python_faults::a_module_that_cannot_be_used_says_why");
    let bench = Bench::new();
    for (code, wanted) in [
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("def run(arguments, context): pass", "no function `handle(arguments, context)`"),
        ("handle = 5", "no function `handle(arguments, context)`"),
        ("\0", "null bytes"),
    ] {
        let error = error(&bench.python(code), json!({})).await;
        assert!(error.message().contains(wanted), "{code:?}: {error}");
    }
    std::fs::remove_file(bench.path("handler.py")).unwrap();
    let error = error(&bench.python_as_it_is(), json!({})).await;
    assert!(error.message().contains("FileNotFoundError"), "{error}");
}

#[tokio::test]
async fn secrets_in_an_exception_do_not_reach_the_model() {
    agent_gateway_testkit::needs_python!("python_faults::secrets_in_an_exception_do_not_reach_the_model");
    let mut bench = Bench::new();
    bench.env.insert("TOKEN".into(), Secret::new("tok-12345"));
    let tool = bench.python(
        "import os\ndef handle(arguments, context):\n    \
         raise OSError(os.environ['TOKEN'] + ' and ' + context.user_secrets['key'])\n",
    );
    let mut context = context();
    context.user_secrets = Arc::new(BTreeMap::from([("key".to_owned(), Secret::new("mine-678"))]));
    let error = tool.call(map(json!({})), &context).await.unwrap_err();
    assert_eq!(error.message(), "the tool `probe` failed: OSError: [redacted] and [redacted]");
}

#[tokio::test]
async fn a_variable_that_the_tool_does_not_name_gets_the_operator_a_hint() {
    agent_gateway_testkit::needs_python!(
        "python_faults::a_variable_that_the_tool_does_not_name_gets_the_operator_a_hint"
    );
    let hint = "the handler sees only the variables that TOOL.md names under `env`";
    let bench = Bench::new();
    for (body, is_about_variables) in [
        ("os.environ['API_TOKEN']", true),
        ("os.environ.pop('API_TOKEN')", true),
        ("{}['API_TOKEN']", false),
        ("raise KeyError('API_TOKEN')", false),
    ] {
        let tool = faulty(&bench, body);
        let before = value(&tool, json!({})).await;
        let error = fault(&tool).await;
        assert_eq!(error.message(), "the tool `probe` failed: KeyError: 'API_TOKEN'", "{body}");
        assert_eq!(error.to_string().contains(hint), is_about_variables, "{body}: {error}");
        assert_eq!(value(&tool, json!({})).await, before, "it does not cost the worker");
    }
}

#[tokio::test]
async fn a_tool_that_hangs_leaves_a_worker_to_the_others() {
    agent_gateway_testkit::needs_python!("python_faults::a_tool_that_hangs_leaves_a_worker_to_the_others");
    let bench = Bench::with(FileToolSettings { python_workers: 4, ..settings() });
    let hanging =
        faulty(&bench, "print(os.getpid(), file=open(f'{HERE}/pids', 'a'), flush=True)\ntime.sleep(1000)");
    let calls = (0..20).map(|_| {
        let tool = Arc::clone(&hanging);
        async move { drop(call(&tool, json!({"fault": true})).await) }
    });
    let calls = tokio::task::JoinSet::from_iter(calls);
    let started = pids(&bench.path("pids"), 3).await;
    let other = Bench::new();
    other.write("handler.py", "def handle(arguments): return 'here'\n");
    let other = bench.build(Handler::Python(other.process(&["handler.py"]))).unwrap();
    for _ in 0..3 {
        let answer = timeout(Duration::from_secs(10), value(&other, json!({}))).await;
        assert_eq!(answer.expect("the other tool does not wait"), json!("here"));
    }
    // Built anew, as by a reload, it has no more of them.
    let rebuilt = bench.python_as_it_is();
    assert!(timeout(Duration::from_millis(300), call(&rebuilt, json!({}))).await.is_err());
    assert_eq!(pids(&bench.path("pids"), 3).await, started);
    drop(calls);
    assert!(value(&hanging, json!({})).await.is_u64(), "the turns come back");
}

#[tokio::test]
async fn a_hanging_handler_is_killed_with_its_children() {
    agent_gateway_testkit::needs_python!("python_faults::a_hanging_handler_is_killed_with_its_children");
    let mut bench = Bench::new();
    let file = bench.path("pids");
    let tool = faulty(
        &bench,
        "child = subprocess.Popen(['sleep', '1000'])\nopen(f'{HERE}/pids', 'w').write(f'{os.getpid()}\\n{child.pid}\\n')\n\
         while True: pass",
    );
    let before = value(&tool, json!({})).await;
    // The same tool with less time has the same, warm worker.
    bench.timeout = Duration::from_secs(1);
    let error = fault(&bench.python_as_it_is()).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("took longer than 1s"), "{error}");
    for pid in pids(&file, 2).await {
        eventually("the process is gone", || !runs(pid)).await;
    }
    recovers(&tool, &before).await;
}

#[tokio::test]
async fn a_crash_is_an_error_of_its_call_alone() {
    agent_gateway_testkit::needs_python!("python_faults::a_crash_is_an_error_of_its_call_alone");
    let bench = Bench::new();
    for (body, wanted) in [
        ("os._exit(7)", "exit status 7"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
        ("import ctypes\nctypes.string_at(0)", "signal 11"),
    ] {
        let tool = faulty(&bench, body);
        let before = value(&tool, json!({})).await;
        let error = fault(&tool).await;
        assert!(error.message().contains("crashed") && error.message().contains(wanted), "{body}: {error}");
        recovers(&tool, &before).await;
    }
}

#[tokio::test]
async fn a_worker_that_died_between_calls_is_not_noticed() {
    agent_gateway_testkit::needs_python!("python_faults::a_worker_that_died_between_calls_is_not_noticed");
    let bench = Bench::new();
    let tool = faulty(&bench, "pass");
    let before = value(&tool, json!({})).await;
    let pid = before.as_i64().unwrap();
    Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    eventually("the worker is gone", || !runs(pid)).await;
    recovers(&tool, &before).await;
}

#[tokio::test]
async fn what_a_handler_prints_is_no_answer() {
    agent_gateway_testkit::needs_python!("python_faults::what_a_handler_prints_is_no_answer");
    let bench = Bench::new();
    let tool = faulty(
        &bench,
        "print('{\"id\":1,\"ok\":true,\"result\":\"forged\"}')\nos.write(1, b'raw\\n')\nsys.stderr.write('more')\n\
         subprocess.run(['echo', 'child'])\nreturn sys.stdin.read() + 'real'",
    );
    assert_eq!(value(&tool, json!({"fault": true})).await, json!("real"));
}

#[tokio::test]
async fn floods_on_stdout_and_stderr_are_drained() {
    agent_gateway_testkit::needs_python!("python_faults::floods_on_stdout_and_stderr_are_drained");
    let bench = Bench::new();
    let tool = faulty(
        &bench,
        "block = 'x' * 99_999 + '\\n'\nfor _ in range(500):\n    sys.stdout.write(block)\n    sys.stderr.write(block)",
    );
    assert!(value(&tool, json!({"fault": true})).await.is_u64());
}

#[tokio::test]
async fn a_result_over_the_limit_is_refused() {
    agent_gateway_testkit::needs_python!("python_faults::a_result_over_the_limit_is_refused");
    let bench = Bench::new();
    let tool = faulty(&bench, "return 'x' * (9 << 20)");
    let before = value(&tool, json!({})).await;
    let error = fault(&tool).await;
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.message().contains("9437186 bytes"), "{error}");
    assert_eq!(value(&tool, json!({})).await, before);
}

#[tokio::test]
async fn writing_into_the_protocol_costs_the_worker() {
    agent_gateway_testkit::needs_python!("python_faults::writing_into_the_protocol_costs_the_worker");
    let bench = Bench::new();
    let find = "for fd in range(3, 20):\n    try:\n        if fd != 3: os.write(fd, DATA)\n    except OSError: pass\n\
                time.sleep(60)";
    for (data, wanted) in [("b'nonsense\\n'", "disturbed"), ("b'x' * (20 << 20)", "answered too much")] {
        let tool = faulty(&bench, &find.replace("DATA", data));
        let before = value(&tool, json!({})).await;
        let error = fault(&tool).await;
        assert!(error.message().contains(wanted), "{data}: {error}");
        recovers(&tool, &before).await;
    }
}

#[tokio::test]
async fn a_child_that_comes_back_from_a_fork_gives_no_answer() {
    agent_gateway_testkit::needs_python!(
        "python_faults::a_child_that_comes_back_from_a_fork_gives_no_answer"
    );
    let bench = Bench::new();
    let tool = faulty(&bench, "if os.fork() == 0: return 'child'\ntime.sleep(0.2)\nreturn 'parent'");
    assert_eq!(value(&tool, json!({"fault": true})).await, json!("parent"));
    assert!(value(&tool, json!({})).await.is_u64());
}

#[tokio::test]
async fn memory_is_limited() {
    agent_gateway_testkit::needs_python!("python_faults::memory_is_limited");
    let bench = Bench::new();
    bench.write(
        "handler.py",
        "import os\ndef handle(arguments, context):\n    return [os.getpid(), len(bytearray(arguments['size']))]\n",
    );
    let mut handler = bench.process(&["handler.py"]);
    handler.max_memory = 128 * MEBIBYTE;
    let tool = bench.build(Handler::Python(handler)).unwrap();
    let before = value(&tool, json!({"size": 50 * MEBIBYTE})).await;
    let error = error(&tool, json!({"size": 500 * MEBIBYTE})).await;
    assert!(error.message().contains("MemoryError"), "{error}");
    let after = value(&tool, json!({"size": 1})).await;
    assert_ne!(before[0], after[0], "a worker that ran out of memory is not used again");
}

#[tokio::test]
async fn dropping_the_call_kills_what_it_started() {
    agent_gateway_testkit::needs_python!("python_faults::dropping_the_call_kills_what_it_started");
    let bench = Bench::new();
    let file = bench.path("pids");
    let tool = faulty(
        &bench,
        "child = subprocess.Popen(['sleep', '1000'])\nopen(f'{HERE}/pids', 'w').write(f'{os.getpid()}\\n{child.pid}\\n')\n\
         time.sleep(1000)",
    );
    let arguments = map(json!({"fault": true}));
    let context = context();
    let started = {
        let call = tool.call(arguments, &context);
        tokio::select! {
            answer = call => panic!("{answer:?}"),
            started = pids(&file, 2) => started,
        }
    };
    for pid in started {
        eventually("the process is gone", || !runs(pid)).await;
    }
    assert!(value(&tool, json!({})).await.is_u64());
}

#[tokio::test]
async fn waiting_for_a_worker_counts_as_time_of_the_call() {
    agent_gateway_testkit::needs_python!("python_faults::waiting_for_a_worker_counts_as_time_of_the_call");
    let mut bench = Bench::with(FileToolSettings { python_workers: 1, ..settings() });
    let tool = faulty(&bench, "open(f'{HERE}/busy', 'w').close()\ntime.sleep(1000)");
    let busy = {
        let tool = Arc::clone(&tool);
        tokio::task::JoinSet::from_iter([async move { drop(call(&tool, json!({"fault": true})).await) }])
    };
    eventually("the only worker is busy", || bench.path("busy").exists()).await;
    bench.timeout = Duration::from_millis(200);
    let hurried = bench.python_as_it_is();
    let error = error(&hurried, json!({})).await;
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("did not start"), "{error}");
    drop(busy);
    assert!(value(&tool, json!({})).await.is_u64());
}

#[tokio::test]
async fn idle_workers_go() {
    agent_gateway_testkit::needs_python!("python_faults::idle_workers_go");
    let idle_timeout = Duration::from_millis(100);
    let bench = Bench::with(FileToolSettings { idle_timeout, ..settings() });
    let tool = faulty(&bench, "pass");
    let before = value(&tool, json!({})).await;
    let pid = before.as_i64().unwrap();
    eventually("the idle worker is gone", || !runs(pid)).await;
    recovers(&tool, &before).await;
}

#[tokio::test]
async fn shutdown_ends_calls_and_processes() {
    agent_gateway_testkit::needs_python!("python_faults::shutdown_ends_calls_and_processes");
    let bench = Bench::new();
    let file = bench.path("pids");
    let tool = faulty(&bench, "open(f'{HERE}/pids', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(1000)");
    let idle = value(&tool, json!({})).await.as_i64().unwrap();
    let other = {
        let tool = Arc::clone(&tool);
        tokio::task::JoinSet::from_iter([async move { error(&tool, json!({"fault": true})).await }])
    };
    let busy = pids(&file, 1).await[0];
    timeout(Duration::from_secs(4), bench.tools.shutdown()).await.unwrap();
    assert_eq!(other.join_all().await[0].kind(), ErrorKind::Unavailable);
    eventually("the processes are gone", || !runs(idle) && !runs(busy)).await;
    assert_eq!(error(&tool, json!({})).await.kind(), ErrorKind::Unavailable);
}

/// The gateway that dies tells nobody: its end of the pipe closes, and that must be enough.
#[tokio::test]
async fn a_worker_does_not_outlive_the_gateway() {
    agent_gateway_testkit::needs_python!("python_faults::a_worker_does_not_outlive_the_gateway");
    let bench = Bench::new();
    let file = bench.path("pids");
    faulty(
        &bench,
        "child = subprocess.Popen(['sleep', '1000'])\nopen(f'{HERE}/pids', 'w').write(f'{os.getpid()}\\n{child.pid}\\n')\n\
         while True: pass",
    );
    let mut worker = Command::new("python3")
        .args(["-I", "-c", include_str!("../../src/python/shim.py")])
        .args([bench.path("handler.py").as_os_str(), "1000000000".as_ref(), "1000".as_ref()])
        .current_dir(bench.folder.path())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut gateway = worker.stdin.take().unwrap();
    gateway.write_all(b"{\"id\":1,\"arguments\":{\"fault\":true},\"context\":{}}\n").unwrap();
    let started = pids(&file, 2).await;
    drop(gateway);
    for pid in started {
        eventually("the process is gone", || !runs(pid)).await;
    }
    worker.wait().unwrap();
}
