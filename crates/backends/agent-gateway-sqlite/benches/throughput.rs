//! How many executions a second one database takes, and what one costs: 64 callers, each of which creates an execution and
//! ends it with two log entries, over and over. Then the same of pieces of drafts: 2,000 runs under way, each of which adds
//! one after the other.
//!
//! `cargo bench -p agent-gateway-sqlite`
#![expect(clippy::print_stdout, reason = "the table is what a bench is for")]
use std::{error::Error, fs, sync::Arc, time::Duration};

use agent_gateway_core::{
    Timestamp,
    execution::{
        Advanced, Cursor, DraftPiece, Execution, ExecutionStatus, Fence, LogEntry, LogEvent, ModelTurn,
        Outcome, StopReason, Transition, Usage,
    },
    id::{AgentId, ExecutionId, ModelName, UserId},
    message::TokenUsage,
    ports::persistence::PersistenceBackend,
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig, Synchronous};
use tokio::{task::JoinSet, time::Instant};

const CALLERS: usize = 64;
const STREAMS: usize = 2_000;
const TIME: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = |name: &str| SqliteConfig::file(directory.path().join(name));
    println!("{:<24} {:>12} {:>16} {:>14}", "database", "executions/s", "CPU µs/execution", "p99 in ms");
    measure("file, synchronous normal", file("normal.db"), CALLERS, call).await?;
    measure("file, synchronous full", file("full.db").synchronous(Synchronous::Full), CALLERS, call).await?;
    measure("memory", SqliteConfig::memory(), CALLERS, call).await?;
    println!("\n{:<24} {:>12} {:>16} {:>14}", "database", "pieces/s", "CPU µs/piece", "p99 in ms");
    measure("file, synchronous normal", file("drafts.db"), STREAMS, stream).await?;
    measure("memory", SqliteConfig::memory(), STREAMS, stream).await
}

/// Lets callers run until the time is up; each answers how long every one of its turns took.
async fn measure<F>(
    name: &str,
    config: SqliteConfig,
    callers: usize,
    caller: fn(Arc<SqliteBackend>, Instant) -> F,
) -> Result<()>
where
    F: Future<Output = Result<Vec<Duration>>> + Send + 'static,
{
    let store = Arc::new(SqliteBackend::open(config).await?);
    store.prepare().await?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let mut running = JoinSet::new();
    for _ in 0..callers {
        running.spawn(caller(store.clone(), start + TIME));
    }
    let mut took = Vec::new();
    while let Some(times) = running.join_next().await {
        took.extend(times??);
    }
    let (time, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    took.sort_unstable();
    let done = took.len();
    println!(
        "{name:<24} {:>12.0} {:>16.1} {:>14.1}",
        done as f64 / time,
        cpu / done as f64 * 1e6,
        took[done * 99 / 100].as_secs_f64() * 1e3
    );
    store.close().await?;
    Ok(())
}

fn running() -> Result<Execution> {
    let at = Timestamp::now();
    let mut execution =
        Execution::new(ExecutionId::generate(), AgentId::new("helper")?, "How is the weather?", at);
    execution.status = ExecutionStatus::Running;
    execution.fence = Fence(1);
    execution.user_id = Some(UserId::new("apikey:bench")?);
    execution.started_at = Some(at);
    Ok(execution)
}

async fn stream(store: Arc<SqliteBackend>, until: Instant) -> Result<Vec<Duration>> {
    let execution = running()?;
    store.executions().create(&execution).await?;
    let (mut took, mut offset) = (Vec::new(), 0);
    while Instant::now() < until {
        let begun = Instant::now();
        let text = "It is mild with some clouds. ";
        let piece = DraftPiece { after: Cursor::START, offset, text: text.into() };
        store.executions().append_draft(&execution.id, Fence(1), &piece).await?;
        offset += text.len() as u64;
        took.push(begun.elapsed());
    }
    Ok(took)
}

async fn call(store: Arc<SqliteBackend>, until: Instant) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let execution = running()?;
        store.executions().create(&execution).await?;
        let ended = store.executions().advance(&execution.id, Fence(1), &finish()?).await?;
        if ended != Advanced::Applied {
            return Err("an execution was not ended".into());
        }
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn finish() -> Result<Transition> {
    let (model, at) = (ModelName::new("openai/gpt-5-mini")?, Timestamp::now());
    let tokens = TokenUsage { input_tokens: 250, output_tokens: 120, cached_input_tokens: 0 };
    let mut usage = Usage::default();
    usage.add_call(&model, &tokens, Some(0.000_3));
    let text = "It is mild with some clouds, and it will stay dry until the evening.";
    let turn = ModelTurn {
        model,
        text: text.into(),
        tool_calls: Vec::new(),
        tokens,
        cost_usd: Some(0.000_3),
        duration_ms: 800,
        within: None,
    };
    let outcome = Outcome::new(StopReason::Completed, text, usage);
    let events = [LogEvent::ModelTurn(turn), LogEvent::Finished(outcome.clone())];
    let entries = (1..).zip(events).map(|(place, event)| LogEntry { sequence: Cursor(place), at, event });
    Ok(Transition::Finish { outcome: Box::new(outcome), entries: entries.collect(), said: Vec::new(), at })
}

/// The CPU time of this process so far, which Linux counts in hundredths of a second.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
