use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Timestamp,
    execution::{ResultForm, ToolOutcome, ToolTurn, Usage},
    id::ModelName,
    message::{Arguments, TokenUsage},
};

fn entry(sequence: u64, event: LogEvent) -> LogEntry {
    LogEntry { sequence: Cursor(sequence), at: Timestamp::UNIX_EPOCH, event }
}

fn turn(text: &str, calls: usize) -> LogEvent {
    let call = |number: usize| ToolCall {
        id: format!("call_{number}").into(),
        name: "look".into(),
        arguments: Arguments::parse("{}"),
    };
    LogEvent::ModelTurn(ModelTurn {
        model: ModelName::new("m").unwrap(),
        text: text.into(),
        tool_calls: (0..calls).map(call).collect(),
        tokens: TokenUsage::default(),
        cost_usd: None,
        duration_ms: 1,
        within: None,
    })
}

fn answered(number: usize) -> LogEvent {
    LogEvent::ToolTurn(ToolTurn {
        call_id: format!("call_{number}").into(),
        name: "look".into(),
        arguments: Arguments::parse("{}"),
        outcome: ToolOutcome::Succeeded,
        content: "[1]".into(),
        cut_from: None,
        whole: None,
        form: ResultForm::Json,
        duration_ms: 1,
        within: None,
    })
}

fn finished(reason: StopReason) -> LogEvent {
    LogEvent::Finished(Outcome::new(reason, "", Usage::default()).error("why"))
}

fn numbered(events: impl IntoIterator<Item = LogEvent>) -> Vec<LogEntry> {
    events.into_iter().zip(1..).map(|(event, sequence)| entry(sequence, event)).collect()
}

fn read(reading: &mut Reading, log: &[LogEntry]) -> Vec<Event> {
    let mut events = Vec::new();
    log.iter().for_each(|entry| reading.entry(entry, &mut events));
    events
}

fn text(events: &[Event]) -> String {
    let piece = |event: &Event| match &event.event {
        ExecutionEvent::Text(text) => text.to_string(),
        _ => String::new(),
    };
    events.iter().map(piece).collect()
}

#[test]
fn ids_are_read_as_they_are_written() {
    for id in ["0190-a:0", "0190-a:3", "x:3.17"] {
        assert_eq!(id.parse::<EventId>().unwrap().to_string(), id);
    }
    for id in ["", "x", "x:", ":1", "x:-1", "x:1.", "x:a", "x:1.2.3", "x y:1", "x:99999999999999999999"] {
        assert!(id.parse::<EventId>().is_err(), "{id}");
    }
}

#[test]
fn a_reader_in_the_middle_of_a_draft_is_told_that_it_is_void() {
    let mut reading = Reading::default();
    assert!(reading.draft(Cursor(0), 0, &"hal".into()).is_some());
    let mut events = Vec::new();
    reading.entry(&entry(1, LogEvent::Reset(ResetReason::Resumed)), &mut events);
    let reset = ExecutionEvent::Reset { keep: Place::START, reason: ResetReason::Resumed };
    assert_eq!(events, [Event { place: Place { after: Cursor(1), part: 0 }, event: reset }]);
    assert!(reading.draft(Cursor(1), 0, &"hello".into()).is_some());
    // Nobody who saw nothing of it needs to know.
    assert_eq!(read(&mut Reading::default(), &numbered([LogEvent::Reset(ResetReason::Resumed)])), []);
}

#[test]
fn tools_and_the_end_are_told_in_order() {
    let log =
        numbered([turn("", 2), answered(0), answered(1), turn("done", 0), finished(StopReason::Timeout)]);
    let events = read(&mut Reading::default(), &log);
    let places: Vec<String> = events.iter().map(|event| event.place.to_string()).collect();
    assert_eq!(places, ["0.1", "1", "2", "3", "4", "4", "5"]);
    assert!(matches!(&events[2].event, ExecutionEvent::ToolResult { output, .. } if *output == json!([1])));
    assert!(matches!(&events[5].event, ExecutionEvent::Failed { message } if message == "why"));
    assert!(matches!(events[6].event, ExecutionEvent::Finished(_)));
}

#[test]
fn a_place_beyond_a_whole_turn_fits_nowhere() {
    let log = numbered([turn("four", 1)]);
    let at = |part| Reading::from(Place { after: Cursor(0), part });
    assert!(at(5).fits(log.first()) && at(9).fits(None));
    assert!(!at(6).fits(log.first()));
}

proptest! {
    /// Wherever a reader is cut off, what it gets afterwards and what it had are the whole, once.
    #[test]
    fn nothing_is_missed_and_nothing_comes_twice(
        turns in prop::collection::vec(("[a-zäß€😀]{0,12}", 0..3usize), 1..4),
        cuts in prop::collection::vec(0..40usize, 0..4),
        pieces in 1..5usize,
    ) {
        let mut events = Vec::new();
        for (text, calls) in &turns {
            events.push(turn(text, *calls));
            events.extend((0..*calls).map(answered));
        }
        events.push(finished(StopReason::Completed));
        let log = numbered(events);
        let whole = read(&mut Reading::default(), &log);
        let (mut reading, mut got) = (Reading::default(), Vec::new());
        for entry in &log {
            // The turn first comes in pieces of its text, some of them twice.
            if let LogEvent::ModelTurn(turn) = &entry.event {
                let after = Cursor(entry.sequence.0 - 1);
                let mut offset = 0;
                let marks: Vec<usize> = turn.text.char_indices().map(|(at, _)| at).chain([turn.text.len()]).collect();
                for mark in marks.into_iter().step_by(pieces).skip(1) {
                    let piece: Arc<str> = turn.text[offset..mark].into();
                    got.extend(reading.draft(after, offset as u64, &piece));
                    prop_assert!(reading.draft(after, offset as u64, &piece).is_none());
                    offset = mark;
                }
            }
            reading.entry(entry, &mut got);
            reading.entry(entry, &mut got);
        }
        prop_assert_eq!(text(&got), text(&whole));
        let others = |events: &[Event]| events.iter()
            .filter(|event| !matches!(event.event, ExecutionEvent::Text(_))).cloned().collect::<Vec<_>>();
        prop_assert_eq!(others(&got), others(&whole));
        // And from any event on, the rest is the rest.
        for cut in cuts {
            let Some(last) = got.get(cut) else { continue };
            let rest = read(&mut Reading::from(last.place), &log);
            let mut joined = got[..=cut].to_vec();
            joined.extend(rest);
            prop_assert_eq!(text(&joined), text(&whole));
            prop_assert_eq!(others(&joined), others(&whole));
        }
    }
}
