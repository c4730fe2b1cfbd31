//! How many runs a second one database takes, and what one costs in this process: 64 callers, each of which creates an
//! execution, starts it, adds two log entries one by one and ends it, over and over; and the same with 256 callers.
//!
//! `AGW_TEST_POSTGRES_URL=postgres://… cargo bench -p agent-gateway-postgres`; the database is that of the tests. Its schema
//! is dropped at the end.
#![expect(clippy::print_stdout, reason = "the table is what a bench is for")]
use std::{error::Error, fs, sync::Arc, time::Duration};

use agent_gateway_core::{
    Timestamp,
    execution::{
        Advanced, Cursor, Execution, Fence, LogEntry, LogEvent, ModelTurn, Outcome, StopReason, Transition,
        Usage,
    },
    id::{AgentId, ExecutionId, InstanceId, ModelName, UserId},
    message::TokenUsage,
    ports::persistence::PersistenceBackend,
};
use agent_gateway_postgres::{PostgresBackend, PostgresConfig};
use agent_gateway_testkit::Service;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{task::JoinSet, time::Instant};

const TEXT: &str = "It is mild with some clouds, and it will stay dry until the evening.";
const TIME: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let url = Service::Postgres.url().await?;
    let schema = format!("agw_bench_{}", std::process::id());
    println!("{:>8} {:>8} {:>10} {:>12} {:>14}", "callers", "runs/s", "CPU µs/run", "p50 in ms", "p99 in ms");
    let measured = async {
        for callers in [64, 256] {
            measure(PostgresConfig::parse(&url)?.schema(&schema), callers).await?;
        }
        Ok(())
    };
    let measured = measured.await;
    let mut connection = PgConnection::connect(&url).await?;
    let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
    sqlx::raw_sql(drop).execute(&mut connection).await?;
    measured
}

/// Lets callers run until the time is up; each answers how long every one of its runs took.
async fn measure(config: PostgresConfig, callers: usize) -> Result<()> {
    let store = Arc::new(PostgresBackend::open(config).await?);
    store.prepare().await?;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let mut running = JoinSet::new();
    for _ in 0..callers {
        running.spawn(call(store.clone(), start + TIME));
    }
    let mut took = Vec::new();
    while let Some(times) = running.join_next().await {
        took.extend(times??);
    }
    let (time, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    took.sort_unstable();
    let done = took.len();
    let millis = |place: usize| took[place].as_secs_f64() * 1e3;
    println!(
        "{callers:>8} {:>8.0} {:>10.0} {:>12.1} {:>14.1}",
        done as f64 / time,
        cpu / done as f64 * 1e6,
        millis(done / 2),
        millis(done * 99 / 100)
    );
    store.close().await?;
    Ok(())
}

fn queued() -> Result<Execution> {
    let at = Timestamp::now();
    let mut execution =
        Execution::new(ExecutionId::generate(), AgentId::new("helper")?, "How is the weather?", at);
    execution.user_id = Some(UserId::new("apikey:bench")?);
    Ok(execution)
}

async fn call(store: Arc<PostgresBackend>, until: Instant) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let execution = queued()?;
        let (id, fence) = (&execution.id, Fence(1));
        store.executions().create(&execution).await?;
        let instance = Some(InstanceId::new("bench")?);
        let start = Transition::Start { fence, instance, at: Timestamp::now() };
        store.executions().advance(id, Fence(0), &start).await?;
        for place in 1..=2 {
            store.executions().append(id, fence, &[entry(place, LogEvent::ModelTurn(turn()?))]).await?;
        }
        let outcome = Outcome::new(StopReason::Completed, TEXT, Usage::default());
        let entries = vec![entry(3, LogEvent::Finished(outcome.clone()))];
        let end = Transition::Finish {
            outcome: Box::new(outcome),
            entries,
            said: Vec::new(),
            at: Timestamp::now(),
        };
        if store.executions().advance(id, fence, &end).await? != Advanced::Applied {
            return Err("an execution was not ended".into());
        }
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn entry(place: u64, event: LogEvent) -> LogEntry {
    LogEntry { sequence: Cursor(place), at: Timestamp::now(), event }
}

fn turn() -> Result<ModelTurn> {
    Ok(ModelTurn {
        model: ModelName::new("openai/gpt-5-mini")?,
        text: TEXT.into(),
        tool_calls: Vec::new(),
        tokens: TokenUsage { input_tokens: 250, output_tokens: 120, cached_input_tokens: 0 },
        cost_usd: Some(0.000_3),
        duration_ms: 800,
        within: None,
    })
}

/// The CPU time of this process so far, which Linux counts in hundredths of a second.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
