//! Runs the tools that are files: `handler.py`, executables, HTTP calls.
//!
//! It is **not** the reader of `TOOL.md` (that is `agent-gateway-workspace`), and it decides neither who may call a
//! tool nor whether the arguments fit: the engine has done both before a call arrives here.
//!
//! # What a handler is given
//! - **`handler.py`** exports `handle(arguments, context)`, plain or `async`; `handle(arguments)` works too. It runs in
//!   a supervised `python3` worker that keeps the module loaded between calls and reads it again after an edit. A
//!   string goes to the model as it is, any other value as JSON, an exception as its type and first line. What it
//!   prints goes to the log. Its working directory is that of the gateway, so relative paths begin where the gateway
//!   was started; modules beside `handler.py` are imported first.
//! - **Any other program** gets one JSON object on stdin, `{"arguments": {..}, "context": {..}}`, and prints one JSON
//!   value on stdout. An exit status other than 0 is an error, told by the last line of stderr. Its working directory
//!   is that of its tool.
//! - **An HTTP call** fills `{name}` with arguments: percent-encoded in the URL's path and query, as text in headers,
//!   and in the body as the argument's own JSON where a string holds the placeholder alone. `${NAME}` stands for a
//!   variable. Arguments that no placeholder uses become the query, or the JSON body where the method has one.
//!
//! `context` has the fields of [`ToolContext`](agent_gateway_core::tool::ToolContext).
//!
//! # How many run at once
//! There are at most [`python_workers`](FileToolSettings::python_workers) Python processes. They start when a call needs
//! one and go when nobody does for [`idle_timeout`](FileToolSettings::idle_timeout). One tool has at most three quarters
//! of them at a time; its further calls wait, within their time. The same holds for the
//! [`programs`](FileToolSettings::programs), which start with each call. HTTP calls have no such limit.
//!
//! # What a handler cannot do
//! A process gets `PATH`, `HOME`, `LANG`, `TMPDIR` and the variables that its tool names, nothing else of the
//! gateway's environment. It runs in a process group of its own, which is killed when the call takes too long, answers
//! too much or is no longer wanted. An HTTP call reaches public addresses alone unless the operator said otherwise:
//! see [`guard`].
//!
//! ```no_run
//! # async fn example(definition: agent_gateway_core::tool::ToolDefinition) -> agent_gateway_core::Result<()> {
//! use agent_gateway_core::ports::tool::ToolFactory;
//! use agent_gateway_tools::{FileToolSettings, FileTools};
//!
//! let tools = FileTools::new(FileToolSettings { python_workers: 4, ..FileToolSettings::default() });
//! let tool = tools.build(&definition)?;
//! # drop(tool);
//! tools.shutdown().await;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod factory;

mod command;
mod http;
mod missing;
mod python;

mod process;
mod program;
mod supervise;
mod turns;
mod words;

pub use factory::{FileToolSettings, FileTools};
pub use http::guard;
