//! Leases that run out.
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{
    desk::Desk,
    message::Message,
    names::Names,
    publisher::{Publish, Then},
    settler::{How, Settle},
};

/// Gives the jobs of leases that have run out to others, until the session ends.
///
/// The job is published again with its count and then settled: what the broker counts when it takes a job back differs
/// between its versions.
pub(crate) async fn run(
    desk: Arc<Desk>,
    names: Names,
    publisher: mpsc::Sender<Publish>,
    settler: mpsc::Sender<Settle>,
) -> lapin::Result<()> {
    loop {
        let (expired, next) = desk.expire();
        for arrived in expired {
            let id = &arrived.counted.job.execution_id;
            tracing::warn!(execution_id = %id, "a lease has run out; its job is handed out again");
            match Message::ready(&names, &arrived.counted) {
                Ok(message) => {
                    let then = Then::SettleSilently(arrived.acker);
                    // An error only says that the session has ended: the broker has the job back.
                    let _ = publisher.send(Publish { message, then }).await;
                }
                Err(error) => {
                    tracing::error!(execution_id = %id, error = ?error, "a job cannot be written again");
                    let _ = settler.send(Settle::silently(arrived.acker, How::Back)).await;
                }
            }
        }
        tokio::select! {
            () = desk.deadlines.notified() => {}
            () = tokio::time::sleep_until(next) => {}
        }
    }
}
