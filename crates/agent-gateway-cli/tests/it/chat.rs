//! `chat` without a terminal: lines in, answers or events out.
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Output, Stdio},
};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::process::{OPEN, Workspace, command, stderr, stdout};

/// `chat helper` in the workspace, with this model.
pub(crate) fn chat(workspace: &Workspace, model: &ModelServer, args: &[&str]) -> Command {
    let mut command = command();
    command.args(["chat", "helper"]).args(args).current_dir(workspace.directory.path());
    command.env("OPENAI_BASE_URL", model.url()).env("AGENT_GATEWAY_MODEL__DEFAULT", "openai/test-model");
    command.env("XDG_STATE_HOME", workspace.directory.path().join("state"));
    command
}

/// Says these lines to it.
fn say(mut command: Command, lines: &[u8]) -> Output {
    let mut child = piped(&mut command).spawn().unwrap();
    // A command that refuses to start does not read.
    let _ = child.stdin.take().unwrap().write_all(lines);
    child.wait_with_output().unwrap()
}

fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped())
}

/// What they tell, one event in each line.
fn events(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of the events; those that come several times in a row once.
fn names(events: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    names.dedup();
    names
}

/// Who said what, as the model was told; without the system's prompt.
fn said(request: &Value) -> Vec<(&str, &str)> {
    let messages = request["messages"].as_array().unwrap();
    let said = messages
        .iter()
        .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap_or_default()));
    said.filter(|(role, _)| *role != "system").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_a_turn_of_one_conversation() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("Hello Ada.\nNice.")).reply(Reply::text("Ada."));
    let workspace = Workspace::helper();
    let output = say(chat(&workspace, &model, &[]), b"I am Ada\r\n\nWho am I?");
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "Hello Ada.\nNice.\nAda.\n".to_owned()));
    assert_eq!(stderr(&output), "");
    let requests = model.requests();
    assert_eq!(requests.len(), 2, "an empty line is no turn");
    assert_eq!(
        said(&requests[1].body),
        [("user", "I am Ada"), ("assistant", "Hello Ada.\nNice."), ("user", "Who am I?")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_in_another_process() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("Noted.")).reply(Reply::text("42."));
    let workspace = Workspace::helper();
    let first = say(chat(&workspace, &model, &["--json", "-m", "It is 42"]), b"this is not read");
    let session = events(&first)[0]["session_id"].as_str().unwrap().to_owned();
    let second = say(chat(&workspace, &model, &["--session", &session, "--message", "What is it?"]), b"");
    assert_eq!((second.status.code(), stdout(&second)), (Some(0), "42.\n".to_owned()), "{second:?}");
    let asked = model.requests();
    assert_eq!(
        said(&asked[1].body),
        [("user", "It is 42"), ("assistant", "Noted."), ("user", "What is it?")]
    );
    assert_eq!(asked.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_every_event_in_the_words_of_the_api() {
    agent_gateway_testkit::needs_python!("chat::json_tells_every_event_in_the_words_of_the_api");
    let model = ModelServer::start().await;
    model.reply(Reply::tool_calls([("add", json!({"a": 40}))])).reply(Reply::text("It is \u{1b}[1m42"));
    let workspace = Workspace::helper();
    workspace.write("agents/helper/AGENT.md", "---\nskills: [math]\n---\nYou help.");
    workspace.write("skills/math/SKILL.md", "---\ndescription: Counts\ntools: [add]\n---\nCount.");
    workspace.write(
        "tools/add/TOOL.md",
        "---\ndescription: Adds\nparameters:\n  a: {type: number, required: true}\n---\n",
    );
    workspace
        .write("tools/add/handler.py", "def handle(arguments, context):\n    return arguments['a'] + 2\n");
    let output = say(chat(&workspace, &model, &["--json"]), b"add\n");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stdout(&output).contains('\u{1b}'));
    let events = events(&output);
    assert_eq!(names(&events), ["session", "tool_call", "tool_result", "token", "done"]);
    let execution = &events[0]["execution_id"];
    assert_eq!(
        (&events[1]["name"], &events[1]["arguments"], &events[1]["call_id"]),
        (&json!("add"), &json!({"a": 40}), &events[2]["call_id"])
    );
    assert_eq!((&events[2]["name"], &events[2]["output"]), (&json!("add"), &json!(42)));
    let text: String = events.iter().filter_map(|event| event["content"].as_str()).collect();
    assert_eq!(text, "It is \u{1b}[1m42");
    let done = events.last().unwrap();
    assert_eq!(
        (&done["status"], &done["execution_id"], &done["turn_count"]),
        (&json!("completed"), execution, &json!(1))
    );
    let usage = &done["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"], &usage["llm_calls"], &usage["tool_calls"]),
        (&json!(20), &json!(10), &json!(2), &json!(1))
    );
    assert!(
        events.iter().all(|event| event["id"].as_str().unwrap().starts_with(execution.as_str().unwrap()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn void_text_is_told_as_such_and_is_in_no_answer() {
    let model = ModelServer::with(|asked| {
        if asked["model"] == "broken" {
            Reply::text("void words that are cut off").cut(3)
        } else {
            Reply::text("It stands.")
        }
    })
    .await;
    let workspace = Workspace::helper();
    workspace
        .write("gateway.yaml", &format!("{OPEN}model: {{default: openai/broken, fallback: openai/sound}}\n"));
    let talk = |args: &[&str]| {
        let mut command = chat(&workspace, &model, args);
        command.env_remove("AGENT_GATEWAY_MODEL__DEFAULT");
        say(command, b"hi\n")
    };
    let told = talk(&["--json"]);
    let told = events(&told);
    assert_eq!(names(&told), ["session", "token", "reset", "token", "done"]);
    let reset = told.iter().find(|event| event["event"] == "reset").unwrap();
    assert_eq!((&reset["reason"], &reset["keep"].is_string()), (&json!("fallback"), &true));
    assert_eq!(stdout(&talk(&[])), "It stands.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_is_told_by_the_exit_code_and_the_rest_is_said() {
    let model = ModelServer::start().await;
    model.reply(Reply::status(400)).reply(Reply::text("Well again."));
    let workspace = Workspace::helper();
    let output = say(chat(&workspace, &model, &[]), b"hi\nand now?\n");
    assert_eq!((output.status.code(), stdout(&output)), (Some(3), "Well again.\n".to_owned()));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
    model.reply(Reply::status(400));
    let output = say(chat(&workspace, &model, &["--json", "-m", "hi"]), b"");
    assert_eq!((output.status.code(), names(&events(&output))), (Some(3), vec!["session", "error", "done"]));
    let output = say(chat(&workspace, &model, &["--json", "-m", ""]), b"");
    assert_eq!((output.status.code(), names(&events(&output))), (Some(1), vec!["error"]), "nothing ran");
    let lines = [b"x".repeat(600 * 1024), b"\n".to_vec()].concat();
    let output = say(chat(&workspace, &model, &[]), &lines);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    assert!(stderr(&output).contains("longer than"), "{}", stderr(&output));
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_talked_with_is_said_before_anything_else() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("Hello."));
    let workspace = Workspace::helper();
    workspace.write("agents/other/AGENT.md", "You are another.");
    workspace.write("agents/off/AGENT.md", "---\nenabled: false\n---\nYou rest.");
    let begun = say(chat(&workspace, &model, &["--json", "-m", "hi"]), b"");
    let session = events(&begun)[0]["session_id"].as_str().unwrap().to_owned();
    let refused = |args: &[&str], says: &str| {
        let output = say(chat(&workspace, &model, args), b"hi\n");
        assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()), "{args:?}");
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    };
    refused(&["--session", "nowhere"], "there is no session 'nowhere'");
    refused(&["--session", ""], "there is no session ''");
    refused(&["-w", "elsewhere"], "there is no workspace folder at 'elsewhere'");
    refused(&["--input", "[1]"], "--input must be a JSON object");
    refused(&["-f", "csv"], "--format json");
    let talk = |agent: &str, args: &[&str]| {
        let mut command = command();
        command.args(["chat", agent]).args(args).current_dir(workspace.directory.path());
        stderr(&say(command, b"hi\n"))
    };
    assert!(talk("nobody", &[]).contains("Available agents: helper, off, other"), "{}", talk("nobody", &[]));
    assert!(talk("off", &[]).contains("agent 'off' is disabled"));
    assert!(talk("other", &["--session", &session]).contains("is with agent 'helper', not with 'other'"));
    workspace.write("gateway.yaml", "nonsense: 1\n");
    refused(&[], "nonsense");
    assert_eq!(model.requests().len(), 1, "nothing was said to any model");
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_the_model_does_not_drive_the_terminal() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("a\tb\r\n\u{1b}[2J\u{1b}]0;title\u{7} \u{9b}31m\rover"));
    let workspace = Workspace::helper();
    let output = say(chat(&workspace, &model, &[]), b"hi\n");
    assert_eq!(
        stdout(&output),
        "a\tb\n\u{241b}[2J\u{241b}]0;title\u{2407} \u{fffd}31m\u{240d}over\n",
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_stops_the_turn_and_leaves_a_script() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("one two three").stall(3));
    let workspace = Workspace::helper();
    let mut child = piped(&mut chat(&workspace, &model, &["--json"])).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"count\nand on\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
    assert!(first[1].contains("\"token\""), "{first:?}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(rest.last().unwrap()["status"], "cancelled", "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    model.wait_for_abandoned(1).await;
    assert_eq!(model.requests().len(), 1, "what was not yet said is not said");
}

#[tokio::test(flavor = "multi_thread")]
async fn details_go_to_stderr_when_they_are_asked_for() {
    let model = ModelServer::start().await;
    model.reply(Reply::text("Hello.").usage(7, 3));
    let workspace = Workspace::helper();
    let output =
        say(chat(&workspace, &model, &["--verbose", "--input", r#"{"city": "Oslo"}"#]), b"hi\nquit\n");
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "Hello.\n".to_owned()));
    assert!(
        stderr(&output).contains("7 tokens in, 3 out; 1 model call(s), 0 tool call(s); $"),
        "{}",
        stderr(&output)
    );
    assert!(!stderr(&output).contains('\u{1b}'), "no colours without a terminal");
    assert_eq!(model.requests().len(), 1, "quit leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_more_is_said_once_nobody_reads_the_answers() {
    let model = ModelServer::start().await;
    model.default_reply(Reply::text("ok"));
    let workspace = Workspace::helper();
    let mut child = piped(&mut chat(&workspace, &model, &[])).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\n").unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    // The reader is gone from here on; what is said next finds that out.
    stdin.write_all(b"two\nthree\n").unwrap();
    assert_eq!((child.wait().unwrap().code(), first.as_str()), (Some(0), "ok\n"));
    assert_eq!(model.requests().len(), 2);
}
