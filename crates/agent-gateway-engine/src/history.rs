//! What a model is shown of a conversation.
use agent_gateway_core::message::Message;

/// The newest messages of a conversation, at most `most`, beginning with something that a caller said. What a tool answered
/// is never shown without the call that it answers, and no call without its answers.
#[must_use]
pub fn window(mut messages: Vec<Message>, most: usize) -> Vec<Message> {
    let from = messages.len().saturating_sub(most);
    let first = messages[from..].iter().position(|message| matches!(message, Message::User { .. }));
    let from = first.map_or(messages.len(), |place| from + place);
    messages.split_off(from)
}

/// Puts what a caller said in several messages without an answer into one: a turn that was cancelled leaves such behind, and
/// not every provider takes two of them in a row.
pub(crate) fn joined(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        match (joined.last_mut(), message) {
            // Said again, because nobody answered.
            (Some(Message::User { content: before }), Message::User { content }) if *before == content => {}
            (Some(Message::User { content: before }), Message::User { content }) => {
                *before = format!("{before}\n\n{content}").into();
            }
            (_, message) => joined.push(message),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::message::{Arguments, ToolCall};
    use proptest::prelude::*;

    use super::*;

    fn is_of_user(message: &Message) -> bool {
        matches!(message, Message::User { .. })
    }

    /// A conversation as it is stored: callers, answers, and answers that called tools first.
    fn conversation() -> impl Strategy<Value = Vec<Message>> {
        let turn = (any::<u8>(), 0..4usize, 0..3u8).prop_map(|(number, calls, kind)| {
            let mut turn = vec![Message::user(format!("question {number}"))];
            if kind == 1 {
                let call = |place: usize| ToolCall {
                    id: format!("{number}-{place}").into(),
                    name: "look".into(),
                    arguments: Arguments::parse("{}"),
                };
                turn.push(Message::Assistant {
                    content: "".into(),
                    tool_calls: (0..calls).map(call).collect(),
                });
                turn.extend((0..calls).map(|place| Message::Tool {
                    call_id: format!("{number}-{place}").into(),
                    name: "look".into(),
                    content: "seen".into(),
                }));
            }
            if kind > 0 {
                turn.push(Message::assistant(format!("answer {number}")));
            }
            turn
        });
        prop::collection::vec(turn, 0..12).prop_map(|turns| turns.concat())
    }

    proptest! {
        #[test]
        fn a_window_holds_whole_calls_and_begins_with_the_caller(messages in conversation(), most in 0..20usize) {
            let shown = window(messages.clone(), most);
            prop_assert!(shown.len() <= most);
            prop_assert!(messages.ends_with(&shown));
            let first_is_the_callers = shown.first().is_none_or(is_of_user);
            prop_assert!(first_is_the_callers);
            let called: Vec<_> = shown.iter().filter_map(|message| match message {
                Message::Assistant { tool_calls, .. } => Some(tool_calls.iter().map(|call| call.id.clone())),
                _ => None,
            }).flatten().collect();
            let answered: Vec<_> = shown.iter().filter_map(|message| match message {
                Message::Tool { call_id, .. } => Some(call_id.clone()),
                _ => None,
            }).collect();
            prop_assert_eq!(called, answered);
            // Nothing that fits is left out: one more caller's message would be one too many.
            let held = messages.len() - shown.len();
            let earlier = messages[..held].iter().rposition(is_of_user);
            prop_assert!(earlier.is_none_or(|place| messages.len() - place > most));
        }

        #[test]
        fn no_two_messages_of_the_caller_stand_in_a_row(messages in conversation()) {
            let shown = joined(messages.clone());
            let in_a_row = shown.windows(2).any(|pair| is_of_user(&pair[0]) && is_of_user(&pair[1]));
            prop_assert!(!in_a_row);
            for message in messages {
                let Message::User { content } = message else { continue };
                let told = |shown: &Message| {
                    matches!(shown, Message::User { content: held } if held.contains(&*content))
                };
                let is_told = shown.iter().any(told);
                prop_assert!(is_told);
            }
        }
    }
}
