//! The statements that change stored executions, each for many of them.
use super::bulk::{Bulk, Given};
use crate::{
    Column, Kind, Names, Syntax,
    approvals::COLUMNS as APPROVAL_COLUMNS,
    drafts::COLUMNS as DRAFT_COLUMNS,
    executions::{FINISH_CLEARS, FINISH_COLUMNS},
    log::COLUMNS as LOG_COLUMNS,
};

#[derive(Debug)]
pub(super) struct RecordTexts {
    /// Keeps executions as they are, where other transactions write at the same time.
    pub(super) lock: Option<Bulk>,
    /// What is stored now.
    pub(super) states: Bulk,
    pub(super) start: Bulk,
    pub(super) suspend: Bulk,
    pub(super) resume: Bulk,
    pub(super) finish: Bulk,
    /// Approvals that are pending from now on.
    pub(super) ask: Bulk,
    /// The end of pending approvals whose execution has ended.
    pub(super) withdraw: Bulk,
    /// Log entries.
    pub(super) append: Bulk,
    /// Pieces of drafts.
    pub(super) draft: Bulk,
    /// The end of drafts.
    pub(super) undraft: Bulk,
    /// What the conversations of the executions gain.
    pub(super) say: Bulk,
    /// By how much those conversations grow.
    pub(super) grow: Bulk,
}

impl RecordTexts {
    pub(super) fn new(names: &Names, syntax: Syntax) -> Self {
        let bulk = |kinds: &[Kind], template: fn(&Given) -> String| Bulk::new(names, syntax, kinds, template);
        Self {
            lock: (syntax == Syntax::Postgres).then(|| bulk(&[Kind::Text], lock)),
            states: bulk(&[Kind::Text], states),
            start: bulk(&[Kind::Text, Kind::Int, Kind::Text, Kind::Time], start),
            suspend: bulk(&[Kind::Text, Kind::Json], suspend),
            resume: bulk(&[Kind::Text, Kind::Text], resume),
            finish: bulk(&Column::kinds(&FINISH_COLUMNS), finish),
            ask: bulk(&Column::kinds(&APPROVAL_COLUMNS), ask),
            withdraw: bulk(&[Kind::Text], withdraw),
            append: bulk(&Column::kinds(&LOG_COLUMNS), append),
            draft: bulk(&Column::kinds(&DRAFT_COLUMNS), draft),
            undraft: bulk(&[Kind::Text], undraft),
            say: bulk(&[Kind::Text, Kind::Int, Kind::Text, Kind::Text, Kind::Json, Kind::Time], say),
            grow: bulk(&[Kind::Text, Kind::Int, Kind::Int, Kind::Time], grow),
        }
    }
}

fn lock(ids: &Given) -> String {
    format!("SELECT id FROM {{p}}executions WHERE {} ORDER BY id FOR UPDATE", ids.has("id"))
}

fn states(ids: &Given) -> String {
    format!(
        "SELECT id, status, fence, \
         (SELECT max(sequence) FROM {{p}}execution_log WHERE execution_id = run.id) AS last, \
         EXISTS (SELECT 1 FROM {{p}}execution_drafts WHERE execution_id = run.id) AS drafted, \
         EXISTS (SELECT 1 FROM {{p}}approvals WHERE execution_id = run.id AND status = 'pending') AS asked \
         FROM {{p}}executions AS run WHERE {}",
        ids.has("id")
    )
}

fn start(changes: &Given) -> String {
    format!(
        "UPDATE {{p}}executions SET status = 'running', fence = change.column2, \
         instance = change.column3, started_at = coalesce(started_at, change.column4) \
         FROM {} WHERE id = change.column1",
        changes.table("change")
    )
}

fn suspend(changes: &Given) -> String {
    format!(
        "UPDATE {{p}}executions SET status = 'suspended', options = change.column2, instance = NULL \
         FROM {} WHERE id = change.column1",
        changes.table("change")
    )
}

fn resume(changes: &Given) -> String {
    format!(
        "UPDATE {{p}}executions SET status = 'queued', instance = change.column2 \
         FROM {} WHERE id = change.column1",
        changes.table("change")
    )
}

fn ask(approvals: &Given) -> String {
    format!(
        "INSERT INTO {{p}}approvals ({}) SELECT * FROM {} WHERE column1 IS NOT NULL",
        Column::list(&APPROVAL_COLUMNS),
        approvals.table("new")
    )
}

fn withdraw(ids: &Given) -> String {
    format!(
        "UPDATE {{p}}approvals SET status = 'withdrawn' WHERE {} AND status = 'pending'",
        ids.has("execution_id")
    )
}

fn finish(changes: &Given) -> String {
    let set = FINISH_COLUMNS.iter().zip(1..).skip(1);
    let set = set.map(|(column, place)| format!("{} = change.column{place}", column.name));
    let cleared = FINISH_CLEARS.iter().map(|column| format!("{column} = NULL"));
    let set = set.chain(cleared).collect::<Vec<_>>().join(", ");
    format!("UPDATE {{p}}executions SET {set} FROM {} WHERE id = change.column1", changes.table("change"))
}

fn append(entries: &Given) -> String {
    format!(
        "INSERT INTO {{p}}execution_log ({}) SELECT * FROM {} WHERE column1 IS NOT NULL",
        Column::list(&LOG_COLUMNS),
        entries.table("new")
    )
}

/// A caller that did not hear of a piece may send it again with more behind it.
fn draft(pieces: &Given) -> String {
    format!(
        "INSERT INTO {{p}}execution_drafts AS piece ({}) SELECT * FROM {} \
         WHERE column1 IS NOT NULL ON CONFLICT (execution_id, after_entry, byte_offset) \
         DO UPDATE SET content = excluded.content WHERE length(excluded.content) > length(piece.content)",
        Column::list(&DRAFT_COLUMNS),
        pieces.table("new")
    )
}

fn undraft(ids: &Given) -> String {
    format!("DELETE FROM {{p}}execution_drafts WHERE {}", ids.has("execution_id"))
}

fn say(said: &Given) -> String {
    format!(
        "INSERT INTO {{p}}conversation_messages \
         (message_id, conversation_id, sequence, role, content, metadata_json, created_at) \
         SELECT talk.conversation_id || ':' || (talk.message_count + said.column2), \
         talk.conversation_id, talk.message_count + said.column2, \
         said.column3, said.column4, said.column5, said.column6 \
         FROM {} JOIN {{p}}executions AS run ON run.id = said.column1 \
         JOIN {{p}}conversations AS talk ON talk.conversation_id = run.session_id",
        said.table("said")
    )
}

fn grow(said: &Given) -> String {
    format!(
        "UPDATE {{p}}conversations SET message_count = message_count + said.column2, \
         turn_count = turn_count + said.column3, updated_at = said.column4 \
         FROM {} JOIN {{p}}executions AS run ON run.id = said.column1 \
         WHERE conversation_id = run.session_id",
        said.table("said")
    )
}
