//! Functions that cannot be tools.
use agent_gateway_macros::tool;

#[tool(crate = agent_gateway_core, nmae = "search")]
async fn search(query: &mut String, (a, b): (u8, u8)) {}

#[tool(crate = agent_gateway_core, name = "search docs")]
async fn find<T>(query: T) {}

#[tool]
struct Finder;

fn main() {}
