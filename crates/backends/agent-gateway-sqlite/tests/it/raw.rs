//! A file as another program sees it.
use std::path::Path;

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row,
    sqlite::{SqliteConnectOptions, SqliteConnection},
};

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false);
    options.connect().await.unwrap()
}

/// Runs statements in one go.
pub(super) async fn run(path: &Path, statements: &[&str]) {
    let mut connection = connect(path).await;
    for statement in statements {
        let text = AssertSqlSafe((*statement).to_owned());
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// The first column of every row, as text.
pub(super) async fn texts(path: &Path, query: &str) -> Vec<String> {
    let mut connection = connect(path).await;
    let rows = sqlx::query(AssertSqlSafe(query.to_owned())).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter()
        .map(|row| row.try_get_unchecked::<Option<String>, _>(0).unwrap().unwrap_or_default())
        .collect()
}

/// How SQLite would run a statement, step by step.
pub(super) async fn plan(path: &Path, statement: &str) -> Vec<String> {
    let mut connection = connect(path).await;
    let text = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(text).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}
