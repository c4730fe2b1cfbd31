//! What goes wrong, and what is made of it.
use std::time::Duration;

use agent_gateway_core::{
    ErrorKind, Retry,
    ports::model::{Delivery, ModelEvent, ModelExt},
};
use agent_gateway_llm::{Retries, Timeouts};
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::json;
use tokio::time::Instant;

use super::kit::{BOTH, KEY, client, client_at, complete, events, failure, pair, patient, quick, request};

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn refusals_are_final_and_say_why() {
    let long = format!("{KEY} is too {}", "long ".repeat(200));
    let cases = [
        (400, ErrorKind::Invalid, "refused the request (400): scripted 400"),
        (404, ErrorKind::Invalid, "(404): scripted 404; the model or the base URL is wrong"),
        (422, ErrorKind::Invalid, "refused the request (422)"),
        (413, ErrorKind::TooLarge, "too large (413)"),
        (401, ErrorKind::Misconfigured, "refused the key (401)"),
        (403, ErrorKind::Misconfigured, "refused the key (403)"),
        (402, ErrorKind::Misconfigured, "asks for payment"),
        (302, ErrorKind::Misconfigured, "check its base URL"),
    ];
    for (status, kind, sentence) in cases {
        for delivery in BOTH {
            let (server, client) = pair([Reply::status(status).header("location", "/elsewhere")]).await;
            let error = failure(&client, delivery).await;
            assert_eq!((error.kind(), error.retry()), (kind, Retry::Never), "{error}");
            assert!(
                error.message().starts_with("the model provider acme") && error.message().contains(sentence)
            );
            assert_eq!(server.request_count(), 1);
        }
    }
    let (_server, client) = pair([Reply::status(400).message(long)]).await;
    let error = failure(&client, Delivery::Whole).await;
    assert!(error.message().contains("[redacted] is too long") && error.message().len() < 400, "{error}");
}

#[tokio::test]
async fn passing_failures_are_tried_again() {
    for status in [408, 409, 429, 500, 502, 503, 529] {
        for delivery in BOTH {
            let (server, client) =
                pair([Reply::status(status), Reply::status(status), Reply::text("at last")]).await;
            assert_eq!(&*client.complete(request(delivery)).await.unwrap().text, "at last");
            assert_eq!(server.request_count(), 3);
        }
    }
}

#[tokio::test]
async fn retries_are_used_up() {
    let cases = [
        (429, ErrorKind::RateLimited, "the model provider acme answered 429 (rate limited) after 3 attempts"),
        (500, ErrorKind::Unavailable, "the model provider acme answered 500 (server error) after 3 attempts"),
        (408, ErrorKind::Timeout, "the model provider acme answered 408 (request timeout) after 3 attempts"),
    ];
    for (status, kind, sentence) in cases {
        let server = ModelServer::start().await;
        server.default_reply(Reply::status(status));
        let error = failure(&client(&server), Delivery::Whole).await;
        assert_eq!((error.kind(), error.retry(), error.message()), (kind, Retry::Exhausted, sentence));
        assert_eq!(server.request_count(), 3);
    }
}

#[tokio::test]
async fn retry_after_is_honoured_and_bounded() {
    let (_server, client) = pair([Reply::status(429).header("retry-after", "1"), Reply::text("x")]).await;
    let began = Instant::now();
    client.complete(request(Delivery::Whole)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());

    // More than anybody waits for: told at once.
    let (server, client) = pair([Reply::status(429).header("retry-after", "31")]).await;
    let error = failure(&client, Delivery::Whole).await;
    assert_eq!(error.retry(), Retry::Later(Some(Duration::from_secs(31))));
    assert_eq!((error.kind(), server.request_count()), (ErrorKind::RateLimited, 1));
}

#[tokio::test]
async fn a_used_up_quota_is_not_asked_again() {
    let body =
        json!({"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}});
    let (server, client) = pair([Reply::garbage(body.to_string()).with_status(429)]).await;
    let error = failure(&client, Delivery::Whole).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::Never));
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn garbage_is_unexpected_and_final() {
    let bodies: [&[u8]; 6] = [
        b"<html>oops</html>",
        b"",
        b"{}",
        b"[1, 2]",
        b"{\"choices\": [{\"message\": {\"content\": 5}}]}",
        b"{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}",
    ];
    for body in bodies {
        let (server, client) = pair([Reply::garbage(body)]).await;
        let error = failure(&client, Delivery::Whole).await;
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unexpected, Retry::Never), "{error}");
        assert_eq!(server.request_count(), 1);
    }
    let (server, client) = pair([Reply::garbage("data: {broken\n\n")]).await;
    assert_eq!(failure(&client, Delivery::Incremental).await.kind(), ErrorKind::Unexpected);
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn half_a_stream_is_no_answer() {
    let (server, client) = pair([Reply::cut_after(4)]).await;
    let got = events(&client).await;
    assert!(matches!(got.first(), Some(Ok(ModelEvent::Text(text))) if &**text == "this "), "{got:?}");
    let error = got.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.request_count(), 1, "what has begun is not begun again");

    // An end without reason, though the connection is closed in good order.
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let error = complete([Reply::garbage(body).streamed()], Delivery::Incremental).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("cut off"), "{error}");
}

