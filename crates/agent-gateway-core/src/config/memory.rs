//! `memory` and `context_retrieval`: what goes into a prompt beside the files.
use serde::{Deserialize, Serialize};

/// The section `memory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryConfig {
    /// Whether agents remember.
    pub enabled: bool,
    /// The most characters of memory in a prompt.
    pub max_injected_chars: u32,
    /// The model that takes facts from conversations; absent: the agent's.
    pub extraction_model: Option<String>,
    /// Whether facts are taken from conversations.
    pub auto_extract: bool,
    /// The most lines of `MEMORY.md`.
    pub max_memory_md_lines: u32,
    /// How old memories are summed up.
    pub compaction: CompactionConfig,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            max_injected_chars: 4000,
            extraction_model: None,
            auto_extract: false,
            max_memory_md_lines: 200,
            compaction: CompactionConfig::default(),
        }
    }
}

/// The section `memory.compaction`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompactionConfig {
    /// Whether memories are summed up.
    pub enabled: bool,
    /// Memories of one scope from which it begins.
    pub max_memories_per_scope: u32,
    /// The share of memories that is summed up, from 0 to 1.
    pub compact_ratio: f64,
    /// Hours for which a memory is left alone.
    pub min_age_hours: u32,
    /// The importance from which a memory is left alone, from 0 to 1.
    pub importance_threshold: f64,
    /// What a memory's importance is multiplied with per day, from 0 to 1.
    pub decay_factor: f64,
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_memories_per_scope: 100,
            compact_ratio: 0.5,
            min_age_hours: 24,
            importance_threshold: 0.8,
            decay_factor: 0.95,
        }
    }
}

/// The section `context_retrieval`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextRetrievalConfig {
    /// Seconds that one retriever may take.
    pub retriever_timeout_seconds: f64,
    /// The most characters of all retrieved passages together.
    pub max_retrieved_chars: u32,
    /// The most characters of one static context file.
    pub max_context_file_chars: u32,
}

impl Default for ContextRetrievalConfig {
    fn default() -> Self {
        Self { retriever_timeout_seconds: 10.0, max_retrieved_chars: 50_000, max_context_file_chars: 100_000 }
    }
}
