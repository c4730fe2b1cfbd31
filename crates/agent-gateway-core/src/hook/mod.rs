//! How an application steps into executions: hooks steer them, observers watch them.
//!
//! Both are registered once, when the gateway is built, and see every execution alike: waited for, streamed, queued, in a
//! session, or delegated.
mod event;
mod observer;
mod steering;

pub use event::{
    AgentInvokeAfter, AgentInvokeBefore, Event, LlmCallAfter, LlmCallBefore, Occurrence, ToolExecuteAfter,
    ToolExecuteBefore,
};
pub use observer::{Observed, Observer};
pub use steering::{
    AfterTool, Attempt, BeforeExecution, BeforeModel, BeforeTool, ExecutionHook, HookContext, HookedCall,
    HookedResult, HookedStart,
};
