//! Where the database is and how many connections it may get.
use std::{fmt, str::FromStr};

use agent_gateway_core::{Error, Result};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use url::Url;

/// Connections that are meant to be there when nobody says otherwise.
const DEFAULT_POOL_SIZE: u32 = 10;
/// Connections that a burst may add when nobody says otherwise.
const DEFAULT_MAX_OVERFLOW: u32 = 20;

/// The schemes that name a PostgreSQL database; those with a `+` are SQLAlchemy's.
const SCHEMES: [&str; 5] =
    ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2", "postgresql+psycopg"];

/// The settings that may follow the question mark, as the driver spells them.
const SETTINGS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// How to open a database. Neither `Debug` nor an error shows the password.
#[derive(Clone)]
pub struct PostgresConfig {
    pub(crate) connect: PgConnectOptions,
    pub(crate) schema: Option<String>,
    pub(crate) table_prefix: String,
    pub(crate) pool_size: u32,
    pub(crate) max_overflow: u32,
}

impl PostgresConfig {
    /// Reads a URL, with the defaults: the schema that the server chooses, no prefix, 10 connections and 20 more.
    ///
    /// - `postgres://user:password@host:port/database` and the same with `postgresql`.
    /// - `postgresql+asyncpg`, `postgresql+psycopg2` and `postgresql+psycopg`, as in `SQLAlchemy`.
    /// - What the driver knows may follow as a query: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `host` (a directory is
    ///   that of a socket), `hostaddr`, `port`, `dbname`, `user`, `password`, `application_name`, `options`,
    ///   `options[name]`, `statement-cache-capacity`; and asyncpg's `ssl`, which is `sslmode` by another name.
    /// - What is absent is read from `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE` and the password file.
    ///
    /// Anything else is `Misconfigured`.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| wrong("not the URL of a PostgreSQL database: no `://` in it"))?;
        if !SCHEMES.contains(&scheme) {
            // What stands before `://` may be a part of a password when the URL was put together wrongly.
            return Err(wrong("not the URL of a PostgreSQL database: it begins with `postgresql://`"));
        }
        let mut parsed = Url::parse(&format!("postgres://{rest}")).map_err(|error| {
            wrong("the URL of the database cannot be read: write special characters of the password as %XX")
                .caused_by(error)
        })?;
        // A password with `/`, `?` or `#` in it ends too early, and its rest would be taken for something else.
        if parsed.fragment().is_some() || parsed.path().contains('@') {
            return Err(wrong(
                "the URL of the database holds a `#`, or a `@` after the host: write it as %23 or %40",
            ));
        }
        let settings =
            parsed.query_pairs().map(|(key, value)| setting(&key, &value)).collect::<Result<Vec<_>>>()?;
        parsed.set_query(None);
        if !settings.is_empty() {
            parsed.query_pairs_mut().extend_pairs(settings);
        }
        let named = parsed.query_pairs().any(|(key, _)| key == "application_name");
        // The driver's error may show the value that it did not like.
        let connect = PgConnectOptions::from_str(parsed.as_str())
            .map_err(|_| wrong("the URL of the database has a setting with a value that cannot be read"))?;
        let connect = if named { connect } else { connect.application_name("agent-gateway") };
        Ok(Self {
            connect: connect.disable_statement_logging(),
            schema: None,
            table_prefix: String::new(),
            pool_size: DEFAULT_POOL_SIZE,
            max_overflow: DEFAULT_MAX_OVERFLOW,
        })
    }

    /// Puts the tables into this schema: `[a-z_][a-z0-9_]*` of at most 24 bytes, which opening checks. Preparing creates it.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Puts this before the name of every table: empty, or `[a-z_][a-z0-9_]*` of at most 24 bytes, which opening checks.
    #[must_use]
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.table_prefix = prefix.into();
        self
    }

    /// How many connections are meant to be in use, at least one.
    #[must_use]
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// How many connections a burst may add. Like all connections they are opened when they are first needed and closed
    /// when nobody has needed them for a minute.
    #[must_use]
    pub fn max_overflow(mut self, connections: u32) -> Self {
        self.max_overflow = connections;
        self
    }

    /// The most connections of the pool.
    pub(crate) fn max_connections(&self) -> u32 {
        self.pool_size.saturating_add(self.max_overflow)
    }

    /// `host:port/database`, without user and password.
    pub(crate) fn location(&self) -> String {
        let database = self.connect.get_database().unwrap_or_else(|| self.connect.get_username());
        match self.connect.get_socket() {
            Some(socket) => format!("{}:{}/{database}", socket.display(), self.connect.get_port()),
            None => format!("{}:{}/{database}", self.connect.get_host(), self.connect.get_port()),
        }
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("location", &self.location())
            .field("schema", &self.schema)
            .field("table_prefix", &self.table_prefix)
            .field("pool_size", &self.pool_size)
            .field("max_overflow", &self.max_overflow)
            .finish_non_exhaustive()
    }
}

/// One setting in the driver's spelling. The driver only warns of what it does not know, and shows the value.
fn setting(key: &str, value: &str) -> Result<(String, String)> {
    match key {
        "ssl" => {
            let mode = match value {
                "true" | "True" | "1" => "require",
                "false" | "False" | "0" => "disable",
                mode => mode,
            };
            Ok(("sslmode".to_owned(), mode.to_owned()))
        }
        key if SETTINGS.contains(&key) || (key.starts_with("options[") && key.ends_with(']')) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => {
            Err(wrong("not a setting of a PostgreSQL URL that is known here")
                .with("setting", key.escape_debug()))
        }
    }
}

fn wrong(message: &'static str) -> Error {
    Error::misconfigured(message).during("postgres.config")
}
