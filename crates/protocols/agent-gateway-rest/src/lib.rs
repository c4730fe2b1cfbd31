//! The `/v1` REST API: one file per resource, over the runtime's handles.
//!
//! It is **not** where anything runs: every request becomes one call of the runtime, and every answer one wire type.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod options;
mod run;
mod stream;
mod time;

// The resources, in the order of the API's description.
mod agents;
mod approvals;
mod chat;
mod conversations;
mod executions;
mod health;
mod invoke;
mod reload;
mod sessions;
mod setups;
mod skills;
mod tools;
mod usage;

use agent_gateway_core::Result;
use agent_gateway_http::{RouteInfo, Routes};
use agent_gateway_runtime::Gateway;
use axum::Router;

pub use options::{Reload, RestOptions};

/// The routes of this API, not yet bound to a gateway.
#[must_use]
pub fn routes(reload: Reload) -> Routes {
    let routes = Routes::new().probes();
    let routes = setups::routes(invoke::routes(agents::routes(health::routes(routes))));
    let routes = conversations::routes(sessions::routes(chat::routes(routes)));
    let routes = usage::routes(tools::routes(skills::routes(approvals::routes(executions::routes(routes)))));
    reload::routes(routes, reload)
}

/// The API of a gateway. Options that cannot be are `Misconfigured`.
pub fn router(gateway: &Gateway, options: &RestOptions) -> Result<Router> {
    routes(options.reload).into_router(gateway, &options.http)
}

/// Every route with who may call it, for tests and documentation.
#[must_use]
pub fn routes_table() -> Vec<RouteInfo> {
    routes(Reload::Disabled).table().cloned().collect()
}
