//! What the runs below one consumed before this process went on with it.
use std::{collections::HashSet, sync::Arc};

use agent_gateway_core::{
    Result,
    execution::{Execution, ExecutionQuery},
    id::ExecutionId,
    page::{MAX_PAGE, PageRequest},
    principal::Principal,
};
use agent_gateway_engine::Ledger;

use crate::{Ports, children::KEY_PREFIX};

/// The most executions of one tree that are read.
const MOST: usize = 5_000;

/// Adds the runs below `execution` that have ended to its ledger. The others add themselves when they go on.
pub(crate) async fn add_past(ports: &Ports, execution: &Execution, ledger: &Arc<Ledger>) -> Result<()> {
    let (store, everything) = (ports.persistence.executions(), Principal::system().visibility());
    let root = execution.root_execution_id.clone().unwrap_or_else(|| execution.id.clone());
    let query = ExecutionQuery { root_execution_id: Some(root), ..ExecutionQuery::default() };
    let (mut tree, mut request) = (Vec::new(), PageRequest::first(MAX_PAGE));
    loop {
        let page = store.list(&query, &everything, request).await?;
        tree.extend(page.items);
        match page.next {
            Some(next) if tree.len() < MOST => request = PageRequest::first(MAX_PAGE).after(next),
            _ => break,
        }
    }
    tree.sort_by_key(|run| run.delegation_depth);
    let mut below: HashSet<&ExecutionId> = HashSet::from([&execution.id]);
    for run in &tree {
        if !run.parent_execution_id.as_ref().is_some_and(|parent| below.contains(parent)) {
            continue;
        }
        below.insert(&run.id);
        if run.status.is_final() {
            let usage = run.usage.as_ref();
            let tokens = usage.map_or(0, |usage| usage.input_tokens.saturating_add(usage.output_tokens));
            let key = run.idempotency.as_ref().and_then(|held| held.key.as_str().strip_prefix(KEY_PREFIX));
            ledger.add_past(
                tokens,
                usage.map_or(0.0, |usage| usage.cost_usd),
                key.unwrap_or(run.id.as_str()),
            );
        }
    }
    Ok(())
}
