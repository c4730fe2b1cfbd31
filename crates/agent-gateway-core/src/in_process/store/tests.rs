use super::*;
use crate::{
    ErrorKind, Timestamp,
    execution::{Execution, ExecutionStatus, Fence, Outcome, StopReason, Transition, Usage},
    id::{AgentId, ExecutionId},
    principal::Principal,
};

fn execution(id: &str, second: i64) -> Execution {
    let at = Timestamp::from_second(second).unwrap();
    let mut execution =
        Execution::new(ExecutionId::new(id).unwrap(), AgentId::new("helper").unwrap(), "hi", at);
    execution.status = ExecutionStatus::Running;
    execution
}

fn finish() -> Transition {
    let outcome = Box::new(Outcome::new(StopReason::Completed, "done", Usage::default()));
    Transition::Finish { outcome, entries: Vec::new(), at: Timestamp::from_second(9).unwrap() }
}

#[tokio::test]
async fn a_full_store_forgets_the_oldest_finished_execution() {
    let store = InProcessStore::with_capacity(2);
    let (executions, everyone) = (store.executions(), Principal::system().visibility());
    for (id, second) in [("a", 1), ("b", 2)] {
        executions.create(&execution(id, second)).await.unwrap();
    }
    let full = executions.create(&execution("c", 3)).await.unwrap_err();
    assert_eq!(full.kind(), ErrorKind::RateLimited);

    executions.advance(&ExecutionId::new("b").unwrap(), Fence::NONE, &finish()).await.unwrap();
    executions.create(&execution("c", 3)).await.unwrap();
    let kept = |id| executions.get(id, &everyone);
    assert!(kept(&ExecutionId::new("a").unwrap()).await.unwrap().is_some());
    assert!(kept(&ExecutionId::new("b").unwrap()).await.unwrap().is_none());
    assert!(kept(&ExecutionId::new("c").unwrap()).await.unwrap().is_some());
}
