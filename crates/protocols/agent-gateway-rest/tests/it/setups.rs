//! Personal agents: users set them up, and they run by their user's settings.
use std::sync::Arc;

use agent_gateway_core::{
    Error,
    execution::Cursor,
    id::{AgentId, ExecutionId, UserId},
    in_process::InProcessStore,
    message::Message,
    ports::persistence::{AgentSetup, PersistenceBackend},
    tool::{ToolContext, ToolOutput},
};
use agent_gateway_runtime::{Authenticator, Limits, MAX_INSTRUCTIONS_CHARS, MAX_SETTINGS_BYTES};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::{ALICE, Answer, BOB, NARROW, ROOT, Setup, World};

const CONFIG: &str = "/v1/agents/personal/config";
const SECRET: &str = "sk-live-\"0123\"-ä";

fn settings() -> Value {
    json!({"instructions": "Call me Al.", "city": "Oslo", "api_key": SECRET, "pin": 98_765})
}

/// A store that a test looks into.
async fn on(store: &Arc<InProcessStore>, secret_key: &'static str) -> World {
    Setup { persistence: store.clone(), secret_key, ..Setup::default() }.start().await
}

async fn stored(store: &InProcessStore) -> Option<AgentSetup> {
    let (user, agent) = (UserId::new("apikey:alice").unwrap(), AgentId::new("personal").unwrap());
    store.users().setup(&user, &agent).await.unwrap()
}

#[tokio::test]
async fn settings_are_saved_shown_without_secrets_and_deleted() {
    let world = World::new().await;
    let schema = world.get("/v1/agents/personal/setup-schema", ALICE).await.ok();
    assert_eq!((&schema["agent_id"], &schema["scope"]), (&json!("personal"), &json!("personal")));
    assert_eq!(schema["setup_schema"]["properties"]["api_key"]["sensitive"], true);
    assert_eq!(world.get(CONFIG, ALICE).await.error(), (404, "config_not_found"));
    let saved = world.post(CONFIG, ALICE, &settings()).await.ok();
    assert_eq!(saved, json!({"user_id": "apikey:alice", "agent_id": "personal", "setup_completed": true}));
    let answer = world.get(CONFIG, ALICE).await;
    assert!(!answer.text.contains("0123") && !answer.text.contains("98765"), "{}", answer.text);
    let shown = answer.ok();
    assert_eq!(shown["instructions"], "Call me Al.");
    assert_eq!(shown["config_values"], json!({"city": "Oslo"}));
    assert_eq!(shown["secrets"], json!({"api_key": "***", "pin": "***"}));
    assert_eq!(shown["setup_completed"], true);
    assert!(shown["created_at"].is_string() && shown["updated_at"].is_string());
    // They are the caller's own: not even an administrator's.
    for other in [BOB, ROOT] {
        assert_eq!(world.get(CONFIG, other).await.error(), (404, "config_not_found"));
        assert_eq!(world.delete(CONFIG, other).await.error(), (404, "config_not_found"));
    }
    assert_eq!(world.delete(CONFIG, ALICE).await.ok(), json!({"deleted": true}));
    assert_eq!(world.delete(CONFIG, ALICE).await.error(), (404, "config_not_found"));
}

#[tokio::test]
async fn only_personal_agents_and_known_callers_have_settings() {
    let world = World::new().await;
    let open = Setup { authenticator: Authenticator::open(), ..Setup::default() }.start().await;
    for (agent, error) in [("echo", (400, "not_personal_agent")), ("none", (404, "agent_not_found"))] {
        let path = format!("/v1/agents/{agent}/config");
        assert_eq!(world.get(&format!("/v1/agents/{agent}/setup-schema"), ALICE).await.error(), error);
        assert_eq!(world.post(&path, ALICE, &json!({})).await.error(), error);
        assert_eq!(world.get(&path, ALICE).await.error(), error);
        assert_eq!(world.delete(&path, ALICE).await.error(), error);
    }
    assert_eq!(world.post(CONFIG, NARROW, &settings()).await.error(), (403, "insufficient_scope"));
    for answer in
        [open.post(CONFIG, "", &settings()).await, open.get(CONFIG, "").await, open.delete(CONFIG, "").await]
    {
        assert_eq!(answer.error(), (401, "auth_required"));
    }
}

