//! What a cluster leaves on servers that others use too.
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::{Queue, Servers};

/// Removes it. A server that is gone has taken it along.
pub(crate) fn remove(servers: &Servers, queue: Queue, name: &str) {
    let (servers, name) = (servers.clone(), name.to_owned());
    // The test's runtime may be ending: this one is only for the farewell.
    let removing = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            drop(schema(&servers.postgres, &name).await);
            match queue {
                Queue::Postgres => {}
                Queue::Redis => drop(keys(&servers.queue, &name).await),
                Queue::RabbitMq => drop(queues(&servers.queue, &name).await),
            }
        });
    });
    drop(removing.join());
}

async fn schema(url: &str, name: &str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    let text = format!("DROP SCHEMA IF EXISTS {name} CASCADE");
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.map(drop)
}

async fn keys(url: &str, name: &str) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let found: Vec<String> = redis::cmd("KEYS").arg(format!("*{name}*")).query_async(&mut connection).await?;
    if found.is_empty() { Ok(()) } else { redis::cmd("DEL").arg(found).query_async(&mut connection).await }
}

async fn queues(url: &str, name: &str) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let name = format!("{name}.executions");
    let delays = (0..=8).map(|power| format!("{name}.delay.{}", 4_u64.pow(power)));
    for queue in [name.clone(), format!("{name}.dead-letter")].into_iter().chain(delays) {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    }
    for exchange in ["dlx", "cancel"] {
        let exchange = format!("{name}.{exchange}");
        channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    }
    connection.close(200, "OK".into()).await
}
