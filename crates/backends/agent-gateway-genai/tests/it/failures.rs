//! What goes wrong, and what is made of it.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use agent_gateway_core::{
    ErrorKind, Retry,
    ports::model::{Delivery, ModelEvent, ModelExt},
};
use agent_gateway_genai::Limits;
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::json;
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    kit::{KEY, complete, events, failure, model_at, pair, patient, request, server},
    wires::{Answer, Wire},
};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_wrong_key_names_the_provider_and_the_variable() {
    for wire in Wire::ALL {
        let (server, model) = pair(wire, [wire.wrong_key(KEY)]).await;
        let error = failure(&model, wire).await;
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Misconfigured, Retry::Never),
            "{wire:?}: {error}"
        );
        let said = error.message();
        assert!(said.starts_with("the model provider acme refused the key"), "{wire:?}: {said}");
        assert!(said.ends_with(": check ACME_API_KEY"), "{wire:?}: {said}");
        assert_eq!(server.request_count(), 1, "{wire:?}");
    }
}

#[tokio::test]
async fn refusals_are_final_and_say_why_without_the_key() {
    for wire in Wire::ALL {
        let (server, model) = pair(wire, [wire.refused(&format!("no such thing as {KEY}"))]).await;
        let error = failure(&model, wire).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Invalid, Retry::Never), "{wire:?}: {error}");
        let said = "the model provider acme refused the request (400): no such thing as [redacted]";
        assert_eq!(error.message(), said, "{wire:?}");
        assert_eq!(server.request_count(), 1, "{wire:?}");

        for (status, kind, sentence) in [
            (404, ErrorKind::Invalid, "the model or the base URL is wrong"),
            (413, ErrorKind::TooLarge, "too large (413)"),
            (402, ErrorKind::Misconfigured, "asks for payment"),
            (302, ErrorKind::Misconfigured, "check its base URL"),
        ] {
            let reply = wire.refused("no").with_status(status).header("location", "/elsewhere");
            let (_server, model) = pair(wire, [reply]).await;
            let error = failure(&model, wire).await;
            assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{wire:?}: {error}");
            assert!(error.message().contains(sentence), "{wire:?}: {error}");
        }
    }
}

#[tokio::test]
async fn passing_failures_are_tried_again_and_used_up() {
    for wire in Wire::ALL {
        for status in [408, 409, 500, 503, 529] {
            let failing = || wire.refused("later").with_status(status);
            let (server, model) =
                pair(wire, [failing(), failing(), wire.reply(&Answer::text("at last"))]).await;
            let answer = model.complete(request(wire, Delivery::Incremental)).await.unwrap();
            assert_eq!((&*answer.text, server.request_count()), ("at last", 3), "{wire:?} {status}");
        }
        let (server, model) = pair(wire, []).await;
        server.default_reply(wire.rate_limited());
        let error = failure(&model, wire).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::Exhausted), "{wire:?}");
        assert_eq!(
            error.message(),
            "the model provider acme answered 429 (rate limited) after 3 attempts",
            "{wire:?}"
        );
        assert_eq!(server.request_count(), 3, "{wire:?}");
    }
}

#[tokio::test]
async fn retry_after_is_honoured_and_bounded() {
    for wire in Wire::ALL {
        let slow = wire.rate_limited().header("retry-after-ms", "400");
        let (_server, model) = pair(wire, [slow, wire.reply(&Answer::text("x"))]).await;
        let began = Instant::now();
        model.complete(request(wire, Delivery::Whole)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(400), "{wire:?}: {:?}", began.elapsed());

        // More than anybody waits for: told at once.
        let (server, model) = pair(wire, [wire.rate_limited().header("retry-after", "31")]).await;
        let error = failure(&model, wire).await;
        assert_eq!(error.retry(), Retry::Later(Some(Duration::from_secs(31))), "{wire:?}");
        assert_eq!((error.kind(), server.request_count()), (ErrorKind::RateLimited, 1), "{wire:?}");
    }
}

