//! Tool calls that wait for a person, as rows of `approvals`.
use agent_gateway_core::{
    Result,
    approval::{Approval, ApprovalStatus, AskedCall},
};

use crate::{Column, Kind, RowExt, Value};

/// The columns of `approvals`, in the order of [`row`].
pub const COLUMNS: [Column; 13] = [
    Column::new("id", Kind::Text),
    Column::new("execution_id", Kind::Text),
    Column::new("root_execution_id", Kind::Text),
    Column::new("agent_id", Kind::Text),
    Column::new("user_id", Kind::Text),
    Column::new("call_id", Kind::Text),
    Column::new("tool", Kind::Text),
    Column::new("arguments", Kind::Json),
    Column::new("question", Kind::Text),
    Column::new("status", Kind::Text),
    Column::new("decision", Kind::Json),
    Column::new("expires_at", Kind::Time),
    Column::new("created_at", Kind::Time),
];

/// The values of one approval.
pub fn row(approval: &Approval) -> Result<Vec<Value>> {
    Ok(vec![
        approval.id.as_str().into(),
        approval.execution_id.as_str().into(),
        approval.root_execution_id.as_str().into(),
        approval.agent_id.as_str().into(),
        Value::word(approval.user_id.as_ref()),
        Value::Text(approval.call_id.clone()),
        Value::Text(approval.tool.clone()),
        Value::json(&approval.arguments)?,
        approval.question.as_deref().into(),
        approval.status.as_str().into(),
        Value::json_or_null(approval.decision.as_ref())?,
        approval.expires_at.into(),
        approval.created_at.into(),
    ])
}

/// The approval that a row holds.
pub fn read_row<R: RowExt>(row: &R) -> Result<Approval> {
    let call = AskedCall {
        call_id: row.need_text("call_id")?.into(),
        tool: row.need_text("tool")?.into(),
        arguments: row.map("arguments")?,
        question: row.text("question")?.map(Into::into),
    };
    let run = (row.need_word("execution_id")?, row.need_word("agent_id")?);
    let times = (row.need_time("created_at")?, row.need_time("expires_at")?);
    let mut approval = Approval::new(row.need_word("id")?, run, call, times);
    approval.root_execution_id = row.need_word("root_execution_id")?;
    approval.user_id = row.word("user_id")?;
    approval.status = ApprovalStatus::parse(&row.need_text("status")?)?;
    approval.decision = row.json("decision")?;
    Ok(approval)
}
