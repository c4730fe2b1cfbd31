//! What an operator is told who got something wrong.
use agent_gateway_core::{ErrorKind, Retry, ports::queue::ExecutionQueue};
use agent_gateway_rabbitmq::{RabbitMqConfig, RabbitMqQueue};
use agent_gateway_testkit::Service;
use lapin::{
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};

use super::world::{World, ask, job};

/// The error of opening with a URL.
async fn refused(url: &str) -> agent_gateway_core::Error {
    let config = RabbitMqConfig::parse(url).unwrap();
    RabbitMqQueue::open(config).await.map(drop).unwrap_err()
}

/// Host and port of the server.
fn place(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let authority = rest.split('/').next().unwrap();
    authority.rsplit_once('@').map_or(authority, |(_, place)| place).to_owned()
}

#[tokio::test]
async fn a_wrong_password_is_misconfigured_and_not_shown() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_wrong_password");
    let error = refused(&format!("amqp://guest:s3cret@{}/%2f", place(&url))).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.message().contains("password"), "{error:?}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn an_unknown_virtual_host_is_misconfigured() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::an_unknown_virtual_host");
    let base = url.trim_end_matches("%2f").trim_end_matches('/');
    let error = refused(&format!("{base}/no-such-place")).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.message().contains("virtual host"), "{error:?}");
    assert!(error.to_string().contains("no-such-place"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    // A port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refused(&format!("amqp://guest:s3cret@{address}/%2f")).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)), "{error:?}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
}

/// A server that says it has this version, and nothing else.
async fn old(version: &str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://guest:s3cret@{}/%2f", listener.local_addr().unwrap());
    let mut facts = vec![7];
    facts.extend(b"versionS");
    facts.extend(u32::try_from(version.len()).unwrap().to_be_bytes());
    facts.extend(version.as_bytes());
    let mut start = vec![0, 10, 0, 10, 0, 9];
    for text in [&facts[..], b"PLAIN", b"en_US"] {
        start.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        start.extend(text);
    }
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(start.len()).unwrap().to_be_bytes());
    frame.extend(start);
    frame.push(0xCE);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = [0; 8];
        stream.read_exact(&mut hello).await.unwrap();
        assert_eq!(&hello, b"AMQP\x00\x00\x09\x01");
        stream.write_all(&frame).await.unwrap();
        // It leaves without having logged in.
        assert_eq!(stream.read(&mut hello).await.unwrap(), 0);
    });
    (url, serving)
}

#[tokio::test]
async fn a_server_that_is_too_old_is_misconfigured() {
    for version in ["3.9.29", "2.8", "unknown"] {
        let (url, serving) = old(version).await;
        let error = refused(&url).await;
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
        assert!(error.message().contains("3.10 or newer"), "{error:?}");
        assert!(error.to_string().contains(version), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        serving.join_all().await;
    }
}

#[tokio::test]
async fn what_is_no_broker_is_misconfigured() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://guest:s3cret@{}/%2f", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.ok();
    });
    let error = refused(&url).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.message().contains("no RabbitMQ server"), "{error:?}");
    serving.join_all().await;
}

#[tokio::test]
async fn a_name_that_cannot_be_a_queue_is_misconfigured() {
    let config = RabbitMqConfig::parse("amqp://localhost").unwrap().queue_name("amq.jobs");
    let error = RabbitMqQueue::open(config).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
}

#[tokio::test]
async fn a_classic_queue_of_the_same_name_is_misconfigured() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_classic_queue");
    let world = World::new(url);
    let (_connection, channel) = world.channel().await;
    let mut arguments = FieldTable::default();
    let dead = format!("{}.dlx", world.name);
    arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(dead.into()));
    let name = world.name.as_str().into();
    channel.queue_declare(name, QueueDeclareOptions::durable(), arguments).await.unwrap();

    let queue = world.opened(world.config()).await.unwrap();
    let error = queue.prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.message().contains("choose another queue_name"), "{error:?}");
    assert!(error.to_string().contains(&world.name), "{error}");
}

#[tokio::test]
async fn what_is_not_prepared_says_so() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::what_is_not_prepared");
    let world = World::new(url);
    let queue = world.opened(world.config()).await.unwrap();
    for error in [
        queue.enqueue(&job()).await.unwrap_err(),
        queue.lease(ask(1, std::time::Duration::ZERO)).await.map(drop).unwrap_err(),
        queue.depth().await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.message().contains("prepare"), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_credential() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::nothing_that_is_shown");
    let world = World::new(url.clone());
    let queue = world.open().await;
    let shown = format!("{queue:?} {:?}", queue.info());
    let authority = url.split_once("://").unwrap().1.rsplit_once('@').map(|(user, _)| user.to_owned());
    let login = authority.unwrap_or_else(|| "guest:guest".to_owned());
    let password = login.split_once(':').map_or("guest", |(_, password)| password);
    assert!(!shown.contains(password), "{shown}");
    assert!(queue.info().location.contains(&world.name), "{:?}", queue.info());
}