#[tokio::test]
async fn what_does_not_fit_is_told_whole_and_without_secrets() {
    let store = Arc::new(InProcessStore::default());
    let world = on(&store, "key").await;
    let answer = world.post(CONFIG, ALICE, &json!({"city": 5, "pin": "sk-pin"})).await;
    let problems = answer.problems();
    for expected in [
        ("missing", json!(["body", "api_key"])),
        ("type", json!(["body", "city"])),
        ("type", json!(["body", "pin"])),
    ] {
        assert!(
            problems.contains(&(expected.0.to_owned(), expected.1.clone())),
            "{expected:?}: {problems:?}"
        );
    }
    assert!(!answer.text.contains("sk-pin"), "{}", answer.text);
    let long = "ä".repeat(MAX_INSTRUCTIONS_CHARS + 1);
    for (given, kind, place) in [
        (json!({"city": "Oslo", "api_key": "sk-1"}), "minLength", json!(["body", "api_key"])),
        (json!({"city": "Oslo", "api_key": "***"}), "missing", json!(["body", "api_key"])),
        (json!({"city": "Oslo", "api_key": null}), "missing", json!(["body", "api_key"])),
        (json!({"city": "Oslo", "api_key": [SECRET]}), "type", json!(["body", "api_key"])),
        (json!({"instructions": 5}), "string_type", json!(["body", "instructions"])),
        (json!({"instructions": long}), "string_too_long", json!(["body", "instructions"])),
        (json!({"city": "x".repeat(MAX_SETTINGS_BYTES)}), "too_long", json!(["body"])),
    ] {
        let answer = world.post(CONFIG, ALICE, &given).await;
        let problems = answer.problems();
        assert!(problems.contains(&(kind.to_owned(), place.clone())), "{kind} {place}: {problems:?}");
        assert!(answer.text.len() < 4_000 && !answer.text.contains("sk-"), "{}", answer.text);
    }
    let told = world.post(CONFIG, ALICE, &json!({"instructions": long})).await;
    assert!(told.json["error"]["message"].as_str().unwrap().contains("4000 characters"), "{}", told.text);
    for broken in ["", "[]", "\"sk\"", "{\"a\":", "5"] {
        assert_eq!(
            world.post_text(CONFIG, ALICE, broken).await.error(),
            (422, "validation_failed"),
            "{broken}"
        );
    }
    assert!(stored(&store).await.is_none(), "nothing of it is stored");
}

#[tokio::test]
async fn a_secret_stays_until_it_is_replaced_or_removed() {
    let store = Arc::new(InProcessStore::default());
    let world = on(&store, "key").await;
    world.post(CONFIG, ALICE, &settings()).await.ok();
    let created = stored(&store).await.unwrap().created_at;
    // Left out, and sent as it is shown. Everything else is replaced.
    world.post(CONFIG, ALICE, &json!({"city": "Bergen", "api_key": "***"})).await.ok();
    let kept = stored(&store).await.unwrap();
    assert_eq!(kept.sealed_secrets.keys().collect::<Vec<_>>(), ["api_key", "pin"]);
    assert_eq!((kept.instructions, kept.created_at), (None, created));
    assert_eq!(kept.config_values, *json!({"city": "Bergen"}).as_object().unwrap());
    world.post(CONFIG, ALICE, &json!({"city": "Bergen", "pin": null})).await.ok();
    assert_eq!(stored(&store).await.unwrap().sealed_secrets.keys().collect::<Vec<_>>(), ["api_key"]);
    let required = world.post(CONFIG, ALICE, &json!({"city": "Bergen", "api_key": null})).await;
    assert_eq!(required.problems(), [("missing".to_owned(), json!(["body", "api_key"]))]);
    assert_eq!(stored(&store).await.unwrap().sealed_secrets.len(), 1, "a refused change changes nothing");
}

/// A model that calls the tool once, and a tool that shows what it has.
fn echoing() -> (ScriptedModel, FnTool) {
    let call = || Reply::calls([("spy", json!({"key": SECRET}))]);
    let model = ScriptedModel::new([call(), Reply::text("done"), call(), Reply::text("done")]);
    let tool = FnTool::new("spy", |_, context: ToolContext| async move {
        let (key, pin) = (context.user_secrets["api_key"].clone(), context.user_secrets["pin"].clone());
        let text = format!("key {} pin {} in {}", key.expose(), pin.expose(), context.user_config["city"]);
        if context.user_config["city"] == "Nowhere" {
            return Err(Error::invalid(text.clone()).with("key", key.expose()).caused_by(text));
        }
        Ok(ToolOutput::Json(json!({"said": text, "key": key.expose(), "pin": 98_765})))
    });
    (model, tool.unwrap())
}

