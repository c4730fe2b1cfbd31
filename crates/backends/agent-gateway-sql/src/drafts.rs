//! Drafts as rows of `execution_drafts`: one for each piece of a model turn under way.
use agent_gateway_core::{
    Result,
    execution::{Cursor, Draft, DraftPiece},
    id::ExecutionId,
};

use crate::{Column, Database, Kind, RowExt, Statement, Value};

/// The columns of `execution_drafts`, in the order of [`piece_row`].
pub const COLUMNS: [Column; 4] = [
    Column::new("execution_id", Kind::Text),
    Column::new("after_entry", Kind::Int),
    Column::new("byte_offset", Kind::Int),
    Column::new("content", Kind::Text),
];

/// The values of one piece.
pub fn piece_row(id: &ExecutionId, piece: &DraftPiece) -> Result<Vec<Value>> {
    Ok(vec![
        id.as_str().into(),
        Value::number(piece.after.0)?,
        Value::number(piece.offset)?,
        Value::Text(piece.text.clone()),
    ])
}

/// The turn under way, as far as it is stored without a gap.
pub async fn read<D: Database>(database: &D, id: &ExecutionId) -> Result<Option<Draft>> {
    let statement = Statement::new(
        database.names(),
        "SELECT after_entry, byte_offset, content FROM {p}execution_drafts WHERE execution_id = $1 \
         ORDER BY after_entry, byte_offset",
        vec![id.as_str().into()],
    );
    let mut draft = Draft { after: Cursor::START, text: String::new() };
    for row in database.read(statement).await? {
        let after = Cursor(row.count("after_entry")?);
        if after != draft.after {
            draft = Draft { after, text: String::new() };
        }
        draft.take_in(row.count("byte_offset")?, &row.need_text("content")?);
    }
    Ok((!draft.text.is_empty()).then_some(draft))
}
