//! Requests to stop reach whoever listens.
use agent_gateway_core::{id::ExecutionId, ports::queue::ExecutionQueue};
use futures::StreamExt;

use super::{PATIENCE, QUIET};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq},
};

/// Each listener hears each request that is made after it began to listen, in order.
pub async fn every_listener_hears_a_cancellation(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let mut listeners = [queue.cancellations(), queue.cancellations()];
    let asked = [ExecutionId::generate(), ExecutionId::generate()];
    for id in &asked {
        queue.request_cancel(id).await?;
    }
    for listener in &mut listeners {
        for id in &asked {
            let heard = tokio::time::timeout(PATIENCE, listener.next())
                .await
                .map_err(|_| broken(format!("a listener heard nothing within {PATIENCE:?}")))?;
            ensure_eq!(heard.as_ref(), Some(id), "what a listener heard");
        }
    }
    Ok(())
}

/// Without a listener the request is fine, and a later listener does not hear it.
pub async fn a_cancellation_needs_no_listener(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    queue.request_cancel(&ExecutionId::generate()).await?;
    let mut late = queue.cancellations();
    let heard = tokio::time::timeout(QUIET, late.next()).await;
    ensure!(heard.is_err(), "a listener should hear requests from now on, it heard {heard:?}");
    Ok(())
}
