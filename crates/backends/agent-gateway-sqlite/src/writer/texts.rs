//! The statements that change stored executions, each for many of them.
use agent_gateway_sql::{
    Names,
    drafts::COLUMNS as DRAFT_COLUMNS,
    executions::{FINISH_CLEARS, FINISH_COLUMNS},
    log::COLUMNS as LOG_COLUMNS,
};

use super::bulk::Bulk;

#[derive(Debug)]
pub(super) struct RecordTexts {
    /// What is stored now.
    pub(super) states: Bulk,
    pub(super) start: Bulk,
    pub(super) finish: Bulk,
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
    pub(super) fn new(names: &Names) -> Self {
        let bulk = |columns: usize, template: &dyn Fn(&str) -> String| {
            Bulk::new(columns, |rows| names.fill(&template(rows)))
        };
        let set = FINISH_COLUMNS.iter().zip(1..).skip(1);
        let set = set.map(|(column, place)| format!("{column} = change.column{place}"));
        let cleared = FINISH_CLEARS.iter().map(|column| format!("{column} = NULL"));
        let set = set.chain(cleared).collect::<Vec<_>>().join(", ");
        Self {
            states: bulk(1, &|rows| {
                format!(
                    "SELECT id, status, fence, \
                     (SELECT max(sequence) FROM {{p}}execution_log WHERE execution_id = id) AS last, \
                     EXISTS (SELECT 1 FROM {{p}}execution_drafts WHERE execution_id = id) AS drafted \
                     FROM {{p}}executions WHERE id IN (VALUES {rows})"
                )
            }),
            start: bulk(4, &|rows| {
                format!(
                    "UPDATE {{p}}executions SET status = 'running', fence = change.column2, \
                     instance = change.column3, started_at = coalesce(started_at, change.column4) \
                     FROM (VALUES {rows}) AS change WHERE id = change.column1"
                )
            }),
            finish: bulk(FINISH_COLUMNS.len(), &|rows| {
                format!(
                    "UPDATE {{p}}executions SET {set} FROM (VALUES {rows}) AS change WHERE id = change.column1"
                )
            }),
            append: bulk(LOG_COLUMNS.len(), &|rows| {
                format!(
                    "INSERT INTO {{p}}execution_log ({}) SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL",
                    LOG_COLUMNS.join(", ")
                )
            }),
            // A caller that did not hear of a piece may send it again with more behind it.
            draft: bulk(DRAFT_COLUMNS.len(), &|rows| {
                format!(
                    "INSERT INTO {{p}}execution_drafts ({}) SELECT * FROM (VALUES {rows}) \
                     WHERE column1 IS NOT NULL ON CONFLICT (execution_id, after_entry, byte_offset) \
                     DO UPDATE SET content = excluded.content WHERE length(excluded.content) > length(content)",
                    DRAFT_COLUMNS.join(", ")
                )
            }),
            undraft: bulk(1, &|rows| {
                format!("DELETE FROM {{p}}execution_drafts WHERE execution_id IN (VALUES {rows})")
            }),
            say: bulk(6, &|rows| {
                format!(
                    "INSERT INTO {{p}}conversation_messages \
                     (message_id, conversation_id, sequence, role, content, metadata_json, created_at) \
                     SELECT talk.conversation_id || ':' || (talk.message_count + said.column2), \
                     talk.conversation_id, talk.message_count + said.column2, \
                     said.column3, said.column4, said.column5, said.column6 \
                     FROM (VALUES {rows}) AS said JOIN {{p}}executions AS run ON run.id = said.column1 \
                     JOIN {{p}}conversations AS talk ON talk.conversation_id = run.session_id"
                )
            }),
            grow: bulk(4, &|rows| {
                format!(
                    "UPDATE {{p}}conversations SET message_count = message_count + said.column2, \
                     turn_count = turn_count + said.column3, updated_at = said.column4 \
                     FROM (VALUES {rows}) AS said JOIN {{p}}executions AS run ON run.id = said.column1 \
                     WHERE conversation_id = run.session_id"
                )
            }),
        }
    }
}
