//! The providers that need no configuration but a variable, as data.
use agent_gateway_core::{capability::StructuredOutput, config::ProviderApi, vars::Vars};

/// A well-known provider.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownProvider {
    /// What stands before the `/`.
    pub(super) name: &'static str,
    /// Other words for it, as LiteLLM has them.
    pub(super) aliases: &'static [&'static str],
    /// Its OpenAI-compatible endpoint.
    pub(super) common: Home,
    /// The wire of its own, and where that is spoken; taken where somebody can speak it.
    pub(super) own: Option<(ProviderApi, Home)>,
    /// The variables that may hold its key, the first one preferred.
    pub(super) key_vars: &'static [&'static str],
    /// The variables that may hold another base URL, the first one preferred.
    pub(super) base_vars: &'static [&'static str],
    pub(super) key: KeyNeed,
    /// When its common wire takes a JSON Schema, as its documentation says. Where an answer under a schema cannot call tools, or
    /// that is not said, it is the last turn's alone.
    pub(super) structured: StructuredOutput,
}

/// Where a provider is unless somebody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// At this base URL. Another one that is only a host is completed with its path.
    At(&'static str),
    /// In the region that a variable names.
    Bedrock,
    /// In the project and the location that variables name.
    Vertex,
    /// At an address that every customer has for themselves.
    Anywhere,
    /// It has none.
    Nowhere,
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
    common: Home::Nowhere,
    own: None,
    key_vars: &[],
    base_vars: &[],
    key: KeyNeed::Needed,
    structured: StructuredOutput::None,
};

pub(super) const OPENAI_HOME: &str = "https://api.openai.com/v1";

pub(super) const KNOWN: &[KnownProvider] = &[
    KnownProvider {
        name: "openai",
        common: Home::At(OPENAI_HOME),
        key_vars: &["OPENAI_API_KEY"],
        base_vars: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
        structured: StructuredOutput::Always,
        ..ROW
    },
    KnownProvider {
        name: "anthropic",
        common: Home::At("https://api.anthropic.com/v1"),
        own: Some((ProviderApi::Anthropic, Home::At("https://api.anthropic.com/v1"))),
        key_vars: &["ANTHROPIC_API_KEY"],
        base_vars: &["ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "gemini",
        common: Home::At("https://generativelanguage.googleapis.com/v1beta/openai"),
        own: Some((ProviderApi::Gemini, Home::At("https://generativelanguage.googleapis.com/v1beta"))),
        key_vars: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        base_vars: &["GOOGLE_GEMINI_BASE_URL", "GEMINI_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "vertex",
        aliases: &["vertex_ai", "vertex_ai_beta"],
        own: Some((ProviderApi::Vertex, Home::Vertex)),
        key_vars: &["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"],
        base_vars: &["VERTEXAI_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "bedrock",
        own: Some((ProviderApi::Bedrock, Home::Bedrock)),
        key_vars: &["AWS_BEARER_TOKEN_BEDROCK"],
        base_vars: &["AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_BEDROCK_RUNTIME_ENDPOINT"],
        ..ROW
    },
    KnownProvider {
        name: "azure",
        common: Home::Anywhere,
        key_vars: &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"],
        base_vars: &["AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"],
        structured: StructuredOutput::Always,
        ..ROW
    },
    KnownProvider {
        name: "ollama",
        aliases: &["ollama_chat"],
        // The library that speaks its own wire sends results of tools without the tools' names.
        common: Home::At("http://127.0.0.1:11434/v1"),
        key_vars: &["OLLAMA_API_KEY"],
        base_vars: &["OLLAMA_HOST", "OLLAMA_API_BASE"],
        key: KeyNeed::Optional,
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "cohere",
        aliases: &["cohere_chat"],
        // The library that speaks its own wire knows no tools there.
        common: Home::At("https://api.cohere.ai/compatibility/v1"),
        key_vars: &["COHERE_API_KEY", "CO_API_KEY"],
        base_vars: &["COHERE_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "groq",
        common: Home::At("https://api.groq.com/openai/v1"),
        key_vars: &["GROQ_API_KEY"],
        base_vars: &["GROQ_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "openrouter",
        common: Home::At("https://openrouter.ai/api/v1"),
        key_vars: &["OPENROUTER_API_KEY"],
        base_vars: &["OPENROUTER_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "mistral",
        common: Home::At("https://api.mistral.ai/v1"),
        key_vars: &["MISTRAL_API_KEY"],
        base_vars: &["MISTRAL_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "deepseek",
        common: Home::At("https://api.deepseek.com/v1"),
        key_vars: &["DEEPSEEK_API_KEY"],
        base_vars: &["DEEPSEEK_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "together",
        aliases: &["together_ai"],
        common: Home::At("https://api.together.ai/v1"),
        key_vars: &["TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY"],
        base_vars: &["TOGETHER_AI_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "xai",
        common: Home::At("https://api.x.ai/v1"),
        key_vars: &["XAI_API_KEY"],
        base_vars: &["XAI_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "fireworks",
        aliases: &["fireworks_ai"],
        common: Home::At("https://api.fireworks.ai/inference/v1"),
        key_vars: &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"],
        base_vars: &["FIREWORKS_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "perplexity",
        common: Home::At("https://api.perplexity.ai"),
        key_vars: &["PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY"],
        base_vars: &["PERPLEXITY_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "cerebras",
        common: Home::At("https://api.cerebras.ai/v1"),
        key_vars: &["CEREBRAS_API_KEY"],
        base_vars: &["CEREBRAS_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
    KnownProvider {
        name: "nvidia",
        aliases: &["nvidia_nim"],
        common: Home::At("https://integrate.api.nvidia.com/v1"),
        key_vars: &["NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"],
        base_vars: &["NVIDIA_NIM_API_BASE"],
        ..ROW
    },
    KnownProvider {
        name: "huggingface",
        common: Home::At("https://router.huggingface.co/v1"),
        key_vars: &["HF_TOKEN", "HUGGINGFACE_API_KEY"],
        base_vars: &["HF_API_BASE"],
        structured: StructuredOutput::AnswerOnly,
        ..ROW
    },
];

/// Variables that are set for many purposes: they tell no wish to ask a model.
const AMBIENT: &[&str] = &["HF_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"];

/// The provider of that name, or with that alias.
pub(super) fn known(name: &str) -> Option<&'static KnownProvider> {
    KNOWN.iter().find(|known| known.name == name || known.aliases.contains(&name))
}

/// The first of `names` that is set and not empty, with its value.
pub(super) fn first_set<'a>(names: &[&'a str], vars: &dyn Vars) -> Option<(&'a str, String)> {
    names.iter().find_map(|name| {
        let value = vars.get(name)?.trim().to_owned();
        (!value.is_empty()).then_some((*name, value))
    })
}

/// The first variable that gives a provider its key or its address, `None` when there is no provider at hand. A variable that
/// is commonly set for other purposes does not count.
#[must_use]
pub fn provider_variable(vars: &dyn Vars) -> Option<&'static str> {
    let names = KNOWN.iter().flat_map(|known| known.key_vars.iter().chain(known.base_vars)).copied();
    names.filter(|name| !AMBIENT.contains(name)).find(|name| first_set(&[name], vars).is_some())
}
