//! The envelope as it is written, and as the API's description shows it.
use agent_gateway_core::id::ExecutionId;
use agent_gateway_runtime::FieldError;
use serde::Serialize;
use utoipa::ToSchema;

use super::Detail;

#[derive(Serialize)]
pub(super) struct Envelope<'a> {
    pub(super) error: Member<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'a Detail>,
}

#[derive(Serialize)]
pub(super) struct Member<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) execution_id: Option<&'a ExecutionId>,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub(super) details: &'a [FieldError],
}

/// Every error.
#[derive(Debug, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorMember,
    /// The same for clients of FastAPI: a sentence, or for 422 a list of problems.
    #[schema(required = false)]
    pub detail: serde_json::Value,
}

/// What went wrong.
#[derive(Debug, ToSchema)]
pub struct ErrorMember {
    /// What programs branch on.
    pub code: String,
    /// What people read.
    pub message: String,
    /// The execution that it is about.
    #[schema(required = false, nullable = false)]
    pub execution_id: Option<String>,
    /// Field by field, where fields are wrong.
    #[schema(required = false)]
    pub details: Vec<FieldErrorBody>,
}

/// What is wrong with one field.
#[derive(Debug, ToSchema)]
pub struct FieldErrorBody {
    /// The path of the field: names and indexes.
    pub loc: Vec<serde_json::Value>,
    /// What people read.
    pub msg: String,
    /// What programs branch on.
    pub r#type: String,
}
