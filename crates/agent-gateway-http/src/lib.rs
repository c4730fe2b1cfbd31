//! The shared HTTP kit of agent-gateway's protocols: routes that state who may call them, one error envelope, checked
//! bodies, headers, the API's description, and the server.
//!
//! It is **not** an API: routes come from the protocol crates.
#![cfg_attr(docsrs, feature(doc_cfg))]

// Who may call what.
mod access;
mod credential;
mod guard;
mod handles;

// What comes in.
mod body;
mod fields;
mod path;
mod query;
mod request_headers;

// What goes out.
mod error;
mod headers;
mod reply;
mod sse;

// The routes together, and their description.
mod docs;
mod openapi;
mod operation;
mod options;
mod probes;
mod routes;
mod slash;

// The server.
mod local;
mod serve;

pub use access::{Access, Listing, RouteInfo};
pub use body::{JsonObject, MAX_JSON_DEPTH, OptionalJsonObject};
pub use error::{ApiError, ErrorBody, ErrorMember, FieldErrorBody};
pub use fields::{Fields, Problem, Problems};
pub use guard::Caller;
pub use handles::Handles;
pub use local::local_only;
pub use operation::{Operation, Tag};
pub use options::HttpOptions;
pub use path::{AnyLine, DottedWord, PathId, PathRule, Word};
pub use query::QueryFields;
pub use reply::{EXECUTION_ID, json, mount_prefix};
pub use request_headers::{IDEMPOTENCY_KEY, LAST_EVENT_ID, event_id, idempotency_key, last_event_id};
pub use routes::Routes;
pub use serve::{ServeOptions, serve};
pub use sse::{FrameSource, Frames, sse};
