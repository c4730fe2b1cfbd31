//! The statements that run again and again look only at the rows that they are about.
use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use agent_gateway_core::{
    Result, Timestamp,
    approval::{ApprovalQuery, ApprovalStatus, Decision, Verdict},
    execution::ExecutionQuery,
    id::{ApprovalId, ExecutionId, InstanceId},
    page::PageRequest,
    ports::persistence::{ApprovalStore, PersistenceBackend},
};
use agent_gateway_sql::{Columns, Database, Effect, Names, Statement, Stores, Syntax, executions, presence};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use async_trait::async_trait;

use super::{
    raw,
    sample::{at, everyone},
};

/// Notes statements instead of running them.
#[derive(Debug, Default)]
struct Notes {
    names: Names,
    texts: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Nothing;

impl Columns for Nothing {
    fn text(&self, _column: &'static str) -> Result<Option<String>> {
        Ok(None)
    }
    fn int(&self, _column: &'static str) -> Result<Option<i64>> {
        Ok(None)
    }
    fn float(&self, _column: &'static str) -> Result<Option<f64>> {
        Ok(None)
    }
    fn flag(&self, _column: &'static str) -> Result<Option<bool>> {
        Ok(None)
    }
    fn time(&self, _column: &'static str) -> Result<Option<Timestamp>> {
        Ok(None)
    }
}

#[async_trait]
impl Database for Notes {
    type Row = Nothing;
    fn names(&self) -> &Names {
        &self.names
    }
    fn syntax(&self) -> Syntax {
        Syntax::Sqlite
    }
    async fn read(&self, statement: Statement) -> Result<Vec<Nothing>> {
        self.texts.lock().unwrap().push(statement.text.to_string());
        Ok(Vec::new())
    }
    async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Effect<Nothing>>> {
        let texts = statements.into_iter().map(|statement| statement.text.to_string());
        self.texts.lock().unwrap().extend(texts);
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn no_statement_of_recovery_reads_every_execution() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    store.close().await.unwrap();

    let notes = Notes::default();
    presence::orphans(&notes, at(0), 10).await.unwrap();
    executions::forget_keys(&notes, at(0)).await.unwrap();
    let process = InstanceId::new("a process").unwrap();
    let query = ExecutionQuery { instance: Some(process), ..ExecutionQuery::default() };
    executions::list(&notes, &query, &everyone(), &PageRequest::first(10)).await.unwrap();
    let texts = notes.texts.into_inner().unwrap();
    let indices = ["ix_executions_instance", "ix_executions_keyed", "ix_executions_instance"];
    are_narrow(&path, &texts, "executions", &indices).await;
}

#[tokio::test]
async fn no_statement_that_waits_for_people_reads_every_approval() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    store.close().await.unwrap();

    let notes = Arc::new(Notes::default());
    let approvals = Stores::new(notes.clone());
    let (id, decision) =
        (ApprovalId::generate(), Decision { verdict: Verdict::Deny, by: None, at: at(0), reason: None });
    let run = ExecutionId::generate();
    approvals.of_execution(&run).await.unwrap();
    let all = ApprovalQuery::default;
    let pending = ApprovalQuery { status: Some(ApprovalStatus::Pending), ..all() };
    for query in [pending, ApprovalQuery { root_execution_id: Some(run), ..all() }, all()] {
        ApprovalStore::list(&approvals, &query, &everyone(), PageRequest::first(10)).await.unwrap();
    }
    // What notes statements answers nothing, which is an error here.
    approvals.expire(at(0), 10).await.unwrap_err();
    approvals.decide(&id, &decision).await.unwrap_err();
    let texts = notes.texts.lock().unwrap().clone();
    let indices = [
        "ix_approvals_execution",
        "ix_approvals_status",
        "ix_approvals_root",
        "ix_approvals_newest",
        "ix_approvals_pending",
        "(id=?)",
        "(id=?)",
    ];
    are_narrow(&path, &texts, "approvals", &indices).await;
}

/// Every statement reads `table` by its index, or by a primary key.
async fn are_narrow(path: &Path, texts: &[String], table: &str, indices: &[&str]) {
    assert_eq!(texts.len(), indices.len(), "{texts:#?}");
    for (text, index) in texts.iter().zip(indices) {
        let plan = raw::plan(path, text).await;
        assert!(plan.iter().any(|step| step.contains(index)), "{text}\n{plan:#?}");
        for step in plan.iter().filter(|step| step.contains(table)) {
            let narrow = step.contains(index) || step.contains("(id=?)");
            assert!(narrow, "{step} of {text}\n{plan:#?}");
        }
    }
}
