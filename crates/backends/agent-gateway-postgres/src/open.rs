//! An open database, and those who share it.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use agent_gateway_core::{
    Error, Result,
    capability::{BackendInfo, Durability},
};
use agent_gateway_sql::{Names, closed};
use sqlx::{PgPool, Row};

use crate::{PostgresConfig, connect, prepare};

const OPERATION: &str = "postgres.open";

/// An open database. Cloning is cheap, and all clones are one pool: give them to the persistence, the queue and the lock.
///
/// The pool is closed when the last of those that it was given to is closed.
#[derive(Clone)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    config: PostgresConfig,
    names: Names,
    /// The schema of the tables, also where the server chose it.
    schema: String,
    info: BackendInfo,
    pool: PgPool,
    members: AtomicUsize,
}

impl Postgres {
    /// Connects to see that the database is there. The schema is made by preparing what uses it.
    ///
    /// A wrong user or password, an unknown database, a wrong prefix or schema name is `Misconfigured`; a server that is
    /// away is `Unavailable`.
    pub async fn open(config: PostgresConfig) -> Result<Self> {
        let mut names = Names::new(&config.table_prefix)?;
        if let Some(schema) = &config.schema {
            names = names.in_schema(schema)?;
        }
        let mut connection = connect::single(OPERATION, &config).await?;
        let about = connect::early(OPERATION, async {
            let text = "SELECT current_setting('server_version'), current_schema()::text";
            let row = sqlx::query(text).fetch_one(&mut connection).await?;
            Ok((row.try_get::<String, _>(0)?, row.try_get::<Option<String>, _>(1)?))
        })
        .await;
        connect::dismiss(connection).await;
        let (version, current) = about.map_err(|error| error.with("database", config.location()))?;
        let schema = config.schema.clone().or(current).ok_or_else(|| {
            Error::misconfigured("the user's search_path names no schema: set `schema`")
                .during(OPERATION)
                .with("database", config.location())
        })?;
        let info = BackendInfo::new("postgres", config.location(), Durability::Durable).version(version);
        let pool = connect::pool(&config);
        Ok(Self(Arc::new(Shared { config, names, schema, info, pool, members: AtomicUsize::new(0) })))
    }

    /// Makes or migrates every table of this crate. Safe to repeat, and safe when several processes do it at once.
    ///
    /// A schema that a newer release made, or a missing right to create, is `Misconfigured`.
    pub async fn prepare(&self) -> Result<()> {
        prepare::prepare(&self.0.config, &self.0.names, &self.0.schema).await
    }

    /// A place among those who share the pool.
    pub(crate) fn join(&self) -> Member {
        self.0.members.fetch_add(1, Ordering::AcqRel);
        Member { postgres: self.clone(), closed: AtomicBool::new(false) }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.0.config).finish()
    }
}

/// One of those who share the pool: it can close its share without taking the pool from the others.
#[derive(Debug)]
pub(crate) struct Member {
    postgres: Postgres,
    closed: AtomicBool,
}

impl Member {
    pub(crate) fn info(&self) -> BackendInfo {
        self.postgres.0.info.clone()
    }

    pub(crate) fn names(&self) -> &Names {
        &self.postgres.0.names
    }

    /// The schema of the tables, never empty.
    pub(crate) fn schema(&self) -> &str {
        &self.postgres.0.schema
    }

    pub(crate) fn config(&self) -> &PostgresConfig {
        &self.postgres.0.config
    }

    /// The pool; `Unavailable` after `close`.
    pub(crate) fn pool(&self, operation: &'static str) -> Result<&PgPool> {
        if self.closed.load(Ordering::Acquire) {
            return Err(closed().during(operation));
        }
        Ok(&self.postgres.0.pool)
    }

    /// Makes or migrates every table of this crate.
    pub(crate) async fn prepare(&self) -> Result<()> {
        self.pool(prepare::OPERATION)?;
        self.postgres.prepare().await
    }

    /// Gives the share up. The last one closes the pool.
    pub(crate) async fn close(&self) {
        if self.leave() {
            self.postgres.0.pool.close().await;
        }
    }

    /// Answers whether this was the last one.
    fn leave(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
            && self.postgres.0.members.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave();
    }
}
