//! A request of the port as one of the library's.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result, id::ModelName, message::Message, ports::model::ModelRequest, tool::ToolSpec,
};
use genai::chat::{
    ChatMessage, ChatOptions, ChatRequest, ContentPart, JsonSpec, MessageContent, ReasoningEffort, Tool,
    ToolCall, ToolResponse,
};

use crate::{Api, frames::Frames};

/// What stands for a result without text where a wire refuses empty texts.
const NOTHING: &str = "(no output)";
/// What Gemini takes in place of a signature of its own, which is not kept from turn to turn.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The model's name as the wire wants it. It may stand in a path, so it must not lead elsewhere.
pub(crate) fn model_name(model: &ModelName, api: Api) -> Result<&str> {
    let text = model.as_str();
    let text = match api {
        Api::Gemini | Api::Vertex => text.strip_prefix("models/").unwrap_or(text),
        Api::Anthropic | Api::Bedrock | Api::Ollama => text,
    };
    let in_path = matches!(api, Api::Gemini | Api::Vertex);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    // The library reads what stands before a `::` as the name of a provider.
    if text.contains("::") || (in_path && !(text.chars().all(fits) && text.contains(|c: char| c != '.'))) {
        return Err(Error::misconfigured(format!("{text} cannot be the name of a model there")));
    }
    Ok(text)
}

/// The settings. Thoughts are asked for nowhere: they would have to go back, signed, with the next turn.
pub(crate) fn options(request: &ModelRequest, api: Api, frames: Arc<Frames>) -> ChatOptions {
    let mut options = ChatOptions::default().with_capture_usage(true).with_raw_frame_sink_arc(frames);
    if api != Api::Ollama {
        options = options.with_reasoning_effort(ReasoningEffort::Zero);
    }
    if let Some(temperature) = request.temperature {
        options = options.with_temperature(temperature);
    }
    if let Some(max_tokens) = request.max_tokens {
        options = options.with_max_tokens(max_tokens);
    }
    if let Some(schema) = &request.output_schema {
        options = options.with_response_format(JsonSpec::new("answer", (**schema).clone()));
    }
    options
}

/// The conversation and the tools.
pub(crate) fn chat(request: &ModelRequest, api: Api) -> ChatRequest {
    let messages = match (api, claude(request, api)) {
        (_, true) | (Api::Bedrock, _) => alternating(&request.messages, api),
        (Api::Gemini | Api::Vertex, false) => grouped(request),
        (Api::Anthropic | Api::Ollama, _) => request.messages.iter().filter_map(one_by_one).collect(),
    };
    let chat = ChatRequest::new(messages);
    if request.tools.is_empty() { chat } else { chat.with_tools(request.tools.iter().map(|spec| tool(spec))) }
}

/// Whether the wire is Anthropic's.
fn claude(request: &ModelRequest, api: Api) -> bool {
    api == Api::Anthropic || (api == Api::Vertex && request.model.as_str().starts_with("claude"))
}

/// For wires on which the user and the model take turns, and all results of one turn stand together.
fn alternating(messages: &[Message], api: Api) -> Vec<ChatMessage> {
    let mut turns: Vec<ChatMessage> = Vec::new();
    for message in messages {
        let (mut turn, parts) = match message {
            Message::System { content } => (ChatMessage::system(content.as_ref()), Vec::new()),
            Message::User { content } => (ChatMessage::user(MessageContent::default()), text(content)),
            Message::Tool { call_id, name, content } => {
                let blank = api == Api::Bedrock && content.trim().is_empty();
                let content = if blank { NOTHING } else { content };
                (ChatMessage::user(MessageContent::default()), vec![response(call_id, name, content)])
            }
            Message::Assistant { content, tool_calls } => {
                let parts = text(content).into_iter().chain(tool_calls.iter().map(call)).collect();
                (ChatMessage::assistant(MessageContent::default()), parts)
            }
        };
        let is_system = matches!(message, Message::System { .. });
        if parts.is_empty() && !is_system {
            continue;
        }
        match turns.last_mut() {
            Some(last) if !is_system && last.role == turn.role => {
                parts.into_iter().for_each(|part| last.content.push(part))
            }
            _ => {
                parts.into_iter().for_each(|part| turn.content.push(part));
                turns.push(turn);
            }
        }
    }
    turns
}

/// For Gemini: results that belong together are put together by the library.
fn grouped(request: &ModelRequest) -> Vec<ChatMessage> {
    let name = request.model.as_str();
    let signs = !["gemini-1", "gemini-2", "models/gemini-1", "models/gemini-2"]
        .iter()
        .any(|old| name.starts_with(old));
    let mut messages: Vec<ChatMessage> = request.messages.iter().filter_map(one_by_one).collect();
    if signs {
        messages.iter_mut().for_each(sign);
    }
    messages
}

/// Newer models want the first call of a turn signed.
fn sign(message: &mut ChatMessage) {
    let first = message.content.iter_mut().find_map(|part| match part {
        ContentPart::ToolCall(call) => Some(call),
        _ => None,
    });
    if let Some(call) = first {
        call.thought_signatures = Some(vec![NO_SIGNATURE.to_owned()]);
    }
}

/// One message for one message; one that says nothing is left out.
fn one_by_one(message: &Message) -> Option<ChatMessage> {
    Some(match message {
        Message::System { content } => ChatMessage::system(content.as_ref()),
        Message::User { content } => ChatMessage::user(content.as_ref()),
        Message::Assistant { content, tool_calls } => {
            let parts: Vec<_> = text(content).into_iter().chain(tool_calls.iter().map(call)).collect();
            if parts.is_empty() {
                return None;
            }
            ChatMessage::assistant(MessageContent::from_parts(parts))
        }
        Message::Tool { call_id, name, content } => {
            ChatMessage::tool(MessageContent::from_parts(vec![response(call_id, name, content)]))
        }
    })
}

/// Empty texts are refused by most wires.
fn text(content: &str) -> Vec<ContentPart> {
    if content.is_empty() { Vec::new() } else { vec![ContentPart::from_text(content)] }
}

fn call(call: &agent_gateway_core::message::ToolCall) -> ContentPart {
    ContentPart::ToolCall(ToolCall {
        call_id: call.id.to_string(),
        fn_name: call.name.to_string(),
        // Always an object, as the wires demand.
        fn_arguments: call.arguments.to_json(),
        thought_signatures: None,
    })
}

fn response(call_id: &str, name: &str, content: &str) -> ContentPart {
    ContentPart::ToolResponse(ToolResponse::new(call_id, content).with_fn_name(name))
}

fn tool(spec: &ToolSpec) -> Tool {
    // `ToolName::Custom` through `String`: a tool of ours is never one of the library's built-in ones.
    Tool::new(spec.name.as_str().to_owned())
        .with_description(spec.description.to_string())
        .with_schema((*spec.parameters).clone())
}
