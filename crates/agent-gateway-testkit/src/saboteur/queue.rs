use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Result,
    capability::{BackendInfo, QueueCapability},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};
use async_trait::async_trait;
use futures::stream::BoxStream;

/// Hands a job out once more after it was completed.
/// Found by [`a_completed_job_is_never_delivered_again`](crate::queue::leases::a_completed_job_is_never_delivered_again).
#[derive(Debug)]
pub struct RedeliversCompleted(pub Arc<dyn ExecutionQueue>);

/// Lets a worker settle a job whose lease has run out.
/// Found by [`an_expired_lease_settles_nothing`](crate::queue::leases::an_expired_lease_settles_nothing).
#[derive(Debug)]
pub struct IgnoresFence(pub Arc<dyn ExecutionQueue>);

/// A queue that does as the inner one in everything but `complete`.
macro_rules! queue_but_complete {
    ($name:ident, |$inner:ident, $lease:ident| $complete:expr) => {
        #[async_trait]
        impl ExecutionQueue for $name {
            fn info(&self) -> BackendInfo {
                self.0.info()
            }
            fn capability(&self) -> QueueCapability {
                self.0.capability()
            }
            async fn prepare(&self) -> Result<()> {
                self.0.prepare().await
            }
            async fn enqueue(&self, job: &Job) -> Result<()> {
                self.0.enqueue(job).await
            }
            async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
                self.0.lease(request).await
            }
            async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
                self.0.extend(lease, by).await
            }
            async fn complete(&self, $lease: Lease) -> Result<()> {
                let $inner = &self.0;
                $complete
            }
            async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
                self.0.release(lease, again).await
            }
            async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
                self.0.request_cancel(id).await
            }
            fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
                self.0.cancellations()
            }
            async fn depth(&self) -> Result<Depth> {
                self.0.depth().await
            }
            async fn close(&self) -> Result<()> {
                self.0.close().await
            }
        }
    };
}

queue_but_complete!(RedeliversCompleted, |inner, lease| inner.release(lease, Redelivery::Now).await);
queue_but_complete!(IgnoresFence, |inner, lease| {
    // Whoever was late is told that all is well.
    inner.complete(lease).await.or(Ok(()))
});
