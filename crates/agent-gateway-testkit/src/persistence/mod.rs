//! What every [`PersistenceBackend`] keeps: whole writes, one winner, every owner's rows to that owner alone.
//!
//! ```ignore
//! agent_gateway_testkit::persistence_suite!(Fresh); // one #[tokio::test] per case
//! persistence::conforms(&Fresh).await.into_result()?; // or all of them, in a script
//! ```
use agent_gateway_core::{
    JsonMap, Timestamp,
    execution::{
        Cursor, Execution, ExecutionStatus, Fence, LogEntry, LogEvent, ModelTurn, Outcome, StopReason,
        Transition, Usage,
    },
    id::{AgentId, ExecutionId, ModelName, UserId},
    message::TokenUsage,
    page::{Page, PageRequest},
    ports::persistence::PersistenceBackend,
    principal::{AuthMethod, Principal, Scopes, Visibility},
};
use serde_json::Value;

use crate::{
    fixture::Fixture,
    suite::{Finding, broken, suite},
};

pub mod analytics;
pub mod approvals;
pub mod audit;
pub mod connections;
pub mod conversations;
pub mod deliveries;
pub mod drafts;
pub mod executions;
pub mod life;
pub mod lists;
pub mod logs;
pub mod ownership;
pub mod presence;
pub mod schedules;
pub mod suspension;
pub mod transitions;
pub mod turns;
pub mod users;
pub mod values;

