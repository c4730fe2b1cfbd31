//! A schema of its own for every test, gone with it.
use std::sync::atomic::{AtomicU32, Ordering};

use agent_gateway_core::Result;
use agent_gateway_postgres::{Postgres, PostgresConfig};
use agent_gateway_testkit::Service;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A schema that is dropped with this guard, also when its test fails.
pub(crate) struct World {
    pub(crate) url: String,
    haste: &'static str,
    pub(crate) schema: String,
}

impl World {
    /// A name that nobody has used, on the server of `url`. Preparing makes the schema.
    pub(crate) fn at(url: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            url: url.to_owned(),
            haste: "sslmode=disable",
            schema: format!("agw_{}_{number}", std::process::id()),
        }
    }

    /// The same tables by another way.
    pub(crate) fn named(url: impl Into<String>, schema: impl Into<String>) -> Self {
        Self { url: url.into(), haste: "sslmode=disable", schema: schema.into() }
    }

    /// The same on the server that the tests use; the error of a missing service makes a case a skip.
    pub(crate) async fn fresh() -> Result<Self> {
        let haste = "sslmode=disable&options[synchronous_commit]=off";
        let mut world = Self::at(&Service::Postgres.url().await?);
        world.haste = haste;
        Ok(world)
    }

    /// The server by a URL without TLS and, where nobody crashes it, with commits that do not wait for the disk: making a schema
    /// for each case, and connections to it, is most of what the suites do.
    pub(crate) fn hasty_url(&self) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{mark}{}", self.url, self.haste)
    }

    /// Few connections: many tests share one server.
    pub(crate) fn config(&self) -> PostgresConfig {
        PostgresConfig::parse(&self.hasty_url()).unwrap().schema(&self.schema).pool_size(3).max_overflow(0)
    }

    /// One more process's view of this world, prepared.
    pub(crate) async fn open(&self) -> Result<Postgres> {
        let postgres = Postgres::open(self.config()).await?;
        postgres.prepare().await?;
        Ok(postgres)
    }

    /// Runs statements beside the backend. `{s}` is the schema.
    pub(crate) async fn run(&self, text: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let text = AssertSqlSafe(text.replace("{s}", &self.schema));
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The texts that a statement selects beside the backend.
    pub(crate) async fn texts(&self, text: &str) -> Vec<String> {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let text = AssertSqlSafe(text.replace("{s}", &self.schema));
        let texts = sqlx::query_scalar(text).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        texts
    }

    /// The one number that a statement selects beside the backend.
    pub(crate) async fn number(&self, text: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let text = AssertSqlSafe(text.replace("{s}", &self.schema));
        let number = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (url, text) = (self.hasty_url(), format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", self.schema));
        // The test's runtime may be ending: this one is only for the farewell.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                if let Ok(mut connection) = PgConnection::connect(&url).await {
                    let _ = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await;
                }
            });
        });
        let _ = dropping.join();
    }
}
