//! The personal briefing: an agent that each user sets up, with a secret that goes to its tool and nowhere else.
use std::{
    fs::{self, OpenOptions},
    path::Path,
};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use crate::{
    process::{Server, Workspace, answer, stdout},
    sse::{Connection, KEYED, Seen, get, last_message, post, read, streamed},
};

const AGENT: &str = "---
description: Brief each user on their own news
scope: personal
skills: [news]
setup_schema:
  type: object
  properties:
    city: {type: string, description: Where you live}
    language: {type: string, default: en}
    news_api_key: {type: string, sensitive: true}
    pin: {type: integer, sensitive: true}
  required: [city, news_api_key]
---
You brief the user.";
const TOOL: &str =
    "---\ndescription: Fetches news\nparameters:\n  topic: {type: string, required: true}\n---\n";
/// Shows its secret in every way that it has.
const HANDLER: &str = "import sys

def handle(arguments, context):
    key, pin = context['user_secrets']['news_api_key'], context['user_secrets']['pin']
    print('stdout has', key, pin)
    print('stderr has', key, pin, file=sys.stderr)
    if arguments['topic'] == 'none':
        raise ValueError('no news for ' + key)
    config = context['user_config']
    return {'used': key, 'pin': pin, 'city': config['city'], 'language': config['language'],
            'user': context['caller_identity']}
";
const SECRET: &str = "nk-live-7f3a\u{e9}\"91";
const PIN: u32 = 402_931;
const CONFIG: &str = "/v1/agents/briefing/config";

fn workspace() -> Workspace {
    Workspace::new(&[
        ("gateway.yaml", KEYED),
        ("agents/briefing/AGENT.md", AGENT),
        ("skills/news/SKILL.md", "---\ndescription: News\ntools: [fetch-news]\n---\nFetch it."),
        ("tools/fetch-news/TOOL.md", TOOL),
        ("tools/fetch-news/handler.py", HANDLER),
    ])
}

/// Asks for news of what the user says, and repeats what it gets.
async fn model() -> ModelServer {
    ModelServer::with(|body: &Value| match last_message(body) {
        (role, topic) if role == "user" => Reply::tool_calls([("fetch-news", json!({ "topic": topic }))]),
        (_, result) => Reply::text(result),
    })
    .await
}

fn serve(workspace: &Workspace, model: &ModelServer, keys: [(&str, &str); 2]) -> Server {
    let log = workspace.directory.path().join("log");
    workspace.serve(|command| {
        command.env("OPENAI_BASE_URL", model.url()).env("AGENT_GATEWAY_MODEL__DEFAULT", "openai/test-model");
        command.env("RUST_LOG", "debug").envs(keys);
        command.stderr(OpenOptions::new().create(true).append(true).open(&log).unwrap());
    })
}

fn with_key(key: &str) -> [(&str, &str); 2] {
    [("AGENT_GATEWAY_SECRET_KEY", key), ("AGENT_GATEWAY_SECRET_KEY_OLD", "")]
}

/// What the user is told on each path.
async fn told(server: &Server, message: &str) -> Vec<String> {
    let mut told = Vec::new();
    for path in ["invoke", "chat"] {
        let path = format!("/v1/agents/briefing/{path}");
        let whole = answer(post(server, &path, &json!({ "message": message }))).await;
        assert_eq!((whole.0, &whole.1["status"]), (200, &json!("completed")), "{whole:?}");
        let text = whole.1["result"]["raw_text"].as_str();
        told.push(text.unwrap_or_default().to_owned());
        let mut seen = Seen::default();
        seen.drain(Connection::open(post(server, &path, &streamed(message))).await).await;
        assert_eq!(seen.status(), "completed", "{seen:?}");
        assert!(!format!("{seen:?}").contains("7f3a"), "{seen:?}");
        told.push(seen.text());
        hidden(&read(server, &format!("/v1/executions/{}", seen.execution())).await.to_string());
    }
    let body = json!({"message": message, "options": {"async": true}});
    let queued = answer(post(server, "/v1/agents/briefing/invoke", &body)).await.1;
    let id = queued["execution_id"].as_str().unwrap();
    let mut seen = Seen::default();
    seen.drain(Connection::open(get(server, &format!("/v1/executions/{id}/events"))).await).await;
    told.push(seen.text());
    told
}

#[track_caller]
fn hidden(text: &str) {
    assert!(!text.contains("7f3a") && !text.contains(&PIN.to_string()), "{text}");
}

/// No file of the gateway holds the secrets: neither the database nor what was logged.
fn search(directory: &Path) {
    let mut searched = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            let line = text.lines().find(|line| line.contains("7f3a") || line.contains(&PIN.to_string()));
            assert_eq!(line, None, "the secret is in {}", path.display());
            searched += 1;
        }
    }
    assert!(searched >= 2, "the database and the log");
}