#[tokio::test]
async fn gemini_says_in_the_body_how_long_to_wait() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31s"}]);
    let body = json!([{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": details}}]);
    let reply = Reply::pieces("application/json", [body.to_string()]).with_status(429);
    let (_server, model) = pair(Wire::Gemini, [reply]).await;
    let error = failure(&model, Wire::Gemini).await;
    assert_eq!(error.retry(), Retry::Later(Some(Duration::from_secs(31))));
}

#[tokio::test]
async fn half_a_stream_is_no_answer() {
    for wire in Wire::ALL {
        // The connection breaks, and it closes in good order.
        let said = || wire.reply(&Answer::text("one two three"));
        for (reply, ways) in [(said().cut(wire.first_word()), "cut"), (half(wire), "closed")] {
            let (server, model) = pair(wire, [reply]).await;
            let got = events(&model, wire).await;
            assert!(matches!(got.first(), Some(Ok(ModelEvent::Text(_)))), "{wire:?} {ways}: {got:?}");
            let error = got.last().unwrap().as_ref().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{wire:?} {ways}: {error}");
            assert_eq!(server.request_count(), 1, "{wire:?} {ways}: what has begun is not begun again");
        }
        // Before the first word it may be tried again.
        let (server, model) = pair(wire, [said().cut(0), said()]).await;
        let answer = model.complete(request(wire, Delivery::Incremental)).await.unwrap();
        assert_eq!((&*answer.text, server.request_count()), ("one two three", 2), "{wire:?}");
    }
}

/// The first word of an answer, after which the body ends in good order.
fn half(wire: Wire) -> Reply {
    wire.reply(&Answer::text("one two three")).shortened(wire.first_word())
}

#[tokio::test]
async fn an_error_among_the_pieces_is_an_error() {
    for wire in Wire::ALL {
        let (server, model) = pair(wire, [wire.fails_midway("out of luck")]).await;
        let got = events(&model, wire).await;
        assert!(matches!(got.first(), Some(Ok(ModelEvent::Text(_)))), "{wire:?}: {got:?}");
        let error = got.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{wire:?}: {error}");
        assert_eq!((got.len(), server.request_count()), (2, 1), "{wire:?}: {got:?}");
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for wire in Wire::ALL {
        for body in [&b"data: {broken\n\n"[..], b"<html>oops</html>\n", b"", b"{}\n", b"data: \xff\xfe\n\n"] {
            let (server, model) = pair(wire, []).await;
            server.default_reply(Reply::pieces("text/event-stream", [body]));
            let error = failure(&model, wire).await;
            let kinds = [ErrorKind::Unexpected, ErrorKind::Unavailable];
            assert!(kinds.contains(&error.kind()), "{wire:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn silence_is_waited_for_and_tried_again() {
    for wire in Wire::ALL {
        let server = server().await;
        server.default_reply(Reply::hang());
        let limits = Limits { first_byte: SHORT, attempts: 2, ..patient() };
        let error = failure(&model_at(wire, &server.origin(), limits), wire).await;
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Timeout, Retry::Exhausted),
            "{wire:?}: {error}"
        );
        assert!(error.message().contains("said nothing within 0.3 s after 2 attempts"), "{wire:?}: {error}");
        server.wait_for_abandoned(2).await;
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    for wire in Wire::ALL {
        let server = server().await;
        server.reply(wire.reply(&Answer::text("one two three")).stall(wire.first_word()));
        let got = events(&model_at(wire, &server.origin(), Limits { idle: SHORT, ..patient() }), wire).await;
        let error = got.last().unwrap().as_ref().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{wire:?}: {error}");
        assert!(error.message().contains("fell silent in the middle"), "{wire:?}: {error}");
        server.wait_for_abandoned(1).await;
    }
}

#[tokio::test]
async fn the_whole_call_has_an_end() {
    for wire in Wire::ALL {
        let server = server().await;
        server.default_reply(Reply::hang());
        let error =
            failure(&model_at(wire, &server.origin(), Limits { total: SHORT, ..patient() }), wire).await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{wire:?}");
        assert!(error.message().contains("did not complete its answer"), "{wire:?}: {error}");
        assert_eq!(server.request_count(), 1, "{wire:?}");
    }
}

#[tokio::test]
async fn too_much_is_refused() {
    // Much text in pieces that are each small enough.
    let words = format!("{} ", "x".repeat(500_000)).repeat(20);
    let error = complete(Wire::Bedrock, Wire::Bedrock.reply(&Answer::text(words)), Delivery::Whole).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TooLarge);
    for wire in Wire::ALL {
        // One piece that is too large.
        let huge = wire.reply(&Answer::text("x".repeat(1024 * 1024 + 1)));
        let error = complete(wire, huge, Delivery::Incremental).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{wire:?}: {error}");
        // Too many calls.
        let calls = Answer::calls((0..200).map(|n| ("add", json!({"n": n}))));
        let error = complete(wire, wire.reply(&calls), Delivery::Whole).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected, "{wire:?}: {error}");
    }
}

#[tokio::test]
async fn a_piece_without_end_is_given_up() {
    for wire in [Wire::Anthropic, Wire::Gemini, Wire::Ollama] {
        let server = server().await;
        // It goes on for as long as somebody listens, and is never complete.
        let endless = std::iter::once(b"data: ".to_vec()).chain(std::iter::repeat_n(vec![b'x'; 1024], 100));
        server.default_reply(Reply::pieces("text/event-stream", endless).stall(101));
        let limits = Limits { first_byte: SHORT, attempts: 1, ..patient() };
        let error = failure(&model_at(wire, &server.origin(), limits), wire).await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{wire:?}: {error}");
        server.wait_for_abandoned(1).await;
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    for wire in Wire::ALL {
        let origin = ModelServer::start().await.origin();
        let error = failure(&model_at(wire, &origin, patient()), wire).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted), "{wire:?}");
        assert_eq!(error.message(), "the model provider acme cannot be reached after 3 attempts", "{wire:?}");
    }
}

#[tokio::test]
async fn the_library_logs_nothing_of_what_was_said() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // The tests run on one thread each.
    let _listening = tracing::subscriber::set_default(subscriber);
    tracing::info!("listening");
    for wire in Wire::ALL {
        let secret = "what-nobody-may-read";
        for reply in [
            wire.refused(secret),
            wire.fails_midway(secret),
            wire.reply(&Answer::text(secret).because("odd")),
        ] {
            let (_server, model) = pair(wire, [reply]).await;
            let _ = model.complete(request(wire, Delivery::Incremental)).await;
        }
        let written = log.text();
        assert!(written.contains("listening"), "{written}");
        assert!(!written.contains(secret) && !written.contains(KEY), "{wire:?}: {written}");
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
