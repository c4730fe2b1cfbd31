//! Executions as rows of `executions`.
use agent_gateway_core::{
    Result, Timestamp,
    execution::{
        Execution, ExecutionQuery, ExecutionStatus, Fence, Fingerprint, Idempotency, Outcome, RunOptions,
    },
    id::{ConversationId, ExecutionId, IdempotencyKey, UserId},
    page::{Page, PageRequest},
    principal::Visibility,
};

use crate::{Column, Database, Kind, Names, RowExt, Statement, Value, cursor, select::Select};

const LIST: &str = "executions";

/// The columns of `executions`, in the order of [`row`].
pub const COLUMNS: [Column; 25] = [
    Column::new("id", Kind::Text),
    Column::new("agent_id", Kind::Text),
    Column::new("status", Kind::Text),
    Column::new("message", Kind::Text),
    Column::new("input", Kind::Json),
    Column::new("options", Kind::Json),
    Column::new("result", Kind::Json),
    Column::new("error", Kind::Text),
    Column::new("usage", Kind::Json),
    Column::new("session_id", Kind::Text),
    Column::new("user_id", Kind::Text),
    Column::new("schedule_id", Kind::Text),
    Column::new("schedule_name", Kind::Text),
    Column::new("parent_execution_id", Kind::Text),
    Column::new("root_execution_id", Kind::Text),
    Column::new("delegation_depth", Kind::Int),
    Column::new("revision", Kind::Text),
    Column::new("idempotency_key", Kind::Text),
    Column::new("idempotency_fingerprint", Kind::Text),
    Column::new("instance", Kind::Text),
    Column::new("turn_of", Kind::Text),
    Column::new("fence", Kind::Int),
    Column::new("started_at", Kind::Time),
    Column::new("completed_at", Kind::Time),
    Column::new("created_at", Kind::Time),
];

/// The columns that the end of a run sets, in the order of [`finish_row`].
pub const FINISH_COLUMNS: [Column; 6] = [
    Column::new("id", Kind::Text),
    Column::new("status", Kind::Text),
    Column::new("result", Kind::Json),
    Column::new("usage", Kind::Json),
    Column::new("error", Kind::Text),
    Column::new("completed_at", Kind::Time),
];

/// The columns that the end of a run makes null.
pub const FINISH_CLEARS: [&str; 2] = ["instance", "turn_of"];

/// The keys that are freed in one go, so that other writes come between.
const FREED_AT_ONCE: u32 = 1_000;

/// The conversation whose turn an execution is while it is not finished.
#[must_use]
pub fn turn_of(execution: &Execution) -> Option<&ConversationId> {
    execution.session_id.as_ref().filter(|_| !execution.status.is_final())
}

/// Selects a row when the id of the execution or its idempotency key is taken. What else stops a new execution is another
/// turn of its conversation.
#[must_use]
pub fn taken(names: &Names, execution: &Execution) -> Statement {
    Statement::new(
        names,
        "SELECT id FROM {p}executions WHERE id = $1 OR (idempotency_key = $2 AND coalesce(user_id, '') = $3)",
        vec![
            execution.id.as_str().into(),
            Value::word(execution.idempotency.as_ref().map(|idempotency| &idempotency.key)),
            execution.user_id.as_ref().map_or("", |owner| owner.as_str()).into(),
        ],
    )
}

/// The values of one execution.
pub fn row(execution: &Execution) -> Result<Vec<Value>> {
    Ok(vec![
        execution.id.as_str().into(),
        execution.agent_id.as_str().into(),
        execution.status.as_str().into(),
        execution.message.as_str().into(),
        Value::json_or_null(execution.input.as_ref())?,
        Value::json(&execution.options)?,
        Value::json_or_null(execution.result.as_ref())?,
        execution.error.as_deref().into(),
        Value::json_or_null(execution.usage.as_ref())?,
        Value::word(execution.session_id.as_ref()),
        Value::word(execution.user_id.as_ref()),
        Value::word(execution.schedule_id.as_ref()),
        execution.schedule_name.as_deref().into(),
        Value::word(execution.parent_execution_id.as_ref()),
        Value::word(execution.root_execution_id.as_ref()),
        execution.delegation_depth.into(),
        execution.revision.as_str().into(),
        Value::word(execution.idempotency.as_ref().map(|idempotency| &idempotency.key)),
        execution.idempotency.as_ref().map(|idempotency| idempotency.fingerprint.as_str()).into(),
        Value::word(execution.instance.as_ref()),
        Value::word(turn_of(execution)),
        Value::number(execution.fence.0)?,
        execution.started_at.into(),
        execution.completed_at.into(),
        execution.created_at.into(),
    ])
}

/// The values that the end of a run sets.
pub fn finish_row(id: &ExecutionId, outcome: &Outcome, at: Timestamp) -> Result<Vec<Value>> {
    Ok(vec![
        id.as_str().into(),
        outcome.stop_reason.status().as_str().into(),
        Value::json(outcome)?,
        Value::json(&outcome.usage)?,
        outcome.error.as_deref().into(),
        at.into(),
    ])
}

/// The values that a run's coming to rest sets: id, options.
pub fn suspend_row(id: &ExecutionId, options: &RunOptions) -> Result<Vec<Value>> {
    Ok(vec![id.as_str().into(), Value::json(options)?])
}

