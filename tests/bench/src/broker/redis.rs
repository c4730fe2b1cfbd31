//! Redis: a stream and a group of consumers. Each connection puts a job, takes one, acknowledges and deletes it.

use anyhow::{Context, Result, ensure};
use redis::aio::MultiplexedConnection;
use redis::{Client, Value, cmd};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{JOB, Place};

const GROUP: &str = "bench";

async fn connect(place: &Place) -> Result<MultiplexedConnection> {
    let client = Client::open(place.url.as_str()).context("the URL of Redis")?;
    client.get_multiplexed_async_connection().await.context("connecting to Redis")
}

pub(super) async fn run(place: &Place, connections: u32, end: Instant) -> Result<u32> {
    let stream = format!("{}:bare", place.name);
    let mut first = connect(place).await?;
    let mut create = cmd("XGROUP");
    create.arg("CREATE").arg(&stream).arg(GROUP).arg("$").arg("MKSTREAM");
    create.query_async::<()>(&mut first).await.context("creating the group")?;
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        tasks.spawn(work(connect(place).await?, stream.clone(), number, end));
    }
    let mut jobs = 0;
    while let Some(done) = tasks.join_next().await {
        jobs += done.context("a connection's task")??;
    }
    cmd("DEL").arg(&stream).query_async::<()>(&mut first).await?;
    Ok(jobs)
}

async fn work(mut redis: MultiplexedConnection, stream: String, number: u32, end: Instant) -> Result<u32> {
    let mut jobs = 0;
    while Instant::now() < end {
        cmd("XADD").arg(&stream).arg("*").arg("job").arg(JOB).query_async::<()>(&mut redis).await?;
        let mut take = cmd("XREADGROUP");
        take.arg("GROUP").arg(GROUP).arg(number).arg("COUNT").arg(1).arg("STREAMS").arg(&stream).arg(">");
        let taken: Value = take.query_async(&mut redis).await?;
        let id = entry(&taken).context("no job in the stream, though one was put into it")?;
        let acknowledged: u32 = cmd("XACK").arg(&stream).arg(GROUP).arg(&id).query_async(&mut redis).await?;
        ensure!(acknowledged == 1, "a job could not be acknowledged");
        cmd("XDEL").arg(&stream).arg(&id).query_async::<()>(&mut redis).await?;
        jobs += 1;
    }
    Ok(jobs)
}

/// The id in `[[stream, [[id, fields]]]]`.
fn entry(taken: &Value) -> Option<String> {
    let mut value = taken;
    for place in [0, 1, 0, 0] {
        let Value::Array(items) = value else { return None };
        value = items.get(place)?;
    }
    redis::from_redis_value_ref(value).ok()
}

/// Deletes every key that the name is in.
pub(super) async fn sweep(place: &Place) -> Result<()> {
    let mut redis = connect(place).await?;
    let mut cursor = 0_u64;
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("*{}*", place.name)).arg("COUNT").arg(1000);
        let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut redis).await?;
        if !keys.is_empty() {
            cmd("DEL").arg(keys).query_async::<()>(&mut redis).await?;
        }
        if next == 0 {
            return Ok(());
        }
        cursor = next;
    }
}
