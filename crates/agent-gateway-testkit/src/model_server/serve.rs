//! The accept loop and the one route.
use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    Paths, Recorded, Shared,
    reply::{Content, End, Reply},
    wire,
};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The largest request body in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Serves until dropped; the connections are dropped with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                // Small events must not wait for each other.
                let _ = socket.set_nodelay(true);
                shared.counts.send_modify(|counts| counts.connections += 1);
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(shared.clone(), request));
                    // A client that goes away is no failure of the server.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Counts the request as abandoned, unless its answer was completed.
struct Watch {
    shared: Arc<Shared>,
    complete: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.complete {
            self.shared.counts.send_modify(|counts| counts.abandoned += 1);
        }
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let mut watch = Watch { shared: shared.clone(), complete: false };
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(respond(&Reply::status(413), &Value::Null, 0, watch)),
    };
    let served = shared.script().paths == Paths::Any || head.uri.path().ends_with("/chat/completions");
    if head.method != Method::POST || !served {
        return Ok(respond(&Reply::status(404), &Value::Null, 0, watch));
    }
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let recorded = Recorded {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let asked = recorded.body.clone();
    let (reply, number) = shared.take(recorded);
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    if matches!(reply.content, Content::Nothing) {
        std::future::pending::<()>().await;
        watch.complete = true;
    }
    Ok(respond(&reply, &asked, number, watch))
}

fn respond(reply: &Reply, asked: &Value, number: usize, mut watch: Watch) -> Response<Body> {
    let (content_type, pieces) = wire::render(reply, asked, number);
    let body = match (reply.end, pieces.as_slice()) {
        (End::Complete, [whole]) => {
            watch.complete = true;
            Full::new(whole.clone()).map_err(|never| match never {}).boxed_unsync()
        }
        _ => in_pieces(pieces, reply.end, watch),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn in_pieces(pieces: Vec<Bytes>, end: End, watch: Watch) -> Body {
    let sent = match end {
        End::Complete => pieces.len(),
        End::CutAfter(count) | End::StallAfter(count) => count.min(pieces.len()),
    };
    let state = (pieces.into_iter().take(sent), watch);
    let frames = stream::unfold(state, move |(mut pieces, mut watch)| async move {
        // Each piece is written on its own, as a provider's are.
        tokio::task::yield_now().await;
        match (pieces.next(), end) {
            (Some(piece), _) => {
                // A client may leave once it has the last piece.
                watch.complete = end == End::Complete && pieces.len() == 0;
                Some((Ok(Frame::data(piece)), (pieces, watch)))
            }
            (None, End::Complete) => None,
            (None, End::CutAfter(_)) => {
                watch.complete = true;
                Some((Err(io::Error::other("cut by the script")), (pieces, watch)))
            }
            (None, End::StallAfter(_)) => std::future::pending().await,
        }
    });
    StreamBody::new(frames).boxed_unsync()
}
