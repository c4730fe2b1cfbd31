//! An execution: what is asked, what limits it, what happens, how it ends, and what is stored of it.
mod draft;
mod event;
mod idempotency;
mod limits;
mod log;
mod outcome;
mod record;
mod request;
mod step;
mod workflow;

pub use draft::{Draft, DraftPiece};
pub use event::{Event, EventId, ExecutionEvent, Place, Reading};
pub use idempotency::{Fingerprint, IDEMPOTENCY_WINDOW, Idempotency};
pub use limits::{Guardrails, Limits};
pub use log::{
    Cursor, LogEntry, LogEvent, ModelTurn, ResetReason, ResultForm, StepPlace, ToolOutcome, ToolTurn,
};
pub use outcome::{Outcome, StopReason, Usage};
pub use record::{Advanced, Execution, ExecutionQuery, ExecutionStatus, Fence, Transition};
pub use request::{Departure, ExecutionRequest, Lineage, Mode, Origin, RunOptions, Target, Thread};
pub use step::{Step, steps};
pub use workflow::{StepKind, WorkflowStep, workflow_steps};