#[tokio::test]
async fn a_cut_before_the_first_event_is_tried_again() {
    for delivery in BOTH {
        let (server, client) =
            pair([Reply::text("x").cut(0), Reply::text("x").cut(1), Reply::text("whole")]).await;
        assert_eq!(&*client.complete(request(delivery)).await.unwrap().text, "whole");
        assert_eq!(server.request_count(), 3);
    }
}

#[tokio::test]
async fn an_error_inside_a_stream_is_an_error() {
    let say = json!({"choices": [{"delta": {"content": "x"}}]});
    let error = json!({"error": {"message": "overloaded", "type": "server_error"}});
    let (_server, client) = pair([Reply::events([say, error])]).await;
    let got = events(&client).await;
    let error = got.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("overloaded"), "{error}");
    assert_eq!(got.len(), 2);

    let document = Reply::garbage(json!({"error": {"code": 400, "message": "bad"}}).to_string());
    assert_eq!(complete([document], Delivery::Whole).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn silence_is_waited_for_and_tried_again() {
    let server = ModelServer::start().await;
    server.default_reply(Reply::hang());
    let limits = Timeouts { first_byte: SHORT, ..patient() };
    let error = failure(&client_at(&server.url(), limits, quick()), Delivery::Incremental).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Exhausted));
    assert!(error.message().contains("said nothing within 0.3 s after 3 attempts"), "{error}");
    server.wait_for_abandoned(3).await;

    // Headers alone are silence too.
    server.reply(Reply::text("x").stall(0)).reply(Reply::text("x").stall(1)).reply(Reply::text("spoken"));
    let answer = client_at(&server.url(), limits, quick()).complete(request(Delivery::Incremental)).await;
    assert_eq!(&*answer.unwrap().text, "spoken");
}

#[tokio::test]
async fn the_whole_call_has_an_end() {
    let server = ModelServer::start().await;
    server.default_reply(Reply::hang());
    let limits = Timeouts { total: SHORT, ..patient() };
    for delivery in BOTH {
        let error = failure(&client_at(&server.url(), limits, quick()), delivery).await;
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.message().contains("did not complete its answer"), "{error}");
    }
    assert_eq!(server.request_count(), 2);

    // Retries are inside it: a pause that does not fit is not begun.
    server.reply(Reply::status(500));
    let slow = Retries { first_pause: Duration::from_secs(5), ..Retries::default() };
    let error = failure(&client_at(&server.url(), limits, slow), Delivery::Whole).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)));
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    let (server, _) = pair([Reply::text("one two three").stall(3)]).await;
    let limits = Timeouts { idle: SHORT, ..patient() };
    let got = events(&client_at(&server.url(), limits, quick())).await;
    let error = got.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("fell silent in the middle"), "{error}");
    assert_eq!(got.len(), 3);
    server.wait_for_abandoned(1).await;
    assert_eq!(server.request_count(), 1);
}

#[tokio::test]
async fn only_the_usage_is_lost_when_the_tail_does_not_come() {
    // The role, the word, the reason; then nothing.
    let (server, _) = pair([Reply::text("word").stall(3)]).await;
    let limits = Timeouts { idle: SHORT, ..patient() };
    let answer =
        client_at(&server.url(), limits, quick()).complete(request(Delivery::Incremental)).await.unwrap();
    assert_eq!((&*answer.text, answer.usage.input_tokens), ("word", 0));
}

#[tokio::test]
async fn huge_answers_are_refused() {
    let huge = || Reply::garbage(vec![b' '; 9 * 1024 * 1024]);
    for reply in [huge(), huge().cut(1000)] {
        let error = complete([reply], Delivery::Whole).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    }
    // One event without end.
    let error = complete([huge()], Delivery::Incremental).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    // Many small events with too much text.
    let piece = json!({"choices": [{"delta": {"content": "x".repeat(500_000)}}]});
    let error = complete([Reply::events(vec![piece; 20])], Delivery::Incremental).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    // A body of an error is not read to its end.
    let refused = Reply::garbage(vec![b'x'; 9 * 1024 * 1024]).with_status(400);
    assert_eq!(complete([refused], Delivery::Whole).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let url = ModelServer::start().await.url();
    let error = failure(&client_at(&url, patient(), quick()), Delivery::Whole).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
    assert_eq!(error.message(), "the model provider acme cannot be reached after 3 attempts");
}
