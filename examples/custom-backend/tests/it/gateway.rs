//! Whole gateways on both backends, chosen by name in `gateway.yaml`.
use std::{path::Path, sync::Arc};

use agent_gateway::{Catalog, Gateway, Role};
use agent_gateway_core::{
    execution::{Execution, ExecutionRequest, ExecutionStatus, Mode, Origin, StopReason},
    id::{AgentId, ExecutionId},
    principal::Principal,
    vars::MapVars,
};
use custom_backend::{open_journal, open_spool};
use tempfile::TempDir;

/// A gateway whose data lies in `data`, in place of where the workspace says.
async fn gateway(data: &TempDir, role: Role) -> Gateway {
    let path = |name| data.path().join(name).display().to_string();
    let vars = MapVars::from_iter([
        ("AGENT_GATEWAY_PERSISTENCE__URL", format!("journal:{}", path("journal"))),
        ("AGENT_GATEWAY_CONTEXT__SPOOL__PATH", path("spool")),
    ]);
    let catalog =
        Catalog::builtin().with_persistence("journal", open_journal).with_queue("spool", open_spool);
    Gateway::builder(Path::new(env!("CARGO_MANIFEST_DIR")).join("workspace"))
        .use_catalog(catalog)
        .use_vars(Arc::new(vars))
        .role(role)
        .auth_from_workspace()
        .build()
        .await
        .unwrap()
}

/// Queues an execution.
async fn queue(gateway: &Gateway, message: &str) -> ExecutionId {
    let agent = AgentId::new("helper").unwrap();
    let request =
        ExecutionRequest::new(agent, message, Principal::system(), Origin::Library).mode(Mode::Detach);
    match gateway.runtime().executions().submit(request).await.unwrap() {
        agent_gateway::runtime::Submitted::Queued(execution) => execution.id,
        other => panic!("it was not queued: {other:?}"),
    }
}

/// Waits until it has ended, by listening to it.
async fn ended(gateway: &Gateway, id: &ExecutionId) {
    use agent_gateway::runtime::Watched;
    let watched = gateway.runtime().executions().events(id, &Principal::system(), None).await.unwrap();
    if let Some(Watched::Telling(_, events)) = watched {
        assert_eq!(events.outcome().await.unwrap().stop_reason, StopReason::Completed);
    }
}

async fn stored(gateway: &Gateway, id: &ExecutionId) -> Execution {
    gateway.runtime().executions().get(id, &Principal::system()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_queued_execution_outlives_its_gateway() {
    let data = tempfile::tempdir().unwrap();
    let first = gateway(&data, Role::Whole).await;
    let (persistence, queue_info) = first.backends();
    assert_eq!((&*persistence.name, &*queue_info.name), ("journal", "spool"));
    let id = queue(&first, "remember me").await;
    ended(&first, &id).await;
    let before = stored(&first, &id).await;
    assert_eq!((before.status, before.fence.0), (ExecutionStatus::Completed, 1));
    first.shutdown().await.unwrap();

    let second = gateway(&data, Role::Whole).await;
    let after = stored(&second, &id).await;
    assert_eq!(after, before);
    assert!(after.result.unwrap()["raw_text"].as_str().unwrap().contains("remember me"));
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_process_accepts_and_another_works() {
    let data = tempfile::tempdir().unwrap();
    let front = gateway(&data, Role::GatewayOnly).await;
    let id = queue(&front, "somebody else does it").await;
    assert_eq!(stored(&front, &id).await.status, ExecutionStatus::Queued);
    let worker = gateway(&data, Role::WorkerOnly).await;
    ended(&front, &id).await;
    assert_eq!(stored(&front, &id).await.status, ExecutionStatus::Completed);
    worker.shutdown().await.unwrap();
    front.shutdown().await.unwrap();
}
