//! Trees of executions.
use agent_gateway_core::{
    clock::{Clock, SystemClock},
    execution::{Execution, ExecutionQuery},
    id::{AgentId, ExecutionId},
    ports::persistence::PersistenceBackend,
};

use crate::world::{World, user};

#[tokio::test]
async fn a_tree_of_many_pages_is_read_whole_and_begins_with_its_root() {
    let world = World::helper([]).await;
    let now = SystemClock.now();
    let root = ExecutionId::generate();
    let make = |id: ExecutionId| Execution::new(id, AgentId::new("helper").unwrap(), "hello", now);
    let store = world.store.executions();
    store.create(&make(root.clone())).await.unwrap();
    for _ in 0..1_100 {
        let mut child = make(ExecutionId::generate());
        (child.root_execution_id, child.delegation_depth) = (Some(root.clone()), 1);
        store.create(&child).await.unwrap();
    }
    let (executions, all) = (world.gateway.executions(), user("root", &["*"]));
    let query = ExecutionQuery { root_execution_id: Some(root.clone()), ..ExecutionQuery::default() };
    let tree = executions.tree(&query, &all).await.unwrap();
    assert_eq!((tree.len(), &tree[0].id), (1_101, &root));
    let from_a_child = executions.workflow(&tree[700].id, &all).await.unwrap().unwrap();
    assert_eq!((from_a_child.len(), &from_a_child[0].id), (1_101, &root));
}
