//! RabbitMQ for agent-gateway: a durable execution queue with delayed retry and dead letters.
//!
//! [`RabbitMqQueue`] keeps jobs in a quorum queue, for RabbitMQ 3.10 and newer. It is **not** a store: who may run what, and
//! what became of it, is in the persistence backend.
//!
//! ```no_run
//! # async fn open() -> agent_gateway_core::Result<()> {
//! use agent_gateway_core::ports::queue::ExecutionQueue;
//! use agent_gateway_rabbitmq::{RabbitMqConfig, RabbitMqQueue};
//!
//! let config = RabbitMqConfig::parse("amqp://gateway:secret@rabbit.internal/production")?;
//! let queue = RabbitMqQueue::open(config).await?;
//! queue.prepare().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is on the broker
//!
//! With the default `queue_name`:
//!
//! | name | what | holds |
//! |---|---|---|
//! | `ag.executions` | quorum queue | jobs that can be taken |
//! | `ag.executions.delay.N` | quorum queues, `N` = 1, 4, 16 .. 65536 | jobs that wait for up to `N` seconds |
//! | `ag.executions.dlx` | direct exchange | nothing: the way to the dead ones |
//! | `ag.executions.dead-letter` | quorum queue | the last 10 000 jobs given up; header `agw-reason` says why |
//! | `ag.executions.cancel` | fanout exchange | nothing: requests to stop, to one exclusive queue of each process |
//!
//! Each of them outlives the broker's restart. Two deployments that share a virtual host need two names.
//!
//! Opening asks the server for its version through a connection of its own that leaves before it logs in; the broker's log
//! mentions it as one that the client closed unexpectedly.
//!
//! # Leases
//!
//! The broker knows no time of a lease, so this crate keeps it: a lease is a delivery that is not acknowledged, and a
//! deadline in this process. When the deadline passes, the job goes back to its old place. When the process or its
//! connection dies, the broker hands the job out again, and every lease that was held through the connection is a
//! `Conflict` from then on: its job may already be another worker's. A `complete` or `release` that was under way when the
//! connection broke is `Unavailable`, because nobody knows whether the broker still heard it. Heartbeats tell both sides
//! of a connection that is silent, and `extend` succeeds only when the broker answers.
//!
//! The broker counts the deliveries; a job that is delayed becomes a new message and carries its count in a header. A job
//! that came for a worker which left meanwhile waits a second for another one of this process and then goes back to its
//! old place; before RabbitMQ 4.3 the broker counts that as a delivery too. How often a job may come is not the broker's
//! business: from RabbitMQ 4.0 on, which would give one up that came back 20 times without a delay, the queue is made
//! without that limit. One that was made before the server became 4.0 keeps it, which a warning says. Before RabbitMQ
//! 3.11.15 a lease cannot be longer than the server's `consumer_timeout`, by default 30 minutes; after that it is 24 hours.
//!
//! A delayed or dead job is published before the original is settled. A crash between the two leaves both: delivery is at
//! least once.
//!
//! # Delays
//!
//! A delayed job waits at least its delay. It leaves its delay queue only after those before it, so it may wait as long as
//! the `N` of its queue, which is less than four times its delay (or one second).
//!
//! A delay queue forgets a job only when the broker has confirmed that the main queue keeps it. While that one has no leader
//! or is full, the job stays where it is, and the broker tries again, by default after three minutes; `depth` does not count
//! it meanwhile. A server that was upgraded needs its feature flag `stream_queue` for that: without it, the broker moves a
//! job without a confirm.
//!
//! # When the connection breaks
//!
//! The crate reconnects by itself and does not use lapin's automatic recovery. Recovery revives the channels under their
//! old numbers, and a delivery tag means something only on the channel that it came through: a lease could then settle the
//! job of somebody else. Here everything that belongs to one connection is one session with its own leases; it ends as a
//! whole and a new one begins, with the topology declared again. While there is none, calls wait up to two seconds and
//! answer `Unavailable`.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;

// The port.
mod queue;

// One connection after another.
mod session;
mod supervisor;
mod task;

// What a session does.
mod cancel;
mod desk;
mod intake;
mod publisher;
mod settler;
mod sweeper;

// What is on the wire and on the broker.
mod error;
mod message;
mod names;
mod topology;
mod version;

pub use config::RabbitMqConfig;
pub use queue::RabbitMqQueue;
