//! Over real connections.
use std::{net::SocketAddr, time::Duration};

use agent_gateway_http::{ServeOptions, serve};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::world::{ALICE, Setup, World};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<usize>,
}

async fn start(world: &World, options: ServeOptions) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let app = world.app.clone();
    let server =
        tokio::spawn(async move { serve(listener, app, options, async move { drop(stopped.await) }).await });
    Running { address, stop, server }
}

fn invoke_text(connection: &str) -> String {
    let body = json!({"message": "hi"}).to_string();
    format!(
        "POST /v1/agents/echo/invoke HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE}\r\nconnection: {connection}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn read_to_end(mut socket: TcpStream) -> String {
    let mut text = String::new();
    // A connection that is reset gives what came before.
    let _ = tokio::time::timeout(Duration::from_secs(10), socket.read_to_string(&mut text)).await.unwrap();
    text
}

/// Reads one answer, and leaves the connection open.
async fn read_answer(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        let count = socket.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        if count == 0 || text.ends_with('}') {
            return text;
        }
    }
}

#[tokio::test]
async fn requests_are_answered_over_one_connection() {
    let world = World::new().await;
    let running = start(&world, ServeOptions::default()).await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    for _ in 0..3 {
        socket.write_all(invoke_text("keep-alive").as_bytes()).await.unwrap();
        let text = read_answer(&mut socket).await;
        assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("\"raw_text\":\"hello\""), "{text}");
    }
    running.stop.send(()).unwrap();
    assert_eq!(running.server.await.unwrap(), 0);
}

#[tokio::test]
async fn a_client_that_goes_away_stops_the_model_call() {
    let world = Setup { model: ScriptedModel::always(Reply::hang()), ..Setup::default() }.start().await;
    let running = start(&world, ServeOptions::default()).await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(invoke_text("keep-alive").as_bytes()).await.unwrap();
    world.model.wait_for_requests(1).await;
    drop(socket);
    tokio::time::timeout(Duration::from_secs(10), world.model.wait_for_dropped(1)).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_lets_requests_under_way_end() {
    let reply = Reply::text("late").after(Duration::from_millis(300));
    let world = Setup { model: ScriptedModel::always(reply), ..Setup::default() }.start().await;
    let running = start(&world, ServeOptions::default()).await;
    let idle = TcpStream::connect(running.address).await.unwrap();
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(invoke_text("keep-alive").as_bytes()).await.unwrap();
    world.model.wait_for_requests(1).await;
    running.stop.send(()).unwrap();
    let text = read_to_end(socket).await;
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("\"raw_text\":\"late\""), "{text}");
    assert_eq!(running.server.await.unwrap(), 0);
    assert_eq!(read_to_end(idle).await, "");
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let world = Setup { model: ScriptedModel::always(Reply::hang()), ..Setup::default() }.start().await;
    let options = ServeOptions { drain: Duration::from_millis(50), ..ServeOptions::default() };
    let running = start(&world, options).await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(invoke_text("keep-alive").as_bytes()).await.unwrap();
    world.model.wait_for_requests(1).await;
    running.stop.send(()).unwrap();
    assert_eq!(running.server.await.unwrap(), 1);
    world.model.wait_for_dropped(1).await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let world = World::new().await;
    let options = ServeOptions { header_read_timeout: Duration::from_millis(100), ..ServeOptions::default() };
    let running = start(&world, options).await;
    // Nothing, the beginning of both versions of HTTP, half a head, and HTTP/2 without a request.
    for beginning in ["", "P", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut socket = TcpStream::connect(running.address).await.unwrap();
        socket.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{beginning:?} is held open");
    }
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    socket.write_all(invoke_text("keep-alive").as_bytes()).await.unwrap();
    read_answer(&mut socket).await;
    // A connection that has asked may be idle for longer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    socket.write_all(invoke_text("close").as_bytes()).await.unwrap();
    assert!(read_to_end(socket).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_seat() {
    let world = World::new().await;
    let options = ServeOptions { max_connections: 1, ..ServeOptions::default() };
    let running = start(&world, options).await;
    let mut first = TcpStream::connect(running.address).await.unwrap();
    first.write_all(invoke_text("keep-alive").as_bytes()).await.unwrap();
    read_answer(&mut first).await;
    let mut second = TcpStream::connect(running.address).await.unwrap();
    second.write_all(invoke_text("close").as_bytes()).await.unwrap();
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    assert!(read_to_end(second).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_cut_off() {
    let mut setup = Setup::default();
    setup.options.http.max_body_bytes = 1000;
    let world = setup.start().await;
    let running = start(&world, ServeOptions::default()).await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let head = format!(
        "POST /v1/agents/echo/invoke HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ALICE}\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..20 {
        socket.write_all(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes()).await.unwrap();
    }
    let text = read_to_end(socket).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    assert!(text.contains("payload_too_large"), "{text}");
}

/// A frame of HTTP/2: length, kind, flags, stream, content.
fn frame(kind: u8, flags: u8, stream: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], content].concat()
}

#[tokio::test]
async fn http2_is_spoken_to_those_who_begin_with_it() {
    let world = World::new().await;
    let running = start(&world, ServeOptions::default()).await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    // GET and http by their index, the path and the authority in letters.
    let head = [b"\x82\x86\x04\x08/healthz".as_slice(), b"\x01\x01x"].concat();
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(4, 0, 0, b""));
    request.extend(frame(1, 5, 1, &head));
    socket.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(15).any(|part| part == br#"{"status":"ok"}"#) {
        let read = tokio::time::timeout(Duration::from_secs(10), socket.read_buf(&mut answer)).await;
        assert!(read.unwrap().unwrap() > 0, "the connection was closed: {answer:?}");
    }
}
