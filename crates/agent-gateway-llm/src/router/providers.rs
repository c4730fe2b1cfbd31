//! The providers that need no configuration but a variable, as data.
use agent_gateway_core::vars::Vars;

/// A provider with an OpenAI-compatible endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownProvider {
    /// What stands before the `/`.
    pub(super) name: &'static str,
    /// Other words for it, as LiteLLM has them.
    pub(super) aliases: &'static [&'static str],
    /// Where it is unless somebody says otherwise.
    pub(super) base_url: &'static str,
    /// The variables that may hold its key, the first one preferred.
    pub(super) key_vars: &'static [&'static str],
    /// The variables that may hold another base URL, the first one preferred.
    pub(super) base_vars: &'static [&'static str],
    /// What a base URL that is only a host is completed with.
    pub(super) path: &'static str,
    pub(super) key: KeyNeed,
}

/// Whether a provider answers without a key at its own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyNeed {
    Needed,
    Optional,
}

/// What most rows share.
const ROW: KnownProvider = KnownProvider {
    name: "",
    aliases: &[],
    base_url: "",
    key_vars: &[],
    base_vars: &[],
    path: "",
    key: KeyNeed::Needed,
};

pub(super) const OPENAI: KnownProvider = KnownProvider {
    name: "openai",
    base_url: "https://api.openai.com/v1",
    key_vars: &["OPENAI_API_KEY"],
    base_vars: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    ..ROW
};

pub(super) const KNOWN: &[KnownProvider] = &[
    OPENAI,
    KnownProvider {
        name: "anthropic",
        base_url: "https://api.anthropic.com/v1",
        key_vars: &["ANTHROPIC_API_KEY"],
        base_vars: &["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"],
        // Its own clients take the URL without the version.
        path: "/v1",
        ..ROW
    },
    KnownProvider {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai",
        key_vars: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        ..ROW
    },
    KnownProvider {
        name: "ollama",
        aliases: &["ollama_chat"],
        base_url: "http://127.0.0.1:11434/v1",
        key_vars: &["OLLAMA_API_KEY"],
        base_vars: &["OLLAMA_HOST", "OLLAMA_API_BASE"],
        path: "/v1",
        key: KeyNeed::Optional,
    },
    KnownProvider {
        name: "groq",
        base_url: "https://api.groq.com/openai/v1",
        key_vars: &["GROQ_API_KEY"],
        base_vars: &["GROQ_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "openrouter",
        base_url: "https://openrouter.ai/api/v1",
        key_vars: &["OPENROUTER_API_KEY"],
        base_vars: &["OPENROUTER_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "mistral",
        base_url: "https://api.mistral.ai/v1",
        key_vars: &["MISTRAL_API_KEY"],
        base_vars: &["MISTRAL_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "deepseek",
        base_url: "https://api.deepseek.com/v1",
        key_vars: &["DEEPSEEK_API_KEY"],
        base_vars: &["DEEPSEEK_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "together",
        aliases: &["together_ai"],
        base_url: "https://api.together.ai/v1",
        key_vars: &["TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY"],
        base_vars: &["TOGETHER_AI_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "xai",
        base_url: "https://api.x.ai/v1",
        key_vars: &["XAI_API_KEY"],
        base_vars: &["XAI_API_BASE"],
        ..ROW
    },
];

/// The first of `names` that is set and not empty, with its value.
pub(super) fn first_set<'a>(names: &[&'a str], vars: &dyn Vars) -> Option<(&'a str, String)> {
    names.iter().find_map(|name| {
        let value = vars.get(name)?.trim().to_owned();
        (!value.is_empty()).then_some((*name, value))
    })
}

/// The first variable that gives a provider its key or its address, `None` when there is no provider at hand.
#[must_use]
pub fn provider_variable(vars: &dyn Vars) -> Option<&'static str> {
    let of = |known: &'static KnownProvider| {
        first_set(known.key_vars, vars).or_else(|| first_set(known.base_vars, vars))
    };
    KNOWN.iter().find_map(of).map(|(name, _)| name)
}