suite!($ persistence, persistence_suite, [Fixture<dyn PersistenceBackend>], {
    executions: [
        an_execution_comes_back_as_it_was,
        a_taken_execution_id_is_refused,
        of_many_creators_one_wins,
        a_used_idempotency_key_is_refused,
        every_owner_has_keys_of_their_own,
        a_key_finds_its_execution,
        a_forgotten_key_is_free,
        a_delegated_key_is_kept,
        an_unknown_execution_is_not_there,
    ],
    transitions: [
        a_start_sets_status_fence_and_time,
        a_start_needs_a_higher_fence,
        a_later_start_keeps_the_first_time,
        a_finish_stores_everything,
        a_finish_carries_its_entries,
        a_finish_over_a_gap_changes_nothing,
        a_finish_needs_the_stored_fence,
        a_queued_execution_can_finish,
        a_final_status_never_changes,
        an_unknown_execution_cannot_advance,
        of_many_starters_one_wins,
        of_many_finishers_one_wins,
    ],
    logs: [
        entries_come_back_in_order,
        an_append_answers_the_end_of_the_log,
        a_gap_is_a_conflict,
        a_repeated_append_is_harmless,
        another_fence_cannot_append,
        the_log_of_a_finished_run_is_closed,
        an_unknown_execution_has_no_log,
        a_log_is_read_in_pieces,
        of_many_appenders_none_leaves_a_gap,
    ],
    drafts: [
        a_draft_comes_back_whole,
        a_repeated_piece_is_skipped,
        a_piece_behind_another_entry_is_dropped,
        a_new_entry_removes_the_draft,
        a_finish_removes_the_draft,
        a_start_keeps_the_draft,
        another_fence_cannot_draft,
        an_unknown_execution_has_no_draft,
        of_many_speakers_each_is_heard,
        a_piece_never_outlives_its_turn,
    ],
    turns: [
        turns_of_a_conversation_follow_each_other,
        a_repeated_request_is_no_second_turn,
        of_many_turns_at_once_one_begins,
        what_was_said_joins_the_conversation,
        a_silent_finish_changes_no_conversation,
        a_refused_finish_says_nothing,
        a_conversation_that_is_gone_stops_no_finish,
        of_many_finishers_one_is_heard,
        an_end_and_its_words_are_seen_together,
        turns_that_end_together_keep_apart,
    ],
    suspension: [
        a_suspension_stores_everything,
        a_suspension_needs_no_approvals,
        a_suspension_needs_a_running_run_and_its_fence,
        a_suspension_over_a_gap_changes_nothing,
        an_unknown_execution_cannot_rest,
        a_suspended_run_cannot_start,
        a_resumed_run_can_start,
        only_a_suspended_run_can_resume,
        of_many_that_resume_one_wins,
        the_end_withdraws_what_is_pending,
        a_refused_end_withdraws_nothing,
        a_suspended_turn_keeps_its_conversation,
        what_waits_is_no_orphan,
        suspended_runs_are_listed,
    ],
    approvals: [
        an_approval_comes_back_as_it_was,
        an_unknown_approval_is_not_there,
        a_decision_is_stored,
        an_edit_keeps_its_arguments,
        a_late_decision_changes_nothing,
        of_many_decisions_the_first_counts,
        what_is_due_expires_oldest_first,
        all_calls_of_a_run_expire,
        of_a_decision_and_an_expiry_one_counts,
        approvals_of_a_run_come_in_order,
        every_filter_narrows_the_approvals,
        approvals_of_others_are_hidden,
        pages_show_every_approval_once,
        approvals_asked_meanwhile_do_not_shift_pages,
    ],
    presence: [
        announced_processes_are_known,
        an_execution_belongs_to_the_process_that_started_it,
        handed_over_executions_are_the_queues,
        executions_of_dead_processes_are_orphans,
        an_orphan_that_is_taken_over_is_none,
    ],
    lists: [
        executions_come_newest_first,
        every_filter_narrows_the_list,
        pages_show_every_execution_once,
        rows_added_meanwhile_do_not_shift_pages,
        a_foreign_cursor_is_invalid,
    ],
    ownership: [
        executions_of_others_are_hidden,
        conversations_of_others_are_hidden,
        schedules_of_others_are_hidden,
        deliveries_of_others_are_hidden,
    ],
    conversations: [
        a_conversation_comes_back_as_it_was,
        a_taken_conversation_id_is_refused,
        messages_are_numbered_in_order,
        turns_are_counted,
        an_outdated_count_adds_nothing,
        of_many_turns_one_is_added,
        an_unknown_conversation_is_not_found,
        a_part_of_a_conversation_can_be_read,
        the_last_to_grow_comes_first,
        metadata_is_replaced,
        a_deleted_conversation_leaves_no_messages,
    ],
    schedules: [
        a_schedule_comes_back_as_it_was,
        a_taken_schedule_id_is_refused,
        a_deleted_schedule_gives_its_id_free,
        an_update_keeps_what_has_happened,
        a_schedule_is_switched_on_and_off,
        a_claim_moves_the_schedule_on,
        of_many_schedulers_one_claims,
        schedules_come_in_the_order_they_were_made,
    ],
    users: [
        a_profile_comes_back_as_it_was,
        a_profile_keeps_when_it_was_first_seen,
        settings_come_back_as_they_were,
        settings_keep_when_they_were_made,
        a_deleted_user_leaves_no_settings,
    ],
    deliveries: [
        a_delivery_comes_back_as_it_was,
        numbers_rise,
        a_claimed_delivery_is_hidden_until_its_time,
        claims_take_what_is_due_oldest_first,
        two_claims_never_share_a_delivery,
        a_delivered_notification_is_done,
        a_failed_attempt_is_repeated_or_given_up,
        an_unknown_delivery_is_not_found,
        deliveries_are_filtered_and_counted,
        pages_show_every_delivery_once,
    ],
    connections: [
        a_connection_comes_back_as_it_was,
        a_taken_connection_is_refused,
        an_update_keeps_when_it_was_made,
        an_update_cannot_take_a_name,
        connections_come_in_the_order_they_were_made,
        a_deleted_connection_is_gone,
    ],
    audit: [
        a_record_comes_back_as_it_was,
        records_come_newest_first,
    ],
    analytics: [
        costs_are_summed_by_agent,
        costs_are_summed_by_user,
        costs_are_summed_by_day,
        costs_are_summed_by_model,
        steps_of_a_workflow_count,
        sums_keep_to_window_and_owner,
    ],
    values: [
        texts_come_back_byte_for_byte,
        large_values_come_back_whole,
        objects_keep_the_order_of_their_keys,
        instants_keep_microseconds,
        numbers_keep_their_value,
    ],
    life: [
        a_prepared_store_answers,
        preparing_again_keeps_everything,
        everything_survives_a_reopen,
        two_handles_see_the_same,
        a_closed_store_is_unavailable,
    ],
});

/// The tasks of a case in which only one may win.
const RIVALS: usize = 100;

