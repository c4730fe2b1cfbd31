use super::*;
use crate::{
    ErrorKind,
    clock::FixedClock,
    id::{AgentId, UserId},
    ports::memory::{MemoryKind, MemorySource},
};

fn scope(user: Option<&str>) -> MemoryScope {
    MemoryScope {
        agent_id: AgentId::new("helper").unwrap(),
        user_id: user.map(|user| UserId::new(user).unwrap()),
    }
}

fn item(content: &str) -> NewMemory {
    NewMemory {
        content: content.to_owned(),
        kind: MemoryKind::Semantic,
        source: MemorySource::Manual,
        importance: 0.5,
    }
}

async fn found(memory: &InProcessMemory, text: &str) -> Vec<(String, f64)> {
    let query = MemoryQuery { text: text.to_owned(), kind: None, limit: 10 };
    let found = memory.search(&scope(None), &query).await.unwrap();
    found.into_iter().map(|found| (found.item.what.content, found.score)).collect()
}

#[tokio::test]
async fn the_share_of_words_decides_and_the_newer_of_equals_comes_first() {
    let memory = InProcessMemory::default();
    for content in ["Tea in the morning", "GREEN TEA", "green tea in the morning", "coffee", "tea, of course"]
    {
        memory.put(&scope(None), &item(content)).await.unwrap();
    }
    let order: Vec<_> = found(&memory, "green TEA morning?").await;
    assert_eq!(order[0], ("green tea in the morning".to_owned(), 1.0));
    let rest: Vec<_> = order[1..].iter().map(|(content, _)| content.as_str()).collect();
    assert_eq!(rest, ["GREEN TEA", "Tea in the morning", "tea, of course"]);
    assert!(found(&memory, " ?! ").await.is_empty());
    assert_eq!(found(&memory, "tea tea tea green").await[0].1, 1.0);
}

#[tokio::test]
async fn a_long_query_counts_its_first_words() {
    let memory = InProcessMemory::default();
    memory.put(&scope(None), &item("needle")).await.unwrap();
    let hay: Vec<_> = (0..MAX_WORDS).map(|n| format!("w{n}x")).collect();
    assert!(found(&memory, &format!("{} needle", hay.join(" "))).await.is_empty());
    assert_eq!(found(&memory, &format!("needle {}", hay.join(" "))).await.len(), 1);
}

#[tokio::test]
async fn a_full_scope_loses_nothing_and_leaves_the_others_alone() {
    let memory = InProcessMemory::default().max_items(2);
    let first = memory.put(&scope(None), &item("one")).await.unwrap();
    memory.put(&scope(None), &item("two")).await.unwrap();
    let error = memory.put(&scope(None), &item("three")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(memory.get(&scope(None), &first.id).await.unwrap().is_some());
    memory.put(&scope(Some("a")), &item("three")).await.unwrap();
    assert!(memory.delete(&scope(None), &first.id).await.unwrap());
    memory.put(&scope(None), &item("three")).await.unwrap();
}

#[tokio::test]
async fn all_text_together_is_bounded_and_given_back() {
    let memory = InProcessMemory::default().max_bytes(20);
    let first = memory.put(&scope(None), &item("12345")).await.unwrap();
    memory.put(&scope(Some("a")), &item("67890")).await.unwrap();
    assert_eq!(memory.put(&scope(Some("b")), &item("1")).await.unwrap_err().kind(), ErrorKind::TooLarge);
    memory.delete(&scope(None), &first.id).await.unwrap();
    assert_eq!(memory.clear(&scope(Some("a"))).await.unwrap(), 1);
    assert!(memory.state().scopes.is_empty(), "an empty scope takes no room");
    memory.put(&scope(Some("b")), &item("1234567890")).await.unwrap();
}

#[tokio::test]
async fn instants_are_the_clocks() {
    let made: crate::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(FixedClock::at(made));
    let memory = InProcessMemory::default().with_clock(clock.clone());
    let put = memory.put(&scope(None), &item("tea")).await.unwrap();
    assert_eq!((put.created_at, put.last_accessed_at, put.access_count), (made, None, 0));
    let later = made + jiff::SignedDuration::from_hours(1);
    clock.set(later);
    found(&memory, "tea").await;
    found(&memory, "tea").await;
    let seen = memory.get(&scope(None), &put.id).await.unwrap().unwrap();
    assert_eq!((seen.created_at, seen.last_accessed_at, seen.access_count), (made, Some(later), 2));
}
