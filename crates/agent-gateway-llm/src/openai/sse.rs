//! Server-sent events: bytes in, payloads out, under a bound for each event.
//!
//! Lines end with LF, CRLF or CR, and may be cut anywhere by the network. Only `data` matters here: the names and ids of
//! events carry nothing on this wire.
use super::error::Cause;

/// The most bytes of one event.
pub(super) const MAX_EVENT_BYTES: usize = 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The `data` lines of the event that is not complete yet, joined by LF.
    data: Vec<u8>,
    /// The event has a `data` line, though it may be empty.
    has_data: bool,
    /// The last byte was a CR, so that a LF right after it belongs to it.
    after_cr: bool,
    /// The first line, which alone may begin with a byte order mark, is over.
    begun: bool,
}

impl Decoder {
    /// Takes bytes in and gives each payload that they complete to `each`.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), Cause>,
    ) -> Result<(), Cause> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.hold(bytes);
            };
            self.hold(&bytes[..end])?;
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if self.end_of_line() {
                each(&self.data)?;
                self.data.clear();
            }
        }
        Ok(())
    }

    /// The payload that the end of the body left without its blank line.
    pub(super) fn remainder(&mut self) -> &[u8] {
        self.end_of_line();
        &self.data
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        if self.line.len() + self.data.len() + bytes.len() > MAX_EVENT_BYTES {
            return Err(Cause::TooLarge { limit: MAX_EVENT_BYTES });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the held line; true when it ends an event that has data.
    fn end_of_line(&mut self) -> bool {
        let mut line = self.line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let ends_event = line.is_empty();
        if let Some(text) = data_of(line) {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(text);
        }
        self.line.clear();
        ends_event && std::mem::take(&mut self.has_data)
    }
}

/// The value of a `data` field; other fields and comments have none.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}
