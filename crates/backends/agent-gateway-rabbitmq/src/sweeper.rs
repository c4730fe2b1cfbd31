//! Leases that run out.
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    desk::Desk,
    settler::{How, Settle},
};

/// Gives the jobs of leases that have run out to others, until the session ends.
pub(crate) async fn run(desk: Arc<Desk>, settler: mpsc::Sender<Settle>) -> lapin::Result<()> {
    loop {
        let (expired, next) = desk.expire();
        for arrived in expired {
            let id = &arrived.counted.job.execution_id;
            tracing::warn!(execution_id = %id, "a lease has run out; its job is handed out again");
            // An error only says that the session has ended: the broker has the job back.
            let _ = settler.send(Settle::silently(arrived.acker, How::Again)).await;
        }
        tokio::select! {
            () = desk.deadlines.notified() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}
