//! Handlers that are programs.
use std::{fs, os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use agent_gateway_core::{
    ErrorKind,
    ports::tool::{Tool, ToolFactory},
    secret::Secret,
    tool::{Handler, ToolOutput},
};
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use agent_gateway_tools::FileToolSettings;

use crate::support::{
    Bench, MEBIBYTE, SECRET_OF_GATEWAY, call, context, definition, error, eventually, map, pids, runs,
    settings, value,
};

#[tokio::test]
async fn gets_arguments_and_context_and_answers_json() {
    let bench = Bench::new();
    let tool = bench.script("#!/bin/sh\nexec cat\n");
    let seen = value(&tool, json!({"city": "Oslo", "n": [1]})).await;
    assert_eq!(seen["arguments"], json!({"city": "Oslo", "n": [1]}));
    assert_eq!(seen["context"]["agent_id"], "helper");
    assert_eq!(seen["context"]["execution_id"], "exec-1");

    let tool = bench.script("#!/bin/sh\necho '\"plain\"'\n");
    assert_eq!(call(&tool, json!({})).await.unwrap(), ToolOutput::Text("plain".into()));
}

#[tokio::test]
async fn runs_in_its_directory_with_a_clean_environment() {
    let mut bench = Bench::new();
    bench.env.insert("NAMED".into(), Secret::new("for-you"));
    let tool = bench.script(
        "#!/bin/sh\nprintf '{\"cwd\": \"%s\", \"env\": \"%s\"}' \"$(pwd)\" \"$(env | tr '\\n' ' ')\"\n",
    );
    let seen = value(&tool, json!({})).await;
    assert_eq!(seen["cwd"], json!(bench.folder.path().canonicalize().unwrap()));
    let env = seen["env"].as_str().unwrap();
    assert!(env.contains("NAMED=for-you") && env.contains("PATH="), "{env}");
    assert!(!env.contains(SECRET_OF_GATEWAY) && !env.contains("CARGO"), "{env}");
}

#[tokio::test]
async fn programs_are_found_on_the_path_and_take_arguments() {
    let bench = Bench::new();
    let tool = bench.build(Handler::Command(bench.process(&["echo", "[1,", "\"$HOME; two\"]"]))).unwrap();
    assert_eq!(value(&tool, json!({})).await, json!([1, "$HOME; two"]));
}

#[tokio::test]
async fn a_program_that_cannot_run_is_refused_when_it_is_built() {
    let bench = Bench::new();
    let error = bench.build(Handler::Command(bench.process(&["no-such-program"]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("no-such-program"), "{error}");

    bench.write("handler.sh", "echo 1");
    let error = bench.build(Handler::Command(bench.process(&["./handler.sh"]))).unwrap_err();
    assert!(error.to_string().contains("chmod +x"), "{error}");

    // Without a first line that names an interpreter it is a shell script.
    fs::set_permissions(bench.path("handler.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let tool = bench.build(Handler::Command(bench.process(&["./handler.sh"]))).unwrap();
    assert_eq!(value(&tool, json!({})).await, json!(1));
    assert!(bench.build(Handler::Command(bench.process(&[]))).is_err());
}

#[tokio::test]
async fn no_json_is_an_error() {
    let bench = Bench::new();
    for code in ["echo hello", "true", "echo '{}{}'", "echo '{\"half\":'", "printf '\\377'"] {
        let tool = bench.script(&format!("#!/bin/sh\n{code}\n"));
        let error = error(&tool, json!({})).await;
        assert!(error.message().contains("printed no JSON"), "{code}: {error}");
    }
}

#[tokio::test]
async fn a_failed_exit_is_told_by_the_last_line_of_stderr() {
    let mut bench = Bench::new();
    bench.env.insert("TOKEN".into(), Secret::new("tok-12345"));
    let tool = bench
        .script("#!/bin/sh\necho '{\"ok\": 1}'\necho first >&2\necho \"no city for $TOKEN\" >&2\nexit 3\n");
    let failed = error(&tool, json!({})).await;
    assert_eq!(failed.message(), "the tool `probe` failed (exit status 3): no city for [redacted]");
    let tool = bench.script("#!/bin/sh\nkill -SEGV $$\n");
    assert!(error(&tool, json!({})).await.message().contains("killed by signal 11"));
}

#[tokio::test]
async fn a_hanging_program_is_stopped_even_when_it_ignores_the_request() {
    let mut bench = Bench::new();
    bench.timeout = Duration::from_secs(1);
    let tool = bench.script("#!/bin/sh\nsleep 1000 & echo $! > pids; echo $$ >> pids\nwait\n");
    let start = Instant::now();
    let stopped = error(&tool, json!({})).await;
    assert_eq!(stopped.kind(), ErrorKind::Timeout);
    assert!(start.elapsed() < Duration::from_millis(2800), "a program that listens is not waited for");
    for pid in pids(&bench.path("pids"), 2).await {
        eventually("the process is gone", || !runs(pid)).await;
    }

    let tool = bench.script("#!/bin/sh\ntrap '' TERM\necho $$ > deaf\nwhile true; do sleep 0.1; done\n");
    assert_eq!(error(&tool, json!({})).await.kind(), ErrorKind::Timeout);
    let pid = pids(&bench.path("deaf"), 1).await[0];
    eventually("the process is gone", || !runs(pid)).await;
}

#[tokio::test]
async fn floods_are_cut_off() {
    let bench = Bench::new();
    let tool = bench.script("#!/bin/sh\necho $$ > pids\nexec cat /dev/zero\n");
    let flood = timeout(Duration::from_secs(20), error(&tool, json!({}))).await.unwrap();
    assert_eq!(flood.kind(), ErrorKind::TooLarge);
    let pid = pids(&bench.path("pids"), 1).await[0];
    eventually("the process is gone", || !runs(pid)).await;

    let tool = bench.script("#!/bin/sh\nhead -c 50000000 /dev/zero >&2\necho 1\n");
    assert_eq!(value(&tool, json!({})).await, json!(1));
}

#[tokio::test]
async fn input_that_is_not_read_does_no_harm() {
    let bench = Bench::new();
    let tool = bench.script("#!/bin/sh\nexec <&-\necho 1\n");
    assert_eq!(value(&tool, json!({"text": "x".repeat(2 << 20)})).await, json!(1));
}

#[tokio::test]
async fn what_stays_behind_is_killed_and_does_not_hold_the_call() {
    let bench = Bench::new();
    let tool = bench.script("#!/bin/sh\nsleep 1000 &\necho $! > pids\necho 1\n");
    assert_eq!(timeout(Duration::from_secs(10), value(&tool, json!({}))).await.unwrap(), json!(1));
    let pid = pids(&bench.path("pids"), 1).await[0];
    eventually("the process is gone", || !runs(pid)).await;
}

#[tokio::test]
async fn dropping_the_call_kills_what_it_started() {
    let bench = Bench::new();
    let tool = bench.script("#!/bin/sh\nsleep 1000 & echo $! > pids; echo $$ >> pids\nwait\n");
    let (file, context) = (bench.path("pids"), context());
    let started = tokio::select! {
        answer = tool.call(map(json!({})), &context) => panic!("{answer:?}"),
        started = pids(&file, 2) => started,
    };
    for pid in started {
        eventually("the process is gone", || !runs(pid)).await;
    }
}

#[tokio::test]
async fn memory_is_limited() {
    let bench = Bench::new();
    let mut handler =
        bench.process(&["sh", "-c", "dd if=/dev/zero of=/dev/null bs=\"$0\" count=1 && echo 1"]);
    handler.max_memory = 100 * MEBIBYTE;
    for (size, fits) in [("1M", true), ("500M", false)] {
        let mut handler = handler.clone();
        handler.command.push(size.to_owned());
        let tool = bench.build(Handler::Command(handler)).unwrap();
        assert_eq!(call(&tool, json!({})).await.is_ok(), fits, "{size}");
    }
}

#[tokio::test]
async fn shutdown_ends_programs() {
    let bench = Bench::new();
    let tool = bench.script("#!/bin/sh\necho $$ > pids\nsleep 1000\n");
    let running = {
        let tool = Arc::clone(&tool);
        JoinSet::from_iter([async move { error(&tool, json!({})).await }])
    };
    let pid = pids(&bench.path("pids"), 1).await[0];
    timeout(Duration::from_secs(4), bench.tools.shutdown()).await.unwrap();
    assert_eq!(running.join_all().await[0].kind(), ErrorKind::Unavailable);
    eventually("the process is gone", || !runs(pid)).await;
}

/// Tells its process id, and answers when there is a file `go`.
const WAITS: &str = "#!/bin/sh\necho $$ >> pids\nwhile [ ! -e go ]; do sleep 0.02; done\necho 1\n";

fn bench_of(programs: usize) -> Bench {
    Bench::with(FileToolSettings { programs, ..settings() })
}

/// A tool beside the others of the bench.
fn neighbour(bench: &Bench, code: &str) -> Arc<dyn Tool> {
    let mut definition = definition(Handler::Command(bench.process(&["sh", "-c", code])));
    definition.id = "neighbour".to_owned();
    bench.tools.build(&definition).unwrap()
}

/// So many calls at once.
fn calls(tool: &Arc<dyn Tool>, count: usize) -> JoinSet<serde_json::Value> {
    let call = |_| {
        let tool = Arc::clone(tool);
        async move { value(&tool, json!({})).await }
    };
    (0..count).map(call).collect()
}

#[tokio::test]
async fn no_more_programs_run_at_once_than_are_allowed() {
    for allowed in [0, 1] {
        let bench = bench_of(allowed);
        let tool = bench.script("#!/bin/sh\nmkdir alone || exit 1\nsleep 0.05\nrmdir alone\necho 1\n");
        assert_eq!(calls(&tool, 6).join_all().await, vec![json!(1); 6]);
    }
}

#[tokio::test]
async fn waiting_for_a_place_counts_as_time_of_the_call() {
    let mut bench = bench_of(1);
    let running = calls(&bench.script(WAITS), 1);
    pids(&bench.path("pids"), 1).await;
    let code = "touch started; echo 2";
    bench.timeout = Duration::from_millis(200);
    let late = error(&neighbour(&bench, code), json!({})).await;
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert!(late.message().contains("did not start within 200ms"), "{late}");
    assert!(!bench.path("started").exists());

    bench.timeout = Duration::from_secs(20);
    let waiting = calls(&neighbour(&bench, code), 1);
    bench.write("go", "");
    assert_eq!(running.join_all().await, [json!(1)]);
    assert_eq!(waiting.join_all().await, [json!(2)]);
}

#[tokio::test]
async fn a_call_that_is_dropped_gives_its_place_back() {
    let bench = bench_of(1);
    let tool = bench.script(WAITS);
    let mut running = calls(&tool, 1);
    pids(&bench.path("pids"), 1).await;
    running.shutdown().await;
    assert_eq!(value(&neighbour(&bench, "echo 2"), json!({})).await, json!(2));
}

#[tokio::test]
async fn programs_that_hang_leave_room_for_other_tools_even_after_a_reload() {
    let bench = bench_of(4);
    let mut running = calls(&bench.script(WAITS), 3);
    let file = bench.path("pids");
    pids(&file, 3).await;
    let again = bench.build(Handler::Command(bench.process(&["handler"]))).unwrap();
    let waiting = calls(&again, 3);
    assert_eq!(value(&neighbour(&bench, "echo 2"), json!({})).await, json!(2));
    assert_eq!(pids(&file, 3).await.len(), 3);
    bench.write("go", "");
    while let Some(answer) = running.join_next().await {
        assert_eq!(answer.unwrap(), json!(1));
    }
    assert_eq!(waiting.join_all().await, vec![json!(1); 3]);
}
