use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessStore, ports::persistence::PersistenceBackend};
use agent_gateway_testkit::{
    Fixture, persistence,
    saboteur::{
        BuriesTheLiving, CountsRows, CutsInstants, DropsLogEntries, ForgetsToAsk, ForgetsWhatWasSaid,
        IgnoresFences, IgnoresVisibility, KeepsAsking, KeepsKeys, LetsTurnsIn, LosesDecisions, LosesDrafts,
        LosesTransitions, Sabotage, Saboteur, TrustsLatePieces,
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

#[tokio::test]
async fn a_store_that_loses_drafts_is_found() {
    is_found(|| LosesDrafts, "a_draft_comes_back_whole").await;
}

#[tokio::test]
async fn a_store_that_trusts_late_pieces_is_found() {
    is_found(|| TrustsLatePieces, "a_piece_behind_another_entry_is_dropped").await;
}

#[tokio::test]
async fn a_store_that_lets_two_turns_in_is_found() {
    is_found(|| LetsTurnsIn, "turns_of_a_conversation_follow_each_other").await;
}

#[tokio::test]
async fn a_store_that_forgets_what_was_said_is_found() {
    is_found(|| ForgetsWhatWasSaid, "what_was_said_joins_the_conversation").await;
}

#[tokio::test]
async fn a_store_that_calls_living_processes_dead_is_found() {
    is_found(|| BuriesTheLiving, "executions_of_dead_processes_are_orphans").await;
}

#[tokio::test]
async fn a_store_that_never_frees_a_key_is_found() {
    is_found(|| KeepsKeys, "a_forgotten_key_is_free").await;
}

#[tokio::test]
async fn a_store_that_loses_decisions_is_found() {
    is_found(|| LosesDecisions, "of_many_decisions_the_first_counts").await;
}

#[tokio::test]
async fn a_store_that_asks_for_what_has_ended_is_found() {
    is_found(|| KeepsAsking, "the_end_withdraws_what_is_pending").await;
}

#[tokio::test]
async fn a_store_that_forgets_what_a_run_waits_for_is_found() {
    is_found(|| ForgetsToAsk, "a_suspension_stores_everything").await;
}
