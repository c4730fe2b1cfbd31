//! What opening says when something is wrong.
use agent_gateway_core::{ErrorKind, Retry, capability::Durability, ports::queue::ExecutionQueue};
use agent_gateway_redis::{Redis, RedisConfig};
use agent_gateway_testkit::{Service, needs_private, needs_service};
use tokio::time::Instant;

use super::{
    raw,
    world::{PATIENCE, World},
};

async fn refusal(config: RedisConfig) -> agent_gateway_core::Error {
    match Redis::open(config).await {
        Ok(redis) => redis.queue().await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_wrong_user_or_password_is_said_and_not_shown() {
    let server = needs_private!(Service::Redis, "opening::a_wrong_user_or_password_is_said_and_not_shown");
    raw::run::<()>(&server.url(), &["CONFIG", "SET", "requirepass", "s3cret"]);
    let as_user = |user_info: &str| format!("redis://{user_info}127.0.0.1:{}/0", server.port());
    let right = World::new(as_user(":s3cret@"));
    raw::run::<()>(&right.url, &["ACL", "SETUSER", "gateway", "on", ">pa:ss@", "~*", "&*", "+@all"]);
    raw::run::<()>(&right.url, &["ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "&*", "+@read"]);
    for user_info in ["", ":wr0ng@", "nobody:wr0ng@", "gateway:s3cret@", "reader:s3cret@"] {
        let error = refusal(RedisConfig::parse(&as_user(user_info)).unwrap()).await;
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{user_info}: {error:?}");
        assert_eq!(error.operation(), "redis.open");
        let shown = format!("{error:?}");
        for secret in ["wr0ng", "s3cret", "nobody"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    for user_info in [":s3cret@", "gateway:pa%3Ass%40@"] {
        let redis = Redis::open(RedisConfig::parse(&as_user(user_info)).unwrap()).await.unwrap();
        let queue = redis.queue().await.unwrap();
        queue.prepare().await.unwrap();
        for shown in [format!("{queue:?}"), format!("{redis:?}"), format!("{:?}", queue.info())] {
            assert!(!shown.contains("s3cret") && !shown.contains("pa:ss"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let mut server = needs_private!(Service::Redis, "opening::a_server_that_is_away_is_unavailable");
    server.stop().await.unwrap();
    let start = Instant::now();
    let error =
        refusal(RedisConfig::parse(&format!("redis://:s3cret@127.0.0.1:{}", server.port())).unwrap()).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)), "{error:?}");
    assert!(error.to_string().contains("127.0.0.1") && !format!("{error:?}").contains("s3cret"));
    assert!(start.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said() {
    let url = needs_service!(Service::Redis, "opening::a_database_that_is_not_there_is_said");
    let (server, _) = url.rsplit_once('/').unwrap();
    let error = refusal(RedisConfig::parse(&format!("{server}/9999")).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.to_string().contains("database"), "{error}");
}

#[tokio::test]
async fn another_type_under_the_streams_key_is_said() {
    let url = needs_service!(Service::Redis, "opening::another_type_under_the_streams_key_is_said");
    let world = World::new(url);
    raw::run::<()>(&world.url, &["SET", &world.name, "theirs"]);
    let error = refusal(world.config()).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.to_string().contains("stream_key"), "{error}");
    assert_eq!(raw::run::<String>(&world.url, &["GET", &world.name]), "theirs");
}

#[tokio::test]
async fn names_that_cannot_work_are_said() {
    let config = || RedisConfig::parse("redis://127.0.0.1:1").unwrap();
    for wrong in [
        config().stream_key(""),
        config().stream_key("a{b"),
        config().consumer_group("a\nb"),
        config().lock_prefix(""),
        config().rate_prefix("x".repeat(600)),
    ] {
        let error = refusal(wrong).await;
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    }
}

#[tokio::test]
async fn it_says_what_it_is() {
    let url = needs_service!(Service::Redis, "opening::it_says_what_it_is");
    let world = World::new(url);
    let info = world.queue().await.info();
    assert_eq!((&*info.name, info.durability), ("redis", Durability::Durable));
    assert!(info.location.contains("database") && !info.location.contains('@'), "{}", info.location);
    assert!(info.version.split('.').count() >= 2, "{}", info.version);
}