async fn log_of(store: &InProcessStore, id: &str) -> String {
    let id = ExecutionId::new(id).unwrap();
    let log = store.executions().log(&id, Cursor::START, 100).await.unwrap();
    log.iter().skip(1).map(|entry| format!("{:?}\n", entry.event)).collect()
}

#[tokio::test]
async fn a_run_has_its_users_settings_and_shows_no_secret() {
    for path in ["invoke", "chat"] {
        let (model, tool) = echoing();
        let store = Arc::new(InProcessStore::default());
        let setup = Setup {
            persistence: store.clone(),
            tools: vec![Arc::new(tool.clone())],
            model: model.clone(),
            ..Setup::default()
        };
        let world = setup.start().await;
        world.post(CONFIG, ALICE, &settings()).await.ok();
        let run = |body: Value| world.post_to(path, body);
        let done = run(json!({"message": "go"})).await.ok();
        let call = &tool.calls()[0];
        assert_eq!(call.context.user_secrets["api_key"].expose(), SECRET);
        assert_eq!(call.context.user_secrets["pin"].expose(), "98765");
        let config = json!({"city": "Oslo", "units": "metric"});
        assert_eq!(*call.context.user_config, *config.as_object().unwrap());
        assert_eq!(call.context.caller_identity.as_ref().unwrap().as_str(), "apikey:alice");
        let prompt = prompt(&model, 0);
        assert!(prompt.contains("## User Instructions\n\n<user-instructions>\n"), "{prompt}");
        assert!(prompt.contains("Call me Al.\n</user-instructions>"), "{prompt}");
        assert!(!prompt.contains("0123"), "{prompt}");
        let log = log_of(&store, done["execution_id"].as_str().unwrap()).await;
        assert!(log.contains("***") && log.contains("Oslo"), "{log}");
        assert!(!log.contains("0123") && !log.contains("98765"), "{log}");
        let told = format!("{:?}", model.requests()[1].messages.last());
        assert!(told.contains("***") && !told.contains("0123") && !told.contains("98765"), "{told}");

        // A tool that fails with a secret in its words.
        world.post(CONFIG, ALICE, &json!({"city": "Nowhere"})).await.ok();
        let failed = run(json!({"message": "go"})).await.ok();
        let log = log_of(&store, failed["execution_id"].as_str().unwrap()).await;
        assert!(log.contains("failed: key ***") && !log.contains("0123"), "{log}");
        assert!(!prompt_has_instructions(&model), "they were replaced by none");
    }
}

fn prompt(model: &ScriptedModel, request: usize) -> String {
    match &model.requests()[request].messages[0] {
        Message::System { content } => content.to_string(),
        other => panic!("{other:?}"),
    }
}

fn prompt_has_instructions(model: &ScriptedModel) -> bool {
    prompt(model, model.requests().len() - 1).contains("User Instructions")
}

#[tokio::test]
async fn nobody_gets_around_the_setup() {
    let limits = Limits { workers: 1, ..Limits::default() };
    let world = Setup { limits, ..Setup::default() }.start().await;
    let bodies = [
        json!({"message": "hi"}),
        json!({"message": "hi", "options": {"stream": true}}),
        json!({"message": "hi", "options": {"async": true}}),
    ];
    for body in &bodies {
        for path in ["invoke", "chat"] {
            assert_eq!(
                world.post_to(path, body.clone()).await.error(),
                (409, "setup_required"),
                "{path} {body}"
            );
        }
    }
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]), "nothing is stored");
    world.post(CONFIG, ALICE, &settings()).await.ok();
    assert_eq!(world.post_to("invoke", bodies[0].clone()).await.ok()["status"], "completed");
    // What a schema asks for later is missing from then on.
    let mut held = world.source.0.lock().unwrap().clone().unwrap();
    let agent = held.agents.get_mut("personal").unwrap();
    let agent = Arc::make_mut(agent);
    agent.setup_schema = Some(Arc::new(json!({"required": ["city", "country"]})));
    *world.source.0.lock().unwrap() = Some(held);
    world.gateway.catalogue().reload().await.unwrap();
    assert_eq!(world.get(CONFIG, ALICE).await.ok()["setup_completed"], false);
    assert_eq!(world.post_to("invoke", bodies[0].clone()).await.error(), (409, "setup_required"));
}

