//! Messages that are no jobs, and jobs that are given up.
use agent_gateway_core::ports::queue::{Depth, ExecutionQueue, Redelivery};
use agent_gateway_testkit::Service;
use lapin::{
    BasicProperties,
    options::{BasicGetOptions, BasicPublishOptions},
    types::AMQPValue,
};

use super::world::{World, depth_becomes, job, next};

#[tokio::test]
async fn malformed_messages_go_to_the_dead_ones_and_stop_nothing() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::malformed_messages");
    let world = World::new(url);
    let queue = world.open().await;
    let (_connection, channel) = world.channel().await;
    let newer = BasicProperties::default().with_type("agent-gateway.job.v9".into());
    let good = serde_json::to_vec(&job()).unwrap();
    for (body, properties) in [
        (&b"no json"[..], BasicProperties::default()),
        (b"", BasicProperties::default()),
        (b"{\"execution_id\": \"../etc\"}", BasicProperties::default()),
        (&good, newer),
    ] {
        let sent = channel.basic_publish(
            "".into(),
            world.name.as_str().into(),
            BasicPublishOptions::default(),
            body,
            properties,
        );
        sent.await.unwrap();
    }
    // The same channel keeps the order, so the job comes after those.
    let job = job();
    while queue.depth().await.unwrap().ready < 4 {}
    queue.enqueue(&job).await.unwrap();
    let leased = next(&queue).await;
    assert_eq!((&leased.job, leased.delivery), (&job, 1));
    queue.complete(leased.lease).await.unwrap();
    depth_becomes(&queue, Depth { dead: 4, ..Depth::default() }).await;
}

#[tokio::test]
async fn a_dead_job_says_why_within_bounds() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_dead_job_says_why");
    let world = World::new(url);
    let queue = world.open().await;
    let job = job();
    queue.enqueue(&job).await.unwrap();
    let leased = next(&queue).await;
    queue.release(leased.lease, Redelivery::Dead("für immer ".repeat(500))).await.unwrap();
    assert_eq!(world.messages(".dead-letter", 1).await, 1);
    let (_connection, channel) = world.channel().await;
    let name = format!("{}.dead-letter", world.name);
    let got = channel.basic_get(name.into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    let headers = got.properties.headers().as_ref().unwrap().inner();
    let Some(AMQPValue::LongString(reason)) = headers.get("agw-reason") else { panic!("{headers:?}") };
    assert!(reason.to_string().starts_with("für immer"), "{reason}");
    assert!(reason.as_bytes().len() <= 1024, "{}", reason.as_bytes().len());
    assert_eq!(headers.get("agw-deliveries"), Some(&AMQPValue::LongLongInt(1)));
    assert_eq!(serde_json::from_slice::<agent_gateway_core::ports::queue::Job>(&got.data).unwrap(), job);
}
