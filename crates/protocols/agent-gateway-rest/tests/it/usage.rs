//! What runs consumed, and the sums.
use agent_gateway_core::message::TokenUsage;
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::{ALICE, BOB, READER, ROOT, Setup, World};

/// Two runs of Alice's with different agents, and one of Bob's.
async fn world() -> World {
    let usage = TokenUsage { input_tokens: 100, output_tokens: 20, cached_input_tokens: 60 };
    let model = ScriptedModel::always(Reply::text("hello").usage(usage));
    let world = Setup { model, ..Setup::default() }.start().await;
    world.invoke("echo", ALICE).await.ok();
    world.turn(None, "hi", ALICE).await.ok();
    world.invoke("echo", BOB).await.ok();
    world.chat("styled", ALICE, &json!({"message": "hi"})).await.ok();
    world
}

/// Group and number of runs, by group.
fn groups(sums: &Value) -> Vec<(String, u64)> {
    let sums = sums.as_array().unwrap().iter();
    let mut groups: Vec<_> = sums
        .map(|sum| (sum["group"].as_str().unwrap().to_owned(), sum["executions"].as_u64().unwrap()))
        .collect();
    groups.sort();
    groups
}

fn pairs(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(group, count)| ((*group).to_owned(), *count)).collect()
}

#[tokio::test]
async fn cached_tokens_are_told_where_there_are_some() {
    let world = world().await;
    let runs = world.get("/v1/executions?limit=1", ALICE).await.ok();
    let answer = world.invoke("echo", ALICE).await.ok();
    for usage in [&runs[0]["usage"], &answer["usage"]] {
        assert_eq!(
            (&usage["input_tokens"], &usage["output_tokens"], &usage["cached_input_tokens"]),
            (&json!(100), &json!(20), &json!(60))
        );
    }
}

#[tokio::test]
async fn a_sum_has_every_member() {
    let world = world().await;
    let sums = world.get("/v1/usage?group_by=user", BOB).await.ok();
    let group = sums[0]["group"].clone();
    assert_eq!(
        sums,
        json!([{
            "group": group, "executions": 1, "completed": 1, "input_tokens": 100, "output_tokens": 20, "cost_usd": 0.0,
        }])
    );
}

#[tokio::test]
async fn usage_is_summed_by_agent_model_user_and_day() {
    let world = world().await;
    let sums =
        async |query: &str, key: &str| groups(&world.get(&format!("/v1/usage{query}"), key).await.ok());
    assert_eq!(sums("", ALICE).await, pairs(&[("echo", 2), ("styled", 1)]));
    assert_eq!(sums("?group_by=agent", ROOT).await, pairs(&[("echo", 3), ("styled", 1)]));
    assert_eq!(sums("?group_by=agent", BOB).await, pairs(&[("echo", 1)]));
    assert_eq!(sums("?group_by=model", BOB).await, pairs(&[("scripted/one", 1)]));
    let users = sums("?group_by=user", ROOT).await;
    let counts: Vec<u64> = users.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [3, 1], "{users:?}");
    let days = sums("?group_by=day", ALICE).await;
    assert!(days.len() <= 2 && days.iter().map(|(_, count)| count).sum::<u64>() == 3, "{days:?}");
    assert_eq!(days[0].0.len(), "2026-01-02".len(), "{days:?}");
}

#[tokio::test]
async fn the_window_is_half_open_and_covers_thirty_days() {
    let world = world().await;
    let created = world.get("/v1/executions?limit=1", BOB).await.ok()[0]["created_at"].clone();
    let at = created.as_str().unwrap().replace("+00:00", "Z");
    let count = async |query: &str| {
        world.get(&format!("/v1/usage?{query}"), BOB).await.ok().as_array().unwrap().len()
    };
    assert_eq!(count(&format!("since={at}")).await, 1);
    assert_eq!(count(&format!("until={at}")).await, 0);
    assert_eq!(count("since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00Z").await, 0);
    assert_eq!(count("since=2999-01-01T00:00:00Z").await, 0, "a window that is empty");
    assert_eq!(count("until=2999-01-01T00:00:00Z").await, 0, "thirty days before the end, not before now");
}

#[tokio::test]
async fn sums_are_asked_for_properly() {
    let world = World::new().await;
    for (query, name) in [
        ("group_by=colour", "group_by"),
        ("group_by=Agent", "group_by"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
    ] {
        let problems = world.get(&format!("/v1/usage?{query}"), ALICE).await.problems();
        assert_eq!(problems, [("value_error".to_owned(), json!(["query", name]))], "{query}");
    }
    assert_eq!(world.get("/v1/usage", READER).await.error(), (403, "insufficient_scope"));
    assert_eq!(world.get("/v1/usage", ALICE).await.ok(), json!([]));
}
