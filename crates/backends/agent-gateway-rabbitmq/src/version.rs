//! Which version the server is.
//!
//! The driver does not pass on what a server says of itself, so a short connection asks, and leaves before it logs in.
use std::io;

use agent_gateway_core::{Error, Result};
use futures::{AsyncReadExt, AsyncWriteExt};
use lapin::{
    runtime::default_runtime,
    tcp::AMQPUriTcpExt,
    types::{AMQPValue, FieldTable, parsing::parse_field_table},
    uri::AMQPUri,
};

use crate::error::convert;

/// The first version whose quorum queues let messages expire, and forget them only when the next queue has them.
const OLDEST: Version = Version { major: 3, minor: 10 };
/// The first version whose quorum queues bury what came back too often.
const LIMITS: Version = Version { major: 4, minor: 0 };
/// What a client says first.
const HELLO: &[u8] = b"AMQP\x00\x00\x09\x01";
/// How a server's first frame begins: a method of channel 0.
const METHOD: [u8; 3] = [1, 0, 0];
/// The frame's type, channel and length.
const HEAD: usize = 7;
/// `connection.start` and the protocol's version, before what the server says of itself.
const START: [u8; 6] = [0, 10, 0, 10, 0, 9];
/// No server says more than that of itself.
const MOST: u32 = 64 * 1024;

/// The version of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// Whether the broker gives a job up by itself that came back often.
    pub(crate) fn limits_deliveries(self) -> bool {
        self >= LIMITS
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map_while(|part| part.parse().ok());
        Some(Self { major: parts.next()?, minor: parts.next()? })
    }
}

/// Asks a server. One that is too old, or does not say, is `Misconfigured`.
pub(crate) async fn ask(uri: &AMQPUri) -> Result<Version> {
    let facts = greet(uri).await.map_err(|error| convert("rabbitmq.open", error))?;
    let facts = facts
        .ok_or_else(|| wrong("this is no RabbitMQ server, or not its port for AMQP 0-9-1: check the URL"))?;
    let text = match facts.inner().get("version") {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        _ => String::new(),
    };
    Version::read(&text).filter(|version| *version >= OLDEST).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        wrong("the RabbitMQ server is too old: 3.10 or newer is needed").with("version", shown)
    })
}

/// What the server says of itself; nothing when it speaks something else.
async fn greet(uri: &AMQPUri) -> lapin::Result<Option<FieldTable>> {
    let mut stream = uri.connect_async(&default_runtime()?).await?;
    stream.write_all(HELLO).await?;
    stream.flush().await?;
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await?;
    let [a, b, c, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if [a, b, c] != METHOD || length > MOST {
        return Ok(None);
    }
    let mut start = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    stream.read_exact(&mut start).await?;
    // The frame's end: whoever leaves with something unread cuts the connection instead of closing it.
    stream.read_exact(&mut [0]).await?;
    let facts = start.strip_prefix(&START).and_then(|facts| parse_field_table(facts).ok());
    Ok(facts.map(|(_, facts)| facts))
}

fn wrong(message: &'static str) -> Error {
    Error::misconfigured(message).during("rabbitmq.open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared() {
        let read = |text| Version::read(text).unwrap();
        for (text, limits) in
            [("3.10.0", false), ("3.13.7", false), ("4.0.1", true), ("4.1.0-beta.2+1.g", true)]
        {
            assert!(read(text) >= OLDEST, "{text}");
            assert_eq!(read(text).limits_deliveries(), limits, "{text}");
        }
        assert!(read("3.9.29") < OLDEST);
        for unknown in ["", "3", "new", "x.1"] {
            assert_eq!(Version::read(unknown), None, "{unknown}");
        }
    }
}