#[tokio::test]
async fn a_queued_run_takes_the_settings_of_the_moment_it_runs() {
    let model = ScriptedModel::new([Reply::hang()]).afterwards(Reply::text("hello"));
    let limits = Limits { workers: 1, ..Limits::default() };
    let world = Setup { limits, model, ..Setup::default() }.start().await;
    world.post(CONFIG, ALICE, &settings()).await.ok();
    // The one worker is busy.
    let busy = world.invoke("later", ALICE).await.json["execution_id"].as_str().unwrap().to_owned();
    world.model.wait_for_requests(1).await;
    let queued = world.post_to("invoke", json!({"message": "hi", "options": {"async": true}})).await;
    let id = queued.json["execution_id"].as_str().unwrap().to_owned();
    assert_eq!(world.delete(CONFIG, ALICE).await.ok()["deleted"], true);
    world.post(&format!("/v1/executions/{busy}/cancel"), ROOT, &json!({})).await.ok();
    let ended = loop {
        let stored = world.get(&format!("/v1/executions/{id}"), ALICE).await.ok();
        if stored["completed_at"].is_string() {
            break stored;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(ended["status"], "failed");
    assert!(ended["error"].as_str().unwrap().contains("not set up for this user"), "{ended}");
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test]
async fn without_a_key_no_secret_is_taken() {
    let store = Arc::new(InProcessStore::default());
    let world = on(&store, "").await;
    let answer = world.post(CONFIG, ALICE, &settings()).await;
    assert_eq!(answer.error(), (503, "secret_key_missing"));
    assert!(answer.json["error"]["message"].as_str().unwrap().contains("AGENT_GATEWAY_SECRET_KEY"));
    assert!(!answer.text.contains("0123"), "{}", answer.text);
    assert!(stored(&store).await.is_none());
}

#[tokio::test]
async fn a_wrong_key_is_told_and_the_settings_stay() {
    let store = Arc::new(InProcessStore::default());
    on(&store, "right key").await.post(CONFIG, ALICE, &settings()).await.ok();
    let before = stored(&store).await;
    let run = json!({"message": "hi"});
    let unreadable = |answer: &Answer| {
        assert_eq!(answer.error(), (503, "secrets_unreadable"), "{answer:?}");
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("AGENT_GATEWAY_SECRET_KEY_OLD") && !message.contains("key wrong"),
            "{message}"
        );
    };
    for wrong in ["wrong key", ""] {
        let world = on(&store, wrong).await;
        unreadable(&world.post_to("invoke", run.clone()).await);
        unreadable(&world.post_to("chat", run.clone()).await);
        unreadable(&world.post(CONFIG, ALICE, &json!({"city": "Bergen"})).await);
        assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]));
        assert_eq!(world.get(CONFIG, ALICE).await.ok()["secrets"]["api_key"], "***");
        assert_eq!(stored(&store).await, before, "nothing of it changed");
    }
    assert_eq!(
        on(&store, "right key").await.post_to("invoke", run.clone()).await.ok()["status"],
        "completed"
    );
    // Whoever enters all secrets again needs no old key.
    let world = on(&store, "wrong key").await;
    world.post(CONFIG, ALICE, &settings()).await.ok();
    assert_eq!(world.post_to("invoke", run).await.ok()["status"], "completed");
}

#[tokio::test]
async fn what_the_python_package_stored_in_clear_counts_as_secret() {
    let store = Arc::new(InProcessStore::default());
    let world = on(&store, "key").await;
    world.post(CONFIG, ALICE, &settings()).await.ok();
    let mut old = stored(&store).await.unwrap();
    old.sealed_secrets.remove("pin");
    old.config_values.insert("pin".to_owned(), json!(98_765));
    store.users().put_setup(&old).await.unwrap();
    let shown = world.get(CONFIG, ALICE).await.ok();
    assert_eq!(shown["config_values"], json!({"city": "Oslo"}));
    assert_eq!(shown["secrets"], json!({"api_key": "***", "pin": "***"}));
    world.post(CONFIG, ALICE, &json!({"city": "Oslo"})).await.ok();
    let sealed = stored(&store).await.unwrap();
    assert!(sealed.sealed_secrets.contains_key("pin") && !sealed.config_values.contains_key("pin"));
}
