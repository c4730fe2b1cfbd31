//! Complete backends that live in this process: for the first minute, for tests, and where nothing must last.
mod deadline;
mod keys;
mod lock;
mod memory;
mod queue;
mod rates;
mod store;

pub use keys::{ApiKey, ApiKeys};
pub use lock::InProcessLock;
pub use memory::InProcessMemory;
pub use queue::{DeadJob, InProcessQueue};
pub use rates::InProcessRates;
pub use store::InProcessStore;

pub use crate::code_tool::FunctionTool;