/// The execution that a row holds.
pub fn read_row<R: RowExt>(row: &R) -> Result<Execution> {
    let mut execution = Execution::new(
        row.need_word("id")?,
        row.need_word("agent_id")?,
        row.text("message")?.unwrap_or_default(),
        row.need_time("created_at")?,
    );
    execution.status = ExecutionStatus::parse(&row.need_text("status")?)?;
    execution.input = row.json("input")?;
    execution.options = row.json("options")?.unwrap_or_default();
    execution.result = row.json("result")?;
    execution.error = row.text("error")?;
    execution.usage = row.json("usage")?;
    execution.session_id = row.word("session_id")?;
    execution.user_id = row.word("user_id")?;
    execution.schedule_id = row.word("schedule_id")?;
    execution.schedule_name = row.text("schedule_name")?;
    execution.parent_execution_id = row.word("parent_execution_id")?;
    execution.root_execution_id = row.word("root_execution_id")?;
    execution.delegation_depth = u32::try_from(row.count("delegation_depth")?).unwrap_or(u32::MAX);
    execution.revision = row.text("revision")?.unwrap_or_default();
    execution.idempotency = match row.word("idempotency_key")? {
        // Before there were fingerprints a key came alone; no request is the same as that one.
        Some(key) => {
            let fingerprint = row.text("idempotency_fingerprint")?.unwrap_or_default();
            Some(Idempotency { key, fingerprint: Fingerprint::stored(&fingerprint) })
        }
        None => None,
    };
    execution.instance = row.word("instance")?;
    execution.fence = Fence(row.count("fence")?);
    execution.started_at = row.time("started_at")?;
    execution.completed_at = row.time("completed_at")?;
    Ok(execution)
}

fn select() -> Select {
    Select::new(&format!("SELECT {} FROM {{p}}executions", Column::list(&COLUMNS)))
}

/// The execution with this id that `who` may see.
pub async fn get<D: Database>(database: &D, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>> {
    let statement = select().filter("id = ?", [id.as_str().into()]).visible("user_id = ?", who);
    one(database, statement.all(database.names())).await
}

/// The execution that exactly this owner created with this idempotency key.
pub async fn find_by_key<D: Database>(
    database: &D,
    key: &IdempotencyKey,
    owner: Option<&UserId>,
) -> Result<Option<Execution>> {
    let statement = select()
        .filter("idempotency_key = ?", [key.as_str().into()])
        .filter("coalesce(user_id, '') = ?", [owner.map_or("", |owner| owner.as_str()).into()]);
    one(database, statement.all(database.names())).await
}

/// Frees the idempotency keys of executions accepted before `before`, except of delegated ones; answers how many there were.
pub async fn forget_keys<D: Database>(database: &D, before: Timestamp) -> Result<u64> {
    let text = "UPDATE {p}executions SET idempotency_key = NULL, idempotency_fingerprint = NULL WHERE id IN (\
                SELECT id FROM {p}executions WHERE idempotency_key IS NOT NULL AND parent_execution_id IS NULL \
                AND created_at < $1 ORDER BY created_at, id LIMIT $2)";
    let statement = Statement::new(database.names(), text, vec![before.into(), FREED_AT_ONCE.into()]);
    let mut freed = 0;
    loop {
        let effects = database.write(vec![statement.clone()]).await?;
        let affected = effects.first().map_or(0, |effect| effect.affected);
        freed += affected;
        if affected < u64::from(FREED_AT_ONCE) {
            return Ok(freed);
        }
    }
}

/// Executions that fit every filter, newest first.
pub async fn list<D: Database>(
    database: &D,
    query: &ExecutionQuery,
    who: &Visibility,
    page: &PageRequest,
) -> Result<Page<Execution>> {
    let mut select = select()
        .filter_some("agent_id = ?", query.agent_id.as_ref().map(|id| id.as_str()))
        .filter_some("session_id = ?", query.session_id.as_ref().map(|id| id.as_str()))
        .filter_some("root_execution_id = ?", query.root_execution_id.as_ref().map(|id| id.as_str()))
        .filter_some("schedule_id = ?", query.schedule_id.as_ref().map(|id| id.as_str()))
        .filter_some("status = ?", query.status.map(ExecutionStatus::as_str))
        .filter_some("instance = ?", query.instance.as_ref().map(|id| id.as_str()))
        .filter_some("created_at >= ?", query.since)
        .filter_some("created_at <= ?", query.until)
        .visible("user_id = ?", who);
    // Repeats the condition of the partial index on `status`, which leaves out the one status that most rows have.
    if query.status.is_some_and(|status| status != ExecutionStatus::Completed) {
        select = select.filter("status <> 'completed'", []);
    }
    if let Some(after) = &page.after {
        let (at, id) = cursor::read(LIST, after)?;
        select = select.filter("(created_at, id) < (?, ?)", [at.into(), id.as_str().into()]);
    }
    let statement = select.page(database.names(), "created_at DESC, id DESC", page.limit());
    let found: Vec<Execution> =
        database.read(statement).await?.iter().map(read_row).collect::<Result<_>>()?;
    Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, last.created_at, last.id.as_str())))
}

async fn one<D: Database>(database: &D, statement: Statement) -> Result<Option<Execution>> {
    database.read(statement).await?.first().map(read_row).transpose()
}
