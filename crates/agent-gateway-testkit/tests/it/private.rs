use agent_gateway_testkit::{Service, needs_private};

async fn lives_through(service: Service, test: &str) {
    let mut server = needs_private!(service, test);
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_private_redis_is_stopped_killed_and_started_again() {
    lives_through(Service::Redis, "private::redis").await;
}

#[tokio::test]
async fn a_private_postgres_is_stopped_killed_and_started_again() {
    lives_through(Service::Postgres, "private::postgres").await;
}

#[tokio::test]
async fn a_private_rabbitmq_is_stopped_killed_and_started_again() {
    lives_through(Service::RabbitMq, "private::rabbitmq").await;
}
