//! Several processes over one database.
use std::{collections::BTreeSet, sync::Arc};

use agent_gateway_core::{
    ErrorKind,
    execution::{Advanced, Cursor, ExecutionStatus, Fence, LogEvent, Transition},
    id::{AgentId, ConversationId, InstanceId},
    message::Message,
    ports::persistence::{Conversation, PersistenceBackend},
};
use agent_gateway_postgres::PostgresBackend;
use agent_gateway_testkit::{Service, needs_service};
use tokio::task::JoinSet;

use super::{
    sample::{at, delivery, everyone, finish, finish_saying, log, running, turn, turn_in},
    world::World,
};

async fn processes(world: &World, count: usize) -> Vec<Arc<PostgresBackend>> {
    let mut stores = Vec::new();
    for _ in 0..count {
        let store = PostgresBackend::open(world.config().pool_size(2)).await.unwrap();
        store.prepare().await.unwrap();
        stores.push(Arc::new(store));
    }
    stores
}

async fn joined(mut tasks: JoinSet<()>) {
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

/// Every execution is taken over again and again by both, who write on meanwhile: nobody gets an error, no log has a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rivals_fence_each_other_without_deadlock() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::rivals_fence_each_other_without_deadlock");
    let world = World::at(&url);
    let stores = processes(&world, 2).await;
    let mut tasks = JoinSet::new();
    let executions: Arc<Vec<_>> = Arc::new((0..30).map(|_| running("hello")).collect());
    for execution in executions.iter() {
        stores[0].executions().create(execution).await.unwrap();
    }
    for (number, store) in stores.iter().enumerate() {
        for worker in 0..10_usize {
            let (store, executions) = (store.clone(), executions.clone());
            tasks.spawn(async move {
                for round in 0..10_u64 {
                    for place in 0..executions.len() {
                        // Every worker has an order of its own.
                        let id = &executions[(place * (2 * worker + 7) + worker) % executions.len()].id;
                        let fence = Fence(2 + round * 20 + (worker * 2 + number) as u64);
                        let instance = Some(InstanceId::new(format!("process {number}")).unwrap());
                        let start = Transition::Start { fence, instance, at: at(1) };
                        if store.executions().advance(id, Fence(0), &start).await.unwrap()
                            != Advanced::Applied
                        {
                            continue;
                        }
                        let end =
                            store.executions().log(id, Cursor::START, 1_000).await.unwrap().len() as u64;
                        let mut entry = log([LogEvent::ModelTurn(turn("more"))]);
                        entry[0].sequence = Cursor(end + 1);
                        match store.executions().append(id, fence, &entry).await {
                            Ok(found) => assert_eq!(found, Cursor(end + 1)),
                            // The other one has it now.
                            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
                        }
                    }
                }
            });
        }
    }
    joined(tasks).await;
    for execution in executions.iter() {
        let log = stores[1].executions().log(&execution.id, Cursor::START, 1_000).await.unwrap();
        assert!(!log.is_empty());
        assert!(log.iter().zip(1..).all(|(entry, place)| entry.sequence == Cursor(place)));
    }
}

/// Each conversation has one turn at a time, and all of them come to an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_begin_two_turns() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::two_processes_never_begin_two_turns");
    let world = World::at(&url);
    let stores = processes(&world, 2).await;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let store = stores[number % 2].clone();
        let talk = ConversationId::new(format!("talk {}", number % 4)).unwrap();
        let begun = Conversation::new(talk.clone(), AgentId::new("helper").unwrap(), None, at(0));
        let _ = store.conversations().create(&begun).await;
        tasks.spawn(async move {
            let turn = turn_in(&talk);
            while let Err(early) = store.executions().create(&turn).await {
                assert_eq!(early.kind(), ErrorKind::Conflict, "{early}");
            }
            let said = vec![Message::user(turn.id.as_str())];
            store.executions().advance(&turn.id, Fence(1), &finish_saying("done", said)).await.unwrap();
        });
    }
    joined(tasks).await;
    let turns = "SELECT CAST(min(turn_count) * 100 + max(turn_count) AS BIGINT) FROM {s}.conversations";
    assert_eq!(world.number(turns).await, 505);
}

/// Who writes at the same time with the same fence, such as one who cancels, finds what the other left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_end_a_run_one_does() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::of_two_processes_that_end_a_run_one_does");
    let world = World::at(&url);
    let stores = processes(&world, 2).await;
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (a, b) = (stores[0].clone(), stores[1].clone());
        tasks.spawn(async move {
            let execution = running("hello");
            let (id, end) = (&execution.id, finish("done"));
            a.executions().create(&execution).await.unwrap();
            let (first, second) = tokio::join!(
                a.executions().advance(id, Fence(1), &end),
                b.executions().advance(id, Fence(1), &end)
            );
            let refused = Advanced::Refused { status: ExecutionStatus::Completed, fence: Fence(1) };
            let (first, second) = (first.unwrap(), second.unwrap());
            assert!(
                (first == Advanced::Applied && second == refused)
                    || (first == refused && second == Advanced::Applied),
                "{first:?} {second:?}"
            );
            assert_eq!(b.executions().log(id, Cursor::START, 10).await.unwrap().len(), 2);
        });
    }
    joined(tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_speak_one_is_heard() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::of_two_processes_that_speak_one_is_heard");
    let world = World::at(&url);
    let stores = processes(&world, 2).await;
    let talk = ConversationId::new("talk").unwrap();
    let begun = Conversation::new(talk.clone(), AgentId::new("helper").unwrap(), None, at(0));
    stores[0].conversations().create(&begun).await.unwrap();
    for round in 0..20 {
        let mut tasks = JoinSet::new();
        for number in 0..10 {
            let (store, talk) = (stores[number % 2].clone(), talk.clone());
            tasks.spawn(async move {
                let said = [Message::user(number.to_string())];
                store.conversations().append(&talk, round, &said, at(1)).await
            });
        }
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for error in answers.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        }
    }
    let found = stores[1].conversations().get(&talk, &everyone()).await.unwrap().unwrap();
    assert_eq!((found.message_count, found.turn_count), (20, 20));
    assert_eq!(stores[1].conversations().tail(&talk, 50).await.unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_never_claim_the_same_delivery() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::two_processes_never_claim_the_same_delivery"
    );
    let world = World::at(&url);
    let stores = processes(&world, 2).await;
    let new: Vec<_> = (0..300).map(|_| delivery()).collect();
    let all: BTreeSet<u64> = stores[0].deliveries().enqueue(&new, at(0)).await.unwrap().into_iter().collect();
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let store = stores[number % 2].clone();
        tasks.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let claimed = store.deliveries().claim(at(1), at(1_000), 7).await.unwrap();
                if claimed.is_empty() {
                    // What others hold for a moment is theirs.
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|delivery| delivery.id));
            }
        });
    }
    let claimed: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), all.len());
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), all);
}
