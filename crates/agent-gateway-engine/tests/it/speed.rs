//! What a call of a Rust tool costs, through the whole loop: checked arguments, the call, the recorded result. Linux tells the time
//! of a thread; the promise is of a release build.
#![cfg(target_os = "linux")]
use std::{fs, path::Path, sync::Arc, time::Duration};

use agent_gateway_core::code_tool::{FunctionTool, FunctionToolBuilder, Json, Parameter};
use agent_gateway_testkit::scripted::Reply;
use serde_json::json;

use crate::world::World;

const RUNS: u32 = 100;
const CALLS: u32 = 100;
/// The promise is of a release build; without optimisation there is room for the compiler.
const MOST: Duration =
    if cfg!(debug_assertions) { Duration::from_millis(1) } else { Duration::from_micros(50) };

fn builder() -> FunctionToolBuilder<(String, u32)> {
    FunctionTool::builder("search", "Searches")
        .parameter(Parameter::<String>::new("query"))
        .parameter(Parameter::<u32>::new("limit").default(5))
}

/// The CPU time of the threads of this name: those of one runtime, blocking ones included, and of no other test.
fn cpu(threads: &str) -> Duration {
    let of_thread = |path: &Path| -> Option<Duration> {
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let spent = fs::read_to_string(path.join("schedstat")).ok()?;
        let nanoseconds = spent.split_whitespace().next()?.parse().ok()?;
        (name.trim() == threads).then(|| Duration::from_nanos(nanoseconds))
    };
    let all = fs::read_dir("/proc/self/task").unwrap();
    all.filter_map(|thread| of_thread(&thread.unwrap().path())).sum()
}

/// The CPU time of so many runs, in each of which the model makes so many calls in one turn.
async fn spent(kind: &str, tool: &Arc<FunctionTool>, calls: u32) -> Duration {
    let before = cpu(kind);
    for _ in 0..RUNS {
        let call = ("search", json!({"query": "tokio", "limit": 3}));
        let turn = Reply::calls(vec![call; calls as usize]);
        let replies = if calls == 0 { vec![Reply::text("done")] } else { vec![turn, Reply::text("done")] };
        let mut world = World::new(replies).tool(tool);
        world.limits.max_tool_calls = calls + 1;
        assert_eq!(world.outcome().await.usage.tool_calls, calls);
    }
    cpu(kind) - before
}

fn added_by_a_call(kind: &'static str, tool: FunctionTool) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(kind)
        .enable_all()
        .build()
        .unwrap();
    let tool = Arc::new(tool);
    let added = runtime.block_on(async {
        let task = async move {
            let without = spent(kind, &tool, 0).await;
            spent(kind, &tool, CALLS).await.saturating_sub(without) / (RUNS * CALLS)
        };
        // On a thread of the runtime, whose time is measured.
        tokio::task::JoinSet::from_iter([task]).join_next().await.unwrap().unwrap()
    });
    eprintln!("a call of {kind} adds {added:?} of CPU");
    added
}

#[test]
fn a_call_of_an_async_function_costs_little() {
    let tool =
        builder().handler(|(query, limit), _| async move { Json(json!({"found": query, "limit": limit})) });
    let added = added_by_a_call("async function", tool.unwrap());
    assert!(added > Duration::ZERO && added <= MOST, "{added:?}");
}

#[test]
fn a_call_of_a_plain_function_costs_little() {
    let tool = builder().blocking_handler(|(query, limit), _| Json(json!({"found": query, "limit": limit})));
    let added = added_by_a_call("plain function", tool.unwrap());
    assert!(added > Duration::ZERO && added <= MOST, "{added:?}");
}
