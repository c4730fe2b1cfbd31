//! `chat` on a terminal.
use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::Value;

use crate::{chat::chat, process::Workspace, terminal::Person};

fn prompt(workspace: &Workspace, model: &ModelServer, args: &[&str]) -> Command {
    let mut command = chat(workspace, model, args);
    command.env("TERM", "xterm-256color");
    command
}

/// What the model was told last.
fn told(model: &ModelServer, number: usize) -> String {
    let messages = model.requests()[number].body["messages"].as_array().unwrap().clone();
    messages.last().and_then(|last| last["content"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_the_turn_and_the_conversation_goes_on() {
    agent_gateway_testkit::needs_python!("chat_prompt::ctrl_c_stops_the_turn_and_the_conversation_goes_on");
    let model = ModelServer::start().await;
    model.reply(Reply::text("one two three four").stall(3)).reply(Reply::text("well again"));
    let workspace = Workspace::helper();
    let person = Person::default().sees("you> ").types("count\r").sees("one").types("\x03").sees("cancelled");
    let person = person.sees("you> ").types("half a li").sees("li").types("\x03").sees("you> ");
    let person = person.types("and now?\r").sees("well again").sees("you> ");
    let person = person.types("/session\r").sees("you> ").types("/usage\r").sees("2 turn(s)").sees("you> ");
    let seen = person.types("\x04").sees("agent-gateway chat helper --session ").at(&prompt(
        &workspace,
        &model,
        &[],
    ));
    assert_eq!(seen.code, 0, "{}", seen.text);
    model.wait_for_abandoned(1).await;
    assert!(model.requests().len() == 2 && told(&model, 1).ends_with("and now?"), "{}", told(&model, 1));
    let sessions: Vec<&str> =
        seen.text.match_indices("--session ").map(|(place, _)| &seen.text[place..]).collect();
    let id = sessions[0]["--session ".len()..].split_whitespace().next().unwrap();
    assert!(seen.text.matches(id).count() >= 2, "one session all along: {}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_may_have_several_lines() {
    agent_gateway_testkit::needs_python!("chat_prompt::a_message_may_have_several_lines");
    let model = ModelServer::start().await;
    model.default_reply(Reply::text("ok"));
    let workspace = Workspace::helper();
    let person =
        Person::default().sees("you> ").types("first\\\r").sees("...> ").types("second\r").sees("ok");
    let person =
        person.sees("you> ").types("third\x1b\r").sees("...> ").types("fourth\r").sees("ok").sees("you> ");
    let person = person.types("\x1b[200~pasted \\\rlines\r\x1b[201~").sees("lines").types("\r").sees("ok");
    let person = person.sees("you> ").types("/nothing\r").sees("there is no command /nothing").sees("you> ");
    let person =
        person.types("/etc/hosts is what?\r").sees("ok").sees("you> ").types("/new\r").sees("new session");
    let seen = person.sees("you> ").types("again\r").sees("ok").sees("you> ").types("/exit\r");
    let seen = seen.at(&prompt(&workspace, &model, &[]));
    assert_eq!(seen.code, 0, "{}", seen.text);
    let told: Vec<String> = (0..5).map(|number| told(&model, number)).collect();
    assert_eq!(told[..4], ["first\nsecond", "third\nfourth", "pasted \\\nlines\n", "/etc/hosts is what?"]);
    let last = &model.requests()[4].body["messages"];
    assert_eq!((told[4].as_str(), last.as_array().unwrap().len()), ("again", 2), "a new session: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_remembered_for_their_owner_alone() {
    agent_gateway_testkit::needs_python!("chat_prompt::lines_are_remembered_for_their_owner_alone");
    let model = ModelServer::start().await;
    model.default_reply(Reply::text("ok"));
    let workspace = Workspace::helper();
    let first = Person::default().sees("you> ").types("remember me\r").sees("ok").sees("you> ");
    let first = first.types(" not me\r").sees("ok").sees("you> ").types("\x04");
    assert_eq!(first.at(&prompt(&workspace, &model, &[])).code, 0);
    let file = workspace.directory.path().join("state/agent-gateway/chat-history");
    assert_eq!(fs::read_to_string(&file).unwrap(), "remember me\n");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let second = Person::default().sees("you> ").types("\x1b[A").sees("remember me").types("\r").sees("ok");
    assert_eq!(second.sees("you> ").types("\x04").at(&prompt(&workspace, &model, &[])).code, 0);
    assert_eq!((told(&model, 1).as_str(), told(&model, 2).as_str()), (" not me", "remember me"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_tool_calls_and_nothing_that_drives_the_terminal() {
    agent_gateway_testkit::needs_python!(
        "chat_prompt::a_person_sees_tool_calls_and_nothing_that_drives_the_terminal"
    );
    let model = ModelServer::start().await;
    let script = || {
        model.reply(Reply::tool_calls([("nothing", serde_json::json!({"a": "x".repeat(300)}))]));
        model.reply(Reply::text("evil \u{1b}]0;title\u{7}text"));
    };
    let workspace = Workspace::helper();
    let person = || {
        let person =
            Person::default().sees("you> ").types("go\r").sees("→ nothing").sees("…").sees("← nothing");
        person.sees("evil \u{241b}]0;title\u{2407}text\r\n").sees("you> ").types("\x04")
    };
    script();
    let seen = person().at(&prompt(&workspace, &model, &[]));
    assert_eq!(seen.code, 0);
    assert!(seen.text.contains("\u{1b}[2m→ nothing"), "dim: {}", seen.text);
    script();
    let mut plain = prompt(&workspace, &model, &[]);
    plain.env("NO_COLOR", "1");
    let seen = person().at(&plain);
    let colours = seen.text.split("\u{1b}[").skip(1).filter(|rest| {
        let end = rest.find(|character: char| character.is_ascii_alphabetic());
        end.is_some_and(|end| rest[end..].starts_with('m') && !matches!(&rest[..end], "" | "0"))
    });
    assert_eq!(colours.count(), 0, "{:?}", seen.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_told_to_end_gives_the_terminal_back() {
    agent_gateway_testkit::needs_python!(
        "chat_prompt::a_process_that_is_told_to_end_gives_the_terminal_back"
    );
    let model = ModelServer::start().await;
    let workspace = Workspace::helper();
    let person = Person::default().sees("you> ").types("unfinished").sees("unfinished").signals("SIGTERM");
    let seen = person.at(&prompt(&workspace, &model, &[]));
    assert_eq!(seen.code, 0, "{}", seen.text);
    assert!(seen.text.ends_with("\u{1b}[?2004l"), "bracketed paste is off again: {:?}", seen.text);
    model.reply(Reply::text("one two three").stall(3));
    let person =
        Person::default().sees("you> ").types("count\r").sees("one").signals("SIGTERM").sees("cancelled");
    let seen = person.at(&prompt(&workspace, &model, &[]));
    assert_eq!(seen.code, 4, "{}", seen.text);
    model.wait_for_abandoned(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_comes_before_any_prompt() {
    agent_gateway_testkit::needs_python!("chat_prompt::an_error_comes_before_any_prompt");
    let model = ModelServer::start().await;
    let workspace = Workspace::helper();
    let person = Person::default().sees("there is no session 'nowhere'");
    let seen = person.at(&prompt(&workspace, &model, &["--session", "nowhere"]));
    assert_eq!((seen.code, seen.text.contains("you> ")), (1, false), "{}", seen.text);
    let person = Person::default().sees("\"event\":\"session\"").sees("\"event\":\"done\"");
    model.reply(Reply::text("ok"));
    let seen = person.at(&prompt(&workspace, &model, &["--json", "-m", "hi"]));
    let first: Value = serde_json::from_str(seen.text.lines().next().unwrap()).unwrap();
    assert_eq!((seen.code, &first["event"]), (0, &Value::from("session")));
}
