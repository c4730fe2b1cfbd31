//! RabbitMQ for agent-gateway: a durable execution queue with delayed retry and dead letters.
