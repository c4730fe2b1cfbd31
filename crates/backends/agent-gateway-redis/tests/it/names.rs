//! The keys of locks and rate limits.
use std::{num::NonZeroU32, time::Duration};

use agent_gateway_core::ports::{
    lock::Lock,
    rate::{Quota, RateStore},
};
use agent_gateway_testkit::{Service, needs_private, needs_service};

use super::{
    raw,
    world::{MINUTE, World},
};

#[tokio::test]
async fn a_lock_is_one_key_under_the_prefix_and_no_name_is_the_counters() {
    let world = World::new(needs_service!(
        Service::Redis,
        "names::a_lock_is_one_key_under_the_prefix_and_no_name_is_the_counters"
    ));
    let lock = world.redis().await.lock();
    let mut held = Vec::new();
    for name in ["nightly", "fence", ":fence", "::fence"] {
        held.push(lock.acquire(name, MINUTE).await.unwrap().unwrap());
    }
    let prefix = format!("{}:lock:", world.name);
    let token: String = raw::run(&world.url, &["GET", &format!("{prefix}nightly")]);
    assert_eq!(token, held[0].token());
    for guard in held {
        lock.release(guard).await.unwrap();
    }
    assert_eq!(world.keys(), [format!("{prefix}:fence")]);
}

#[tokio::test]
async fn fences_rise_although_the_server_lost_its_data() {
    let server = needs_private!(Service::Redis, "names::fences_rise_although_the_server_lost_its_data");
    let world = World::new(server.url());
    let lock = world.redis().await.lock();
    let mut last = None;
    for _ in 0..5 {
        let guard = lock.acquire("nightly", MINUTE).await.unwrap().unwrap();
        assert!(last < Some(guard.fence()), "{last:?}, {guard:?}");
        last = Some(guard.fence());
        raw::run::<()>(&world.url, &["FLUSHALL"]);
        // The counter begins at the time of day, in milliseconds.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_rate_limit_is_one_key_until_its_units_are_back() {
    let world =
        World::new(needs_service!(Service::Redis, "names::a_rate_limit_is_one_key_until_its_units_are_back"));
    let rates = world.redis().await.rates();
    let quota = Quota::new(NonZeroU32::new(10).unwrap(), Duration::from_secs(1)).unwrap();
    let _ = rates.charge("user:1", 0, &quota).await.unwrap();
    assert!(world.keys().is_empty(), "a look leaves nothing");
    let _ = rates.charge("user:1", 3, &quota).await.unwrap();
    let key = format!("{}:rate:user:1", world.name);
    assert_eq!(world.keys(), [key.as_str()]);
    let left: u64 = raw::run(&world.url, &["PTTL", &key]);
    assert!((1..=302).contains(&left), "three of ten units come in 300 ms, the key lives {left}");
    // Rubbish under the key counts as nothing used.
    raw::run::<()>(&world.url, &["SET", &key, "rubbish"]);
    assert_eq!(rates.charge("user:1", 1, &quota).await.unwrap().standing().remaining, 9);
}
