//! What the stand-in does next, read from the conversation.
use std::sync::Arc;

use agent_gateway_core::{JsonMap, message::Message, ports::model::ModelRequest};

use super::Call;

/// One turn of the stand-in.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    Say(Arc<str>),
    Call(Vec<Call>),
}

pub(super) fn next_turn(request: &ModelRequest) -> Turn {
    let last_user = request.messages.iter().rposition(|message| matches!(message, Message::User { .. }));
    let asked = match last_user.map(|place| &request.messages[place]) {
        Some(Message::User { content }) => &**content,
        _ => "",
    };
    let since = &request.messages[last_user.map_or(0, |place| place + 1)..];
    let answered = |message: &Message| match message {
        Message::Tool { name, content, .. } => Some((name.clone(), content.clone())),
        _ => None,
    };
    let answers: Vec<_> = since.iter().filter_map(answered).collect();
    let made = request.messages.iter().map(calls_in).sum::<usize>();

    let offered = |name: &str| request.tools.iter().any(|tool| tool.name.as_str() == name);
    let open = wishes(asked)
        .into_iter()
        .filter(|(name, _)| offered(name) && !answers.iter().any(|(answered, _)| **answered == **name));
    let calls: Vec<_> = (made..)
        .zip(open)
        .map(|(number, (name, arguments))| Call {
            id: format!("call_offline_{number}").into(),
            name: name.into(),
            arguments,
        })
        .collect();
    if !calls.is_empty() {
        return Turn::Call(calls);
    }
    if answers.is_empty() {
        let echo = format!("This is the offline stand-in, not a language model. You said: {asked}");
        return Turn::Say(echo.into());
    }
    let texts: Vec<_> = answers.iter().map(|(_, content)| &**content).collect();
    Turn::Say(texts.join("\n").into())
}

fn calls_in(message: &Message) -> usize {
    match message {
        Message::Assistant { tool_calls, .. } => tool_calls.len(),
        _ => 0,
    }
}

/// Each `use <tool> {json}` in the text, in order.
fn wishes(text: &str) -> Vec<(&str, Arc<str>)> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices("use ") {
        let whole_word = !text[..place].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = text[place + 4..].trim_start();
        let end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<JsonMap>();
        if let (true, Some(Ok(object))) = (whole_word, values.next()) {
            let arguments = serde_json::to_string(&object).unwrap_or_default();
            found.push((name, arguments.into()));
        }
    }
    found
}
