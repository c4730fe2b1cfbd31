use super::*;

/// The answer of a gateway: ids, a comment, a session, the tokens, `done`; every event in a chunk of its own.
fn answer(tokens: usize, end: &[&str]) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
        transfer-encoding: chunked\r\n\r\n"
        .to_vec();
    let session =
        "id: 1\nevent: session\ndata: {\"session_id\": \"s\", \"execution_id\": \"e\"}\n\n".to_owned();
    let tokens = (0..tokens).map(|at| {
        let delta = DELTAS.get(at).unwrap_or(&"too much");
        format!("event: token\r\nid: {at}\r\ndata: {{\"content\": \"{delta}\"}}\r\n\r\n")
    });
    let events = [session, ": still here\n\n".to_owned()];
    for event in events.into_iter().chain(tokens).chain(end.iter().map(|event| (*event).to_owned())) {
        bytes.extend_from_slice(format!("{:x};ext=1\r\n{event}\r\n", event.len()).as_bytes());
    }
    bytes.extend_from_slice(b"0\r\ntrailer: x\r\n\r\n");
    bytes
}

const DONE: &str = "event: done\ndata: {\"status\": \"completed\"}\n\n";

fn heard(bytes: &[u8]) -> Result<Seen> {
    let mut answer = StreamedAnswer::default();
    answer.feed(bytes)?;
    ensure!(answer.has_ended(), "not ended");
    Ok(answer.seen())
}

#[test]
fn a_whole_answer_is_understood_however_it_is_cut() {
    let bytes = answer(20, &[DONE]);
    let whole = Seen { session: true, tokens: 20, done: true };
    assert_eq!(heard(&bytes).unwrap(), whole);
    for size in [1, 2, 3, 7, 64, 1000] {
        let mut answer = StreamedAnswer::default();
        for (at, piece) in bytes.chunks(size).enumerate() {
            assert!(!answer.has_ended(), "{at}");
            answer.feed(piece).unwrap();
        }
        assert_eq!((answer.seen(), answer.has_ended(), answer.closes()), (whole, true, false), "{size}");
    }
}

#[test]
fn every_proper_prefix_is_still_under_way() {
    let bytes = answer(20, &[DONE]);
    for length in 0..bytes.len() {
        let mut answer = StreamedAnswer::default();
        answer.feed(&bytes[..length]).unwrap();
        assert!(!answer.has_ended(), "{length}");
    }
}

#[test]
fn a_wrong_number_of_tokens_is_an_error() {
    assert!(heard(&answer(19, &[DONE])).unwrap_err().to_string().contains("19 of 20"));
    assert!(heard(&answer(21, &[DONE])).unwrap_err().to_string().contains("more than 20"));
    assert!(heard(&answer(20, &[])).unwrap_err().to_string().contains("without `done`"));
}

#[test]
fn a_token_in_the_wrong_place_is_an_error() {
    let text = String::from_utf8(answer(20, &[DONE])).unwrap();
    let swapped = text.replace(DELTAS[3], "@").replace(DELTAS[4], DELTAS[3]).replace('@', DELTAS[4]);
    assert!(heard(swapped.as_bytes()).unwrap_err().to_string().contains("token 4"));
}

#[test]
fn an_error_event_or_anything_after_done_is_an_error() {
    let failed = answer(3, &["event: error\ndata: {\"message\": \"LLM call failed\"}\n\n", DONE]);
    assert!(heard(&failed).unwrap_err().to_string().contains("LLM call failed"));
    assert!(heard(&answer(20, &[DONE, DONE])).unwrap_err().to_string().contains("after `done`"));
    let more = [answer(20, &[DONE]), b"HTTP/1.1".to_vec()].concat();
    assert!(heard(&more).unwrap_err().to_string().contains("8 bytes after"));
}

#[test]
fn an_answer_that_is_no_stream_is_told_by_its_status() {
    let error = heard(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy").unwrap_err().to_string();
    assert!(error.contains("503") && error.contains("busy"), "{error}");
    let json = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    assert!(heard(json).unwrap_err().to_string().contains("not a chunked stream"));
}

#[test]
fn broken_chunks_are_errors() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in ["zz\r\n", "3\r\nabcd\r\n", "\r\n"] {
        assert!(heard(format!("{head}{body}").as_bytes()).is_err(), "{body:?}");
    }
}

#[test]
fn several_lines_of_data_are_one_event() {
    let (mut events, mut heard) = (Events::default(), Vec::new());
    let text = b"data: a\ndata:b\n\nevent: x\n\ndata\n\nevent: y\ndata: c\n\n";
    let mut take = |event: &[u8], data: &[u8]| {
        heard.push((String::from_utf8_lossy(event).into_owned(), String::from_utf8_lossy(data).into_owned()));
        Ok(())
    };
    events.feed(text, &mut take).unwrap();
    let expected = [("message", "a\nb"), ("y", "c")].map(|(event, data)| (event.to_owned(), data.to_owned()));
    assert_eq!(heard, expected);
}
