//! A database that the reference made: its tables get the columns that they lack, and its rows the order that ours need.
//! No row of it is removed.
use std::sync::Arc;

use crate::Names;

/// A column that a table of the reference may lack.
#[derive(Clone, Copy, Debug)]
pub struct MissingColumn {
    /// The table, without prefix.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// Its type and default, in the words of [`Dialect::fill`](super::Dialect::fill).
    pub definition: &'static str,
}

const fn column(table: &'static str, column: &'static str, definition: &'static str) -> MissingColumn {
    MissingColumn { table, column, definition }
}

/// The columns without which a table named `executions` is none of the reference's.
pub const RECOGNISED_BY: [&str; 5] = ["id", "agent_id", "status", "message", "created_at"];

/// Every column that came after the reference's first schema, or is ours.
pub const COLUMNS: &[MissingColumn] = &[
    column("executions", "session_id", "TEXT"),
    column("executions", "user_id", "TEXT"),
    column("executions", "schedule_id", "TEXT"),
    column("executions", "schedule_name", "TEXT"),
    column("executions", "parent_execution_id", "TEXT"),
    column("executions", "root_execution_id", "TEXT"),
    column("executions", "delegation_depth", "INTEGER NOT NULL DEFAULT 0"),
    column("executions", "revision", "TEXT NOT NULL DEFAULT ''"),
    column("executions", "idempotency_key", "TEXT"),
    column("executions", "fence", "BIGINT NOT NULL DEFAULT 0"),
    column("schedules", "instructions", "TEXT"),
    column("schedules", "source", "TEXT NOT NULL DEFAULT 'workspace'"),
    column("schedules", "user_id", "TEXT"),
    column("schedules", "deleted_at", "{time}"),
    column("user_schedules", "instructions", "TEXT"),
    column("conversations", "metadata", "{json}"),
    column("conversation_messages", "sequence", "BIGINT NOT NULL DEFAULT 0"),
    column("notification_log", "user_id", "TEXT"),
    column("notification_log", "payload", "{json}"),
    column("notification_log", "due_at", "{time}"),
    column("mcp_servers", "encrypted_headers", "TEXT"),
];

/// A correction of one table.
#[derive(Clone, Copy, Debug)]
pub struct Correction {
    /// It runs when this table is there.
    pub table: &'static str,
    template: &'static str,
}

impl Correction {
    /// The statement.
    #[must_use]
    pub fn text(&self, names: &Names) -> Arc<str> {
        names.fill(self.template)
    }
}

const fn correction(table: &'static str, template: &'static str) -> Correction {
    Correction { table, template }
}

/// What makes the reference's rows sort and count as ours do, before the migrations make indexes of that. On SQLite it wrote
/// instants as texts, and one that the database filled in has no decimals.
pub const SQLITE_CORRECTIONS: &[Correction] = &[
    correction(
        "executions",
        "UPDATE {p}executions SET created_at = created_at || '.000000' WHERE length(created_at) = 19",
    ),
    correction(
        "audit_log",
        "UPDATE {p}audit_log SET created_at = created_at || '.000000' WHERE length(created_at) = 19",
    ),
    correction(
        "schedules",
        "UPDATE {p}schedules SET created_at = created_at || '.000000' WHERE length(created_at) = 19",
    ),
    correction(
        "schedules",
        "UPDATE {p}schedules SET next_run_at = next_run_at || '.000000' WHERE length(next_run_at) = 19",
    ),
    correction(
        "conversations",
        "UPDATE {p}conversations SET created_at = created_at || '.000000' WHERE length(created_at) = 19",
    ),
    correction(
        "conversations",
        "UPDATE {p}conversations SET updated_at = coalesce(updated_at, created_at) WHERE updated_at IS NULL",
    ),
    correction(
        "conversations",
        "UPDATE {p}conversations SET updated_at = updated_at || '.000000' WHERE length(updated_at) = 19",
    ),
    // The reference ordered messages by an instant that two of them share; the order of insertion settles that.
    correction(
        "conversation_messages",
        "UPDATE {p}conversation_messages SET sequence = placed.place FROM (SELECT rowid AS number, row_number() \
         OVER (PARTITION BY conversation_id ORDER BY created_at, rowid) AS place FROM {p}conversation_messages) AS placed \
         WHERE {p}conversation_messages.rowid = placed.number",
    ),
    // Its count was that of the messages in memory.
    correction(
        "conversation_messages",
        "UPDATE {p}conversations SET message_count = (SELECT count(*) FROM {p}conversation_messages AS message \
         WHERE message.conversation_id = {p}conversations.conversation_id)",
    ),
];

/// What moves rows into tables that the migrations may have made, on SQLite.
pub const SQLITE_MOVES: &[Correction] = &[correction(
    "user_schedules",
    "INSERT OR IGNORE INTO {p}schedules (id, agent_id, name, cron_expr, message, instructions, input, enabled, timezone, \
     source, user_id, last_run_at, next_run_at, created_at) SELECT id, agent_id, name, cron_expr, message, instructions, \
     input, coalesce(enabled, 1), coalesce(timezone, 'UTC'), 'user', user_id, last_run_at, \
     iif(length(next_run_at) = 19, next_run_at || '.000000', next_run_at), \
     iif(length(created_at) = 19, created_at || '.000000', created_at) FROM {p}user_schedules",
)];

/// What [`SQLITE_CORRECTIONS`] does, on PostgreSQL.
pub const POSTGRES_CORRECTIONS: &[Correction] = &[
    // Ids that callers choose may be longer.
    correction(
        "executions",
        "ALTER TABLE {p}executions ALTER COLUMN parent_execution_id TYPE TEXT, ALTER COLUMN root_execution_id TYPE TEXT",
    ),
    correction(
        "conversations",
        "UPDATE {p}conversations SET updated_at = created_at WHERE updated_at IS NULL",
    ),
    // The reference ordered messages by an instant that two of them share; where they lie in the table settles that.
    correction(
        "conversation_messages",
        "UPDATE {p}conversation_messages AS message SET sequence = placed.place FROM (SELECT message_id, row_number() \
         OVER (PARTITION BY conversation_id ORDER BY created_at, ctid) AS place FROM {p}conversation_messages) AS placed \
         WHERE message.message_id = placed.message_id",
    ),
    // Its count was that of the messages in memory.
    correction(
        "conversation_messages",
        "UPDATE {p}conversations AS talk SET message_count = (SELECT count(*) FROM {p}conversation_messages AS message \
         WHERE message.conversation_id = talk.conversation_id)",
    ),
];

/// What [`SQLITE_MOVES`] does, on PostgreSQL.
pub const POSTGRES_MOVES: &[Correction] = &[correction(
    "user_schedules",
    "INSERT INTO {p}schedules (id, agent_id, name, cron_expr, message, instructions, input, enabled, timezone, source, \
     user_id, last_run_at, next_run_at, created_at) SELECT id, agent_id, name, cron_expr, message, instructions, input, \
     coalesce(enabled, TRUE), coalesce(timezone, 'UTC'), 'user', user_id, last_run_at, next_run_at, created_at \
     FROM {p}user_schedules ON CONFLICT DO NOTHING",
)];
