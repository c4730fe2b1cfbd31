use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessStore, ports::persistence::PersistenceBackend};
use agent_gateway_testkit::{
    Fixture, persistence,
    saboteur::{
        CountsRows, CutsInstants, DropsLogEntries, IgnoresFences, IgnoresVisibility, LosesTransitions,
        Sabotage, Saboteur,
    },
};
use async_trait::async_trait;

/// Stores in this process, each behind a saboteur.
struct Behind<S>(fn() -> S);

#[async_trait]
impl<S: Sabotage> Fixture<dyn PersistenceBackend> for Behind<S> {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn PersistenceBackend>, ())> {
        Ok((Arc::new(Saboteur::new(Arc::new(InProcessStore::default()), (self.0)())), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn PersistenceBackend>>> {
        Ok(None)
    }
}

async fn is_found<S: Sabotage>(sabotage: fn() -> S, case: &str) {
    let report = persistence::conforms(&Behind(sabotage)).await;
    assert!(report.failed().contains(&case), "{report}");
}

#[tokio::test]
async fn a_store_that_does_as_it_should_passes() {
    /// Does nothing wrong.
    #[derive(Debug)]
    struct Harmless;
    impl Sabotage for Harmless {}
    let report = persistence::conforms(&Behind(|| Harmless)).await;
    assert!(report.failed().is_empty(), "{report}");
    assert_eq!(report.skipped().len(), 2, "{report}");
}

#[tokio::test]
async fn a_store_that_loses_transitions_is_found() {
    is_found(|| LosesTransitions, "of_many_finishers_one_wins").await;
}

#[tokio::test]
async fn a_store_that_ignores_fences_is_found() {
    is_found(|| IgnoresFences, "a_finish_needs_the_stored_fence").await;
}

#[tokio::test]
async fn a_store_that_ignores_owners_is_found() {
    is_found(|| IgnoresVisibility, "executions_of_others_are_hidden").await;
}

#[tokio::test]
async fn a_store_that_drops_log_entries_is_found() {
    is_found(|| DropsLogEntries, "entries_come_back_in_order").await;
}

#[tokio::test]
async fn a_store_that_counts_rows_is_found() {
    is_found(|| CountsRows, "rows_added_meanwhile_do_not_shift_pages").await;
}

#[tokio::test]
async fn a_store_that_cuts_instants_is_found() {
    is_found(|| CutsInstants, "instants_keep_microseconds").await;
}