#[tokio::test]
async fn each_user_is_briefed_by_their_own_settings_on_every_path() {
    agent_gateway_testkit::needs_python!(
        "personal::each_user_is_briefed_by_their_own_settings_on_every_path"
    );
    let (workspace, model) = (workspace(), model().await);
    let server = serve(&workspace, &model, with_key("correct horse battery staple"));
    let refused = answer(post(&server, "/v1/agents/briefing/chat", &json!({"message": "x"}))).await;
    assert_eq!((refused.0, &refused.1["error"]["code"]), (409, &json!("setup_required")));
    let settings =
        json!({"city": "Oslo", "news_api_key": SECRET, "pin": PIN, "instructions": "Answer in rhymes."});
    let saved = answer(post(&server, CONFIG, &settings)).await;
    assert_eq!((saved.0, &saved.1["setup_completed"]), (200, &json!(true)), "{saved:?}");

    let texts = told(&server, "sports").await;
    let expected =
        json!({"used": "***", "pin": "***", "city": "Oslo", "language": "en", "user": "apikey:ann"});
    for text in &texts {
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected, "{texts:?}");
    }
    for text in told(&server, "none").await {
        assert!(text.contains("the tool 'fetch-news' failed"), "{text}");
    }
    for request in model.requests() {
        let seen = format!("{:?}", request.messages());
        assert!(seen.contains("Answer in rhymes.") && seen.contains("<user-instructions>"), "{seen}");
        hidden(&seen);
    }
    hidden(&read(&server, "/v1/executions?limit=100").await.to_string());
    hidden(&read(&server, CONFIG).await.to_string());
    server.stop().await;
    let log = fs::read_to_string(workspace.directory.path().join("log")).unwrap();
    for said in ["stderr has [redacted]", "no news for [redacted]"] {
        assert!(log.contains(said), "what the handler said is in the log: {said}");
    }
    search(workspace.directory.path());
}

#[tokio::test]
async fn a_changed_key_is_told_and_the_right_one_opens_everything_again() {
    agent_gateway_testkit::needs_python!(
        "personal::a_changed_key_is_told_and_the_right_one_opens_everything_again"
    );
    let (workspace, model) = (workspace(), model().await);
    let server = serve(&workspace, &model, with_key("first key"));
    let settings = json!({"city": "Oslo", "news_api_key": SECRET, "pin": PIN});
    assert_eq!(answer(post(&server, CONFIG, &settings)).await.0, 200);
    server.stop().await;
    let go = json!({"message": "sports"});
    for wrong in ["second key", ""] {
        let server = serve(&workspace, &model, with_key(wrong));
        let refused = answer(post(&server, "/v1/agents/briefing/invoke", &go)).await;
        assert_eq!((refused.0, &refused.1["error"]["code"]), (503, &json!("secrets_unreadable")));
        let message = refused.1["error"]["message"].as_str().unwrap();
        assert!(message.contains("AGENT_GATEWAY_SECRET_KEY"), "{message}");
        server.stop().await;
    }
    let rotated = [("AGENT_GATEWAY_SECRET_KEY", "second key"), ("AGENT_GATEWAY_SECRET_KEY_OLD", "first key")];
    let server = serve(&workspace, &model, rotated);
    let done = answer(post(&server, "/v1/agents/briefing/invoke", &go)).await.1;
    assert_eq!(done["status"], "completed", "{done}");
    // Saving again seals with the new key: the old one is not needed any more.
    assert_eq!(answer(post(&server, CONFIG, &json!({"city": "Bergen"}))).await.0, 200);
    server.stop().await;
    let server = serve(&workspace, &model, with_key("second key"));
    let done = answer(post(&server, "/v1/agents/briefing/invoke", &go)).await.1;
    assert!(done["result"]["raw_text"].as_str().unwrap().contains("Bergen"), "{done}");
    server.stop().await;
    search(workspace.directory.path());
}

#[test]
fn check_says_what_a_personal_agent_needs() {
    let workspace = workspace();
    let checked = stdout(&workspace.run(&["check"]));
    assert!(checked.contains("agents/briefing/AGENT.md"), "{checked}");
    assert!(checked.contains("AGENT_GATEWAY_SECRET_KEY is not set"), "{checked}");
    assert!(checked.contains("news_api_key, pin") && checked.contains("openssl rand"), "{checked}");
    assert!(!checked.contains("not yet supported"), "{checked}");
    workspace.write("gateway.yaml", crate::process::OPEN);
    let open = stdout(&workspace.run(&["check"]));
    assert!(open.contains("every call is refused"), "{open}");
}
