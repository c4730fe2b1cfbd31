//! Plain facts that a backend states about itself. An ability is an accessor; a limit is a field here.
use std::borrow::Cow;

/// Which backend this is. Shown to operators, so it never holds a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackendInfo {
    /// The technology's name, the same word as the feature and the crate.
    pub name: Cow<'static, str>,
    /// The version of the server or library behind it, empty when unknown.
    pub version: String,
    /// Where it is: a path or a host, without user and password.
    pub location: String,
    /// Whether what was accepted outlives the process.
    pub durability: Durability,
}

impl BackendInfo {
    /// A backend of `name` at `location`.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        location: impl Into<String>,
        durability: Durability,
    ) -> Self {
        Self { name: name.into(), version: String::new(), location: location.into(), durability }
    }

    /// Adds the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }
}

/// Whether a backend keeps what it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Gone with the process.
    Process,
    /// Outlives the process.
    Durable,
}

/// What a queue can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueCapability {
    /// Whether accepted jobs outlive the process.
    pub durability: Durability,
    /// The longest delay of a redelivery; zero means that delays are `Unsupported`.
    pub longest_delay: std::time::Duration,
    /// The largest job in bytes of JSON.
    pub max_payload: usize,
}

impl QueueCapability {
    /// States all three facts.
    #[must_use]
    pub fn new(durability: Durability, longest_delay: std::time::Duration, max_payload: usize) -> Self {
        Self { durability, longest_delay, max_payload }
    }
}

/// What a memory backend can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryCapability {
    /// How `search` finds: by words, by meaning, or both.
    pub search: MemorySearch,
    /// The largest item in bytes.
    pub max_item: usize,
}

impl MemoryCapability {
    /// States both facts.
    #[must_use]
    pub fn new(search: MemorySearch, max_item: usize) -> Self {
        Self { search, max_item }
    }
}

/// How memories are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemorySearch {
    /// By the words of the query.
    Keyword,
    /// By the meaning of the query.
    Vector,
    /// By both.
    Hybrid,
}

/// What a model can do and what it costs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelCapability {
    /// The provider that serves it.
    pub provider: Cow<'static, str>,
    /// Its price, when it is known. Unknown is never guessed.
    pub price: Option<Price>,
    /// When it can be held to a JSON Schema.
    pub structured_output: StructuredOutput,
}

/// When a model can be held to a JSON Schema by its provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StructuredOutput {
    /// Never: the prompt alone asks for it.
    #[default]
    None,
    /// Where the same request offers no tools.
    AnswerOnly,
    /// Together with tools as well.
    Always,
}

impl StructuredOutput {
    /// Whether a request with this many tools may carry a schema.
    #[must_use]
    pub fn allows(self, tools: usize) -> bool {
        match self {
            Self::None => false,
            Self::AnswerOnly => tools == 0,
            Self::Always => true,
        }
    }
}

impl ModelCapability {
    /// A model of `provider` whose price is unknown and which cannot be held to a schema.
    pub fn new(provider: impl Into<Cow<'static, str>>) -> Self {
        Self { provider: provider.into(), price: None, structured_output: StructuredOutput::None }
    }

    /// Adds the price.
    #[must_use]
    pub fn priced(mut self, price: Price) -> Self {
        self.price = Some(price);
        self
    }

    /// States when it can be held to a JSON Schema.
    #[must_use]
    pub fn structured(mut self, structured_output: StructuredOutput) -> Self {
        self.structured_output = structured_output;
        self
    }
}

/// What a model costs, in USD for one million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Price {
    /// Tokens that the model reads.
    pub input: f64,
    /// Tokens that it reads from the provider's cache.
    pub cached_input: f64,
    /// Tokens that it writes.
    pub output: f64,
}

impl Price {
    /// The cost in USD of `usage`.
    #[must_use]
    pub fn cost(&self, usage: &crate::message::TokenUsage) -> f64 {
        let cached = usage.cached_input_tokens.min(usage.input_tokens);
        let fresh = usage.input_tokens - cached;
        (fresh as f64 * self.input
            + cached as f64 * self.cached_input
            + usage.output_tokens as f64 * self.output)
            / 1e6
    }
}
