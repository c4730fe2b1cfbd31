//! Types that the model cannot be told of.
use agent_gateway_macros::tool;

struct Query;
struct Page;
struct Failure;

#[tool(crate = agent_gateway_core)]
async fn search(_query: Query) -> String {
    String::new()
}

#[tool(crate = agent_gateway_core)]
async fn plan(#[arguments] _query: Query) {}

#[tool(crate = agent_gateway_core)]
async fn find() -> Page {
    Page
}

#[tool(crate = agent_gateway_core)]
async fn fail() -> Result<String, Failure> {
    Err(Failure)
}

fn give(_: impl agent_gateway_core::code_tool::IntoTool) {}

fn main() {
    give(|city: String| city);
}
