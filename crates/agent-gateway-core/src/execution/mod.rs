//! An execution: what is asked, what limits it, what happens, how it ends, and what is stored of it.
mod limits;
mod log;
mod outcome;
mod record;
mod request;
mod step;

pub use limits::Limits;
pub use log::{Cursor, LogEntry, LogEvent, ModelTurn, ToolOutcome, ToolTurn};
pub use outcome::{Outcome, StopReason, Usage};
pub use record::{Advanced, Execution, ExecutionQuery, ExecutionStatus, Fence, Transition};
pub use request::{ExecutionRequest, Lineage, Mode, Origin, RunOptions, Target};
pub use step::{Step, steps};
