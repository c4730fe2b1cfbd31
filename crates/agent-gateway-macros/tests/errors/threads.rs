//! A future that cannot move between threads.
use agent_gateway_macros::tool;

#[tool(crate = agent_gateway_core)]
async fn search(query: String) -> String {
    let shared = std::rc::Rc::new(query);
    std::future::ready(()).await;
    shared.to_string()
}

fn main() {}
