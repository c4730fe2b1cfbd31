//! What every [`MemoryBackend`] keeps: scopes that never mix, and items that can be found.
use std::sync::Arc;

use agent_gateway_core::{
    id::{AgentId, UserId},
    ports::memory::{
        Memory, MemoryBackend, MemoryKind, MemoryQuery, MemoryScope, MemorySource, NewMemory, Scored,
    },
};

use crate::{
    fixture::Fixture,
    suite::{Finding, suite},
};

pub mod items;
pub mod lists;
pub mod scopes;
pub mod search;

suite!($ memory, memory_suite, [Fixture<dyn MemoryBackend>], {
    items: [
        an_item_comes_back_as_it_was,
        every_item_has_an_id_of_its_own,
        an_item_over_the_largest_is_too_large,
        an_importance_outside_its_range_is_invalid,
        a_deleted_item_is_gone,
        an_unknown_item_is_not_there,
    ],
    scopes: [
        scopes_never_mix,
        scopes_with_similar_names_never_mix,
        another_scope_cannot_delete,
        clearing_leaves_other_scopes_alone,
    ],
    search: [
        the_fitting_item_comes_first,
        a_search_answers_no_more_than_its_limit,
        a_search_keeps_to_its_kind,
        an_empty_text_finds_nothing,
        a_found_item_counts_its_access,
        a_deleted_item_is_not_found,
    ],
    lists: [
        a_list_is_newest_first,
        pages_show_every_item_once,
        a_foreign_cursor_is_invalid,
    ],
});

fn scope(agent: &str, user: Option<&str>) -> Result<MemoryScope, Finding> {
    Ok(MemoryScope { agent_id: AgentId::new(agent)?, user_id: user.map(UserId::new).transpose()? })
}

fn shared() -> Result<MemoryScope, Finding> {
    scope("helper", None)
}

fn fact(content: impl Into<String>) -> NewMemory {
    NewMemory {
        content: content.into(),
        kind: MemoryKind::Semantic,
        source: MemorySource::Manual,
        importance: 0.5,
    }
}

async fn found(
    memory: &Arc<dyn MemoryBackend>,
    scope: &MemoryScope,
    text: &str,
) -> Result<Vec<Scored<Memory>>, Finding> {
    let query = MemoryQuery { text: text.to_owned(), kind: None, limit: 10 };
    Ok(memory.search(scope, &query).await?)
}
