//! A request as the wire's JSON.
use agent_gateway_core::{
    Error, Result,
    message::{Message, ToolCall},
    ports::model::{Delivery, ModelRequest},
    tool::ToolSpec,
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{manners::Manners, strict};
use crate::models;

/// Whose server it is, as far as its host tells: some differ from the common wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    OpenAi,
    Anthropic,
    Gemini,
    Mistral,
    Groq,
    /// Azure, where a model's name is that of its deployment.
    Azure,
    Other,
}

impl Service {
    pub(super) fn at(url: &Url) -> Self {
        match url.host_str().unwrap_or_default() {
            "api.openai.com" => Self::OpenAi,
            "api.anthropic.com" => Self::Anthropic,
            "generativelanguage.googleapis.com" => Self::Gemini,
            "api.mistral.ai" => Self::Mistral,
            "api.groq.com" => Self::Groq,
            _ => Self::Other,
        }
    }

    /// `wanted`, lowered to what the model can write: these services refuse a request for more.
    fn max_tokens(self, model: &str, wanted: u32) -> u32 {
        let provider = match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Azure | Self::Mistral | Self::Groq | Self::Other => return wanted,
        };
        models::max_output(provider, model).map_or(wanted, |limit| wanted.min(limit))
    }

    /// Whether the model can take a JSON Schema, as far as its name tells: OpenAI's older ones cannot.
    pub(super) fn takes_schema(self, model: &str) -> bool {
        let name = model.strip_prefix("ft:").unwrap_or(model);
        let old = ["gpt-3.5", "gpt-4-", "gpt-4o-2024-05-13", "chatgpt-4o", "o1-mini", "o1-preview"];
        self != Self::OpenAi || !(name == "gpt-4" || old.iter().any(|old| name.starts_with(old)))
    }

    /// Reasoning models of OpenAI refuse `max_tokens` and a temperature.
    fn is_reasoning(self, model: &str) -> bool {
        let name = model.strip_prefix("ft:").unwrap_or(model);
        let series = ["o1", "o3", "o4"].iter().any(|series| name.starts_with(series));
        let generation = name.strip_prefix("gpt-").and_then(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            // "4o" and "3.5" are of generations 4 and 3.
            rest[..digits].parse::<u32>().ok()
        });
        matches!(self, Self::OpenAi | Self::Azure) && (series || generation.is_some_and(|number| number >= 5))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<WireTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    schema: &'a Value,
    strict: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum WireMessage<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<WireCall<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
struct WireCall<'a> {
    id: &'a str,
    r#type: Kind,
    function: WireCalled<'a>,
}

#[derive(Serialize)]
struct WireCalled<'a> {
    name: &'a str,
    arguments: String,
}

/// The same JSON as core's `function_declaration`, without a copy of the schema.
#[derive(Serialize)]
struct WireTool<'a> {
    r#type: Kind,
    function: WireFunction<'a>,
}

#[derive(Serialize)]
struct WireFunction<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Function,
}

/// The bytes of `request`, made once for all attempts that ask alike.
pub(super) fn body(request: &ModelRequest, service: Service, manners: Manners) -> Result<Bytes> {
    let model = request.model.as_str();
    let reasoning = service.is_reasoning(model);
    let completion_tokens = reasoning || service == Service::Azure || manners.counts_completion_tokens();
    let temperature = request.temperature.filter(|_| !reasoning && !manners.without_temperature());
    let limit = request.max_tokens.map(|wanted| service.max_tokens(model, wanted));
    let streamed = request.delivery == Delivery::Incremental;
    let body = Body {
        model,
        messages: request.messages.iter().map(message).collect(),
        tools: request.tools.iter().map(|spec| tool(spec)).collect(),
        temperature,
        max_tokens: limit.filter(|_| !completion_tokens),
        max_completion_tokens: limit.filter(|_| completion_tokens),
        stream: streamed,
        // Mistral refuses the option, and sends the usage without it.
        stream_options: (streamed && service != Service::Mistral)
            .then_some(StreamOptions { include_usage: true }),
        // Groq does not stream what it holds to a schema.
        response_format: request
            .output_schema
            .as_deref()
            .filter(|_| !(manners.without_schema() || (streamed && service == Service::Groq)))
            .and_then(response_format),
    };
    let bytes = serde_json::to_vec(&body)
        .map_err(|error| Error::unexpected("a model request cannot be written as JSON").caused_by(error))?;
    Ok(bytes.into())
}

/// The schema as the wire has it. What is not the schema of an object is left out: most providers refuse it.
fn response_format(schema: &Value) -> Option<ResponseFormat<'_>> {
    let strict = strict::is_strict(schema);
    (schema["type"] == "object").then_some(ResponseFormat {
        r#type: "json_schema",
        json_schema: JsonSchema { name: "answer", schema, strict },
    })
}

fn message(message: &Message) -> WireMessage<'_> {
    match message {
        Message::System { content } => WireMessage::System { content },
        Message::User { content } => WireMessage::User { content },
        Message::Assistant { content, tool_calls } => {
            let silent = content.is_empty() && !tool_calls.is_empty();
            WireMessage::Assistant {
                content: (!silent).then_some(&**content),
                tool_calls: tool_calls.iter().map(call).collect(),
            }
        }
        Message::Tool { call_id, content, .. } => WireMessage::Tool { tool_call_id: call_id, content },
    }
}

fn call(call: &ToolCall) -> WireCall<'_> {
    let function = WireCalled { name: &call.name, arguments: call.arguments.to_text() };
    WireCall { id: &call.id, r#type: Kind::Function, function }
}

fn tool(spec: &ToolSpec) -> WireTool<'_> {
    let function = WireFunction {
        name: spec.name.as_str(),
        description: &spec.description,
        parameters: &spec.parameters,
    };
    WireTool { r#type: Kind::Function, function }
}
