//! Finds the end of an HTTP/1.1 answer in a buffer, and nothing more: what a load generator spends on
//! reading is missing from the server under test.

use anyhow::{Context, Result, bail};

/// An answer that has arrived in full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Where the body begins; of a chunked body the chunk sizes are part of it.
    pub(crate) body: usize,
    /// Where the answer ends.
    pub(crate) end: usize,
    /// Whether the server closes the connection after it.
    pub(crate) closes: bool,
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// The part before the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Where the body begins.
    pub(crate) body: usize,
    pub(crate) framing: Framing,
    /// Whether the server closes the connection after this answer.
    pub(crate) closes: bool,
    /// Whether it is `text/event-stream`.
    pub(crate) events: bool,
}

/// The head at the start of the buffer, or `None` while some of it is still missing.
pub(crate) fn head(buffer: &[u8]) -> Result<Option<Head>> {
    let Some(head_length) = find(buffer, b"\r\n\r\n") else {
        if buffer.len() > 64 * 1024 {
            bail!("an answer's head of more than 64 KiB");
        }
        return Ok(None);
    };
    let head = std::str::from_utf8(buffer.get(..head_length).unwrap_or_default())?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status =
        status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).context("no status line")?;
    let status = status.parse().with_context(|| format!("a strange status line: {status_line}"))?;
    let (mut length, mut chunked, mut closes, mut events) = (None, false, false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>()?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("content-type") {
            events = value.starts_with("text/event-stream");
        }
    }
    let framing = match (chunked, length) {
        (true, _) => Framing::Chunked,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => bail!("an answer without a length"),
    };
    Ok(Some(Head { status, body: head_length + 4, framing, closes, events }))
}

/// The first answer in the buffer, or `None` while some of it is still missing.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Answer>> {
    let Some(Head { status, body, framing, closes, .. }) = head(buffer)? else { return Ok(None) };
    let rest = buffer.get(body..).unwrap_or_default();
    let size = match framing {
        Framing::Chunked => chunked_size(rest)?,
        Framing::Length(length) => (rest.len() >= length).then_some(length),
    };
    Ok(size.map(|size| Answer { status, body, end: body + size, closes }))
}

/// The length of a chunked body with all its chunk sizes, once the last chunk is there.
fn chunked_size(body: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line) = find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(rest.get(..line).unwrap_or_default())?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).with_context(|| format!("a strange chunk size: {size}"))?;
        // The size line, the chunk, and the line end after it.
        at = at.saturating_add(line + 2).saturating_add(size).saturating_add(2);
        if at > body.len() {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(bytes: &[u8]) -> Option<usize> {
        parse(bytes).unwrap().map(|answer| answer.end)
    }

    /// Every proper prefix is incomplete and the whole is complete, also with more behind it.
    fn complete_only_as_a_whole(bytes: &[u8]) {
        for length in 0..bytes.len() {
            assert_eq!(end_of(&bytes[..length]), None, "{length}");
        }
        assert_eq!(end_of(bytes), Some(bytes.len()));
        assert_eq!(end_of(&[bytes, b"HTTP/1.1 200 OK"].concat()), Some(bytes.len()));
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong";
        complete_only_as_a_whole(bytes);
        let answer = parse(bytes).unwrap().unwrap();
        assert_eq!((answer.status, answer.closes), (201, true));
        assert_eq!(&bytes[answer.body..answer.end], b"pong");
    }

    #[test]
    fn a_chunked_body_ends_with_the_empty_chunk() {
        complete_only_as_a_whole(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;x=y\r\npong\r\nA\r\n0123456789\r\n0\r\n\r\n",
        );
    }

    #[test]
    fn what_is_not_http_is_an_error() {
        for bytes in [
            &b"SSH-2.0\r\n\r\n"[..],
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
