//! The wires, each with its server's answers in the shape that the provider documents.
mod anthropic;
mod bedrock;
mod gemini;
mod ollama;

use agent_gateway_genai::Api;
use agent_gateway_testkit::model_server::Reply;
use serde_json::Value;

/// A wire, and whose models are asked for on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Anthropic,
    Gemini,
    VertexGemini,
    VertexClaude,
    Bedrock,
    Ollama,
}

/// What a provider answers, before it is put into its wire's shape.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) calls: Vec<(String, Value)>,
    /// The wire's word for why it stopped; the usual one otherwise.
    pub(crate) reason: Option<&'static str>,
}

/// Every fixture's usage: 14 tokens read, of which 3 from the cache, and 4 written.
pub(crate) const READ: u64 = 14;
pub(crate) const CACHED: u64 = 3;
pub(crate) const WRITTEN: u64 = 4;

impl Answer {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), calls: Vec::new(), reason: None }
    }

    pub(crate) fn calls<N: Into<String>>(calls: impl IntoIterator<Item = (N, Value)>) -> Self {
        let calls = calls.into_iter().map(|(name, arguments)| (name.into(), arguments)).collect();
        Self { text: String::new(), calls, reason: None }
    }

    pub(crate) fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ')
    }
}

impl Wire {
    pub(crate) const ALL: [Self; 6] =
        [Self::Anthropic, Self::Gemini, Self::VertexGemini, Self::VertexClaude, Self::Bedrock, Self::Ollama];

    pub(crate) fn api(self) -> Api {
        match self {
            Self::Anthropic => Api::Anthropic,
            Self::Gemini => Api::Gemini,
            Self::VertexGemini | Self::VertexClaude => Api::Vertex,
            Self::Bedrock => Api::Bedrock,
            Self::Ollama => Api::Ollama,
        }
    }

    /// The path of the base URL.
    pub(crate) fn base(self) -> &'static str {
        match self {
            Self::Anthropic => "/v1",
            Self::Gemini => "/v1beta/",
            Self::VertexGemini | Self::VertexClaude => "/v1/projects/p/locations/global",
            Self::Bedrock | Self::Ollama => "",
        }
    }

    /// The model that is asked for.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Anthropic | Self::VertexClaude => "claude-sonnet-4-6",
            Self::Gemini | Self::VertexGemini => "gemini-2.5-flash",
            Self::Bedrock => "anthropic.claude-sonnet-4-5-20250929-v1:0",
            Self::Ollama => "llama3.2",
        }
    }

    /// The path and the query that a question goes to.
    pub(crate) fn asked_at(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("/v1/messages", ""),
            Self::Gemini => ("/v1beta/models/gemini-2.5-flash:streamGenerateContent", "alt=sse"),
            Self::VertexGemini => (
                "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:streamGenerateContent",
                "alt=sse",
            ),
            Self::VertexClaude => (
                "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-6:streamRawPredict",
                "",
            ),
            Self::Bedrock => ("/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream", ""),
            Self::Ollama => ("/api/chat", ""),
        }
    }

    /// The header that carries the key `key`.
    pub(crate) fn key_header(self, key: &str) -> (&'static str, String) {
        match self {
            Self::Anthropic => ("x-api-key", key.to_owned()),
            Self::Gemini => ("x-goog-api-key", key.to_owned()),
            _ => ("authorization", format!("Bearer {key}")),
        }
    }

    /// The model that the answer names, which some wires never do.
    pub(crate) fn named(self) -> &'static str {
        match self {
            Self::Anthropic | Self::VertexClaude => "claude-sonnet-4-6-20260301",
            Self::Gemini | Self::VertexGemini => "gemini-2.5-flash-001",
            Self::Bedrock => self.model(),
            Self::Ollama => "llama3.2:latest",
        }
    }

    /// An answer in the wire's shape.
    pub(crate) fn reply(self, answer: &Answer) -> Reply {
        match self {
            Self::Anthropic | Self::VertexClaude => anthropic::reply(answer),
            Self::Gemini | Self::VertexGemini => gemini::reply(answer),
            Self::Bedrock => bedrock::reply(answer),
            Self::Ollama => ollama::reply(answer),
        }
    }

    /// How many pieces of an answer end with its first word.
    pub(crate) fn first_word(self) -> usize {
        match self {
            Self::Anthropic | Self::VertexClaude => 4,
            Self::Bedrock => 2,
            Self::Gemini | Self::VertexGemini | Self::Ollama => 1,
        }
    }

    /// The wire's words for a limit of tokens, and for a filter where it has one.
    pub(crate) fn reasons(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Anthropic | Self::VertexClaude => ("max_tokens", Some("refusal")),
            Self::Gemini | Self::VertexGemini => ("MAX_TOKENS", Some("SAFETY")),
            Self::Bedrock => ("max_tokens", Some("guardrail_intervened")),
            Self::Ollama => ("length", None),
        }
    }

    /// What the provider says to a wrong key.
    pub(crate) fn wrong_key(self, key: &str) -> Reply {
        match self {
            Self::Anthropic | Self::VertexClaude => {
                anthropic::failure(401, "authentication_error", "invalid x-api-key")
            }
            Self::Gemini => gemini::wrong_key(),
            Self::VertexGemini => gemini::failure(401, "UNAUTHENTICATED", "Request had invalid credentials."),
            Self::Bedrock => bedrock::failure(403, &format!("The security token {key} is invalid.")),
            Self::Ollama => ollama::failure(401, "unauthorized"),
        }
    }

    /// What the provider says to too many requests.
    pub(crate) fn rate_limited(self) -> Reply {
        match self {
            Self::Anthropic | Self::VertexClaude => {
                anthropic::failure(429, "rate_limit_error", "This request would exceed your rate limit.")
            }
            Self::Gemini | Self::VertexGemini => {
                gemini::failure(429, "RESOURCE_EXHAUSTED", "Resource exhausted.")
            }
            Self::Bedrock => bedrock::failure(429, "Too many requests, please wait before trying again."),
            Self::Ollama => ollama::failure(429, "too many requests"),
        }
    }

    /// What the provider says to a request that is wrong.
    pub(crate) fn refused(self, message: &str) -> Reply {
        match self {
            Self::Anthropic | Self::VertexClaude => anthropic::failure(400, "invalid_request_error", message),
            Self::Gemini | Self::VertexGemini => gemini::failure(400, "INVALID_ARGUMENT", message),
            Self::Bedrock => bedrock::failure(400, message),
            Self::Ollama => ollama::failure(400, message),
        }
    }

    /// The first word of an answer, and then an error among its pieces.
    pub(crate) fn fails_midway(self, message: &str) -> Reply {
        match self {
            Self::Anthropic | Self::VertexClaude => anthropic::fails_midway(message),
            Self::Gemini | Self::VertexGemini => gemini::fails_midway(message),
            Self::Bedrock => bedrock::fails_midway(message),
            Self::Ollama => ollama::fails_midway(message),
        }
    }
}