fn at(second: i64) -> Result<Timestamp, Finding> {
    at_micros(1_760_000_000_000_000 + second * 1_000_000)
}

fn at_micros(micros: i64) -> Result<Timestamp, Finding> {
    Timestamp::from_microsecond(micros).map_err(|error| broken(error.to_string()))
}

fn object(value: Value) -> JsonMap {
    match value {
        Value::Object(map) => map,
        _ => JsonMap::new(),
    }
}

fn user(name: &str) -> Result<UserId, Finding> {
    Ok(UserId::new(name)?)
}

fn agent(name: &str) -> Result<AgentId, Finding> {
    Ok(AgentId::new(name)?)
}

/// What an ordinary user sees.
fn only(name: &str) -> Result<Visibility, Finding> {
    let scopes = Scopes::new(["executions:read", "conversations:read"]);
    Ok(Principal::user(user(name)?, AuthMethod::ApiKey, scopes).visibility())
}

fn everyone() -> Visibility {
    Principal::system().visibility()
}

/// A queued execution of the agent `helper`, made `second` seconds after the first.
fn queued(second: i64) -> Result<Execution, Finding> {
    Ok(Execution::new(ExecutionId::generate(), agent("helper")?, "hello", at(second)?))
}

/// A running one under the fence 1.
fn running(second: i64) -> Result<Execution, Finding> {
    let mut execution = queued(second)?;
    execution.status = ExecutionStatus::Running;
    execution.fence = Fence(1);
    execution.started_at = Some(execution.created_at);
    Ok(execution)
}

async fn stored(store: &dyn PersistenceBackend, execution: Execution) -> Result<Execution, Finding> {
    store.executions().create(&execution).await?;
    Ok(execution)
}

/// The execution as everyone sees it now.
async fn now(store: &dyn PersistenceBackend, id: &ExecutionId) -> Result<Execution, Finding> {
    let found = store.executions().get(id, &everyone()).await?;
    found.ok_or_else(|| broken(format!("the execution {id} should be there")))
}

fn usage() -> Result<Usage, Finding> {
    let tokens = TokenUsage { input_tokens: 120, output_tokens: 30, cached_input_tokens: 20 };
    let mut usage = Usage::default();
    usage.add_call(&ModelName::new("openai/gpt-5-mini")?, &tokens, Some(0.001_25));
    usage.duration_ms = 815;
    Ok(usage)
}

fn outcome(text: &str) -> Result<Outcome, Finding> {
    Ok(Outcome::new(StopReason::Completed, text, usage()?))
}

/// A model turn at this place of a log.
fn turn(place: u64, text: &str) -> Result<LogEntry, Finding> {
    let event = LogEvent::ModelTurn(ModelTurn {
        model: ModelName::new("openai/gpt-5-mini")?,
        text: text.into(),
        tool_calls: Vec::new(),
        tokens: TokenUsage::default(),
        cost_usd: None,
        duration_ms: place,
        within: None,
    });
    Ok(LogEntry { sequence: Cursor(place), at: at(i64::try_from(place).unwrap_or_default())?, event })
}

fn turns(places: impl IntoIterator<Item = u64>) -> Result<Vec<LogEntry>, Finding> {
    places.into_iter().map(|place| turn(place, &format!("turn {place}"))).collect()
}

fn finish(text: &str, entries: Vec<LogEntry>) -> Result<Transition, Finding> {
    Ok(Transition::Finish { outcome: Box::new(outcome(text)?), entries, said: Vec::new(), at: at(60)? })
}

/// Every page of a list, read with this limit; a list that does not end is broken.
async fn pages<T, F>(limit: u32, mut read: impl FnMut(PageRequest) -> F) -> Result<Vec<T>, Finding>
where
    F: Future<Output = agent_gateway_core::Result<Page<T>>>,
{
    let (mut items, mut request) = (Vec::new(), PageRequest::first(limit));
    for _ in 0..1_000 {
        let page = read(request).await?;
        if page.items.len() > limit as usize {
            return Err(broken(format!("a page holds {} items, the limit is {limit}", page.items.len())));
        }
        items.extend(page.items);
        match page.next {
            Some(next) => request = PageRequest::first(limit).after(next),
            None => return Ok(items),
        }
    }
    Err(broken("the pages of a list do not end"))
}
