//! Is the right server there, and does it let us in? Each protocol is spoken just far enough to know.

mod amqp;
mod postgres;
mod redis;

use std::io::{ErrorKind, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use url::Url;

use super::kind::Service;

/// For a connection, and for each answer.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The right server, and it lets us in.
    Ready,
    /// Something answers that this cannot look into.
    Unchecked(&'static str),
    /// Something answers, but it is not what the tests need.
    Wrong(String),
    /// Nothing answers.
    Nobody(String),
}

/// A URL, read as far as a probe asks.
#[derive(Debug)]
struct Address {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    /// What follows the first `/`.
    path: String,
    encrypted: bool,
}

pub(super) fn probe(service: Service, url: &str) -> Answer {
    let address = match Address::read(service, url) {
        Ok(address) => address,
        Err(error) => return Answer::Wrong(format!("{error:#}")),
    };
    let mut stream = match address.connect() {
        Ok(stream) => stream,
        Err(error) => return Answer::Nobody(format!("{error:#}")),
    };
    if address.encrypted {
        return Answer::Unchecked("encrypted, so not looked into");
    }
    let asked = match service {
        Service::Postgres => postgres::ask(&mut stream, &address),
        Service::Redis => redis::ask(&mut stream, &address),
        Service::RabbitMq => amqp::ask(&mut stream, &address),
    };
    asked.unwrap_or_else(|error| Answer::Wrong(explain(&error)))
}

/// The error with silence and a closed connection in words.
fn explain(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(in_words).collect();
    causes.join(": ")
}

fn in_words(cause: &(dyn std::error::Error + 'static)) -> String {
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(ErrorKind::WouldBlock | ErrorKind::TimedOut) => "it gives no answer".to_owned(),
        Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            "it closes the connection".to_owned()
        }
        _ => cause.to_string(),
    }
}

impl Address {
    fn read(service: Service, text: &str) -> Result<Self> {
        // The text itself may hold a password, so no error repeats it.
        let url = Url::parse(text).context("its URL cannot be read")?;
        let schemes: &[&str] = match service {
            Service::Postgres => &["postgres", "postgresql"],
            Service::Redis => &["redis", "rediss"],
            Service::RabbitMq => &["amqp", "amqps"],
        };
        if !schemes.contains(&url.scheme()) {
            bail!("its URL begins with {}:, not {}:", url.scheme(), schemes.join(": or "));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).context("its URL names no host")?;
        let wants_tls = |(key, value): (_, std::borrow::Cow<'_, str>)| {
            key == "sslmode" && matches!(&*value, "require" | "verify-ca" | "verify-full")
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or_else(|| service.default_port()),
            user: decode(url.username()),
            password: url.password().map(decode),
            path: decode(url.path().strip_prefix('/').unwrap_or_default()),
            encrypted: matches!(url.scheme(), "rediss" | "amqps") || url.query_pairs().any(wants_tls),
        })
    }

    fn connect(&self) -> Result<TcpStream> {
        let at = format!("{}:{}", self.host, self.port);
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let mut why = None;
        for address in addresses.with_context(|| format!("{at} has no address"))? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    return Ok(stream);
                }
                Err(error) => why = Some(error),
            }
        }
        match why {
            Some(error) if error.kind() == ErrorKind::ConnectionRefused => {
                bail!("nothing listens at {at}")
            }
            Some(error) => Err(error).with_context(|| format!("{at} cannot be reached")),
            None => bail!("{at} has no address"),
        }
    }
}

/// Resolves `%2f` and the like.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads what has a length of its own; a stranger's length must not become our memory.
fn read_exactly(stream: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    if length > 64 * 1024 {
        bail!("it speaks another protocol");
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
