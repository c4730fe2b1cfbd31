//! AMQP 0-9-1: the header, a plain log-in, and opening the virtual host.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};

use super::{Address, Answer, read_exactly};

const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
const FRAME_END: u8 = 0xCE;
/// Class and method of `Connection.*`.
const START: [u8; 4] = [0, 10, 0, 10];
const START_OK: [u8; 4] = [0, 10, 0, 11];
const TUNE: [u8; 4] = [0, 10, 0, 30];
const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
const OPEN: [u8; 4] = [0, 10, 0, 40];
const OPEN_OK: [u8; 4] = [0, 10, 0, 41];
const CLOSE: [u8; 4] = [0, 10, 0, 50];

pub(super) fn ask(stream: &mut (impl Read + Write), address: &Address) -> Result<Answer> {
    stream.write_all(HEADER)?;
    expect(stream, START)?;

    let user = if address.user.is_empty() { "guest" } else { &address.user };
    let password = address.password.as_deref().unwrap_or("guest");
    let login = format!("\0{user}\0{password}");
    let no_properties = [0; 4];
    send(
        stream,
        &[START_OK.as_slice(), &no_properties, &short("PLAIN")?, &long(&login)?, &short("en_US")?].concat(),
    )?;
    let limits = expect(stream, TUNE).with_context(|| format!("it refuses {user}"))?;

    // Its own limits are taken as they are.
    send(stream, &[TUNE_OK.as_slice(), &limits].concat())?;
    let host = if address.path.is_empty() { "/" } else { &address.path };
    send(stream, &[OPEN.as_slice(), &short(host)?, &[0, 0]].concat())?;
    expect(stream, OPEN_OK).with_context(|| format!("it refuses the virtual host {host}"))?;

    // Reply code 200, no text, no culprit. Nothing hangs on its answer.
    drop(send(stream, &[CLOSE.as_slice(), &[0, 200, 0, 0, 0, 0, 0]].concat()));
    Ok(Answer::Ready)
}

fn send(stream: &mut impl Write, method: &[u8]) -> Result<()> {
    let length = u32::try_from(method.len())?.to_be_bytes();
    Ok(stream.write_all(&[&[1, 0, 0], length.as_slice(), method, &[FRAME_END]].concat())?)
}

/// The arguments of the method that must come next.
fn expect(stream: &mut impl Read, wanted: [u8; 4]) -> Result<Vec<u8>> {
    let head = read_exactly(stream, 7)?;
    let (Some([1, 0, 0]), Some(length)) = (head.first_chunk(), head.last_chunk()) else {
        bail!("it speaks another protocol")
    };
    let body = read_exactly(stream, usize::try_from(u32::from_be_bytes(*length))?)?;
    let end = read_exactly(stream, 1)?;
    match body.split_first_chunk() {
        Some((method, arguments)) if *method == wanted && end == [FRAME_END] => Ok(arguments.to_vec()),
        Some((&CLOSE, arguments)) => bail!("it says {}", reason(arguments)),
        _ => bail!("it speaks another protocol"),
    }
}

/// The text of a `Close`: after the code, a short string.
fn reason(arguments: &[u8]) -> String {
    let text = arguments.get(2..).and_then(|rest| rest.split_first());
    let text = text.and_then(|(length, rest)| rest.get(..usize::from(*length))).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn short(text: &str) -> Result<Vec<u8>> {
    Ok([&[u8::try_from(text.len())?], text.as_bytes()].concat())
}

fn long(text: &str) -> Result<Vec<u8>> {
    Ok([u32::try_from(text.len())?.to_be_bytes().as_slice(), text.as_bytes()].concat())
}
