//! PostgreSQL's protocol 3: a start-up message, and what it says until it is ready for a query.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};

use super::{Address, Answer, read_exactly};

/// Protocol 3.0.
const VERSION: u32 = 196_608;
/// A server says some thirty things before it is ready.
const MESSAGES: usize = 200;

pub(super) fn ask(stream: &mut (impl Read + Write), address: &Address) -> Result<Answer> {
    let user = Some(address.user.as_str()).filter(|user| !user.is_empty()).unwrap_or("postgres");
    let database = Some(address.path.as_str()).filter(|name| !name.is_empty()).unwrap_or(user);
    let mut start = VERSION.to_be_bytes().to_vec();
    for text in ["user", user, "database", database] {
        start.extend(text.as_bytes());
        start.push(0);
    }
    start.push(0);
    send(stream, &[], &start)?;
    for _ in 0..MESSAGES {
        let (kind, body) = receive(stream)?;
        match kind {
            b'R' => match (code(&body)?, &address.password) {
                (0, _) => {}
                (3, Some(password)) => {
                    send(stream, b"p", &[password.as_bytes(), &[0]].concat())?;
                }
                (_, Some(_)) => return Ok(Answer::Unchecked("its password is not tried here")),
                (_, None) => bail!("it asks {user} for a password"),
            },
            b'E' => bail!("it says {}", message(&body)),
            b'Z' => {
                // A polite end keeps the server's log clean; nothing hangs on it.
                drop(send(stream, b"X", &[]));
                return Ok(Answer::Ready);
            }
            b'S' | b'K' | b'N' | b'v' => {}
            _ => break,
        }
    }
    bail!("it speaks another protocol")
}

fn send(stream: &mut impl Write, kind: &[u8], body: &[u8]) -> Result<()> {
    let length = u32::try_from(body.len() + 4)?.to_be_bytes();
    Ok(stream.write_all(&[kind, &length, body].concat())?)
}

fn receive(stream: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let head = read_exactly(stream, 5)?;
    let (kind, length) = head.split_first().context("no head")?;
    let length = usize::try_from(code(length)?)?.checked_sub(4).context("it speaks another protocol")?;
    Ok((*kind, read_exactly(stream, length)?))
}

fn code(body: &[u8]) -> Result<u32> {
    Ok(u32::from_be_bytes(*body.first_chunk().context("it speaks another protocol")?))
}

/// The text of an error: the field `M`.
fn message(body: &[u8]) -> String {
    let mut fields = body.split(|byte| *byte == 0);
    let text = fields.find_map(|field| field.strip_prefix(b"M")).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
