//! Server-sent events, piece by piece. Lines end with LF or CRLF; a lone CR, which the standard allows, is not
//! understood, since neither server writes it.

use anyhow::{Result, ensure};

/// No event of this bench comes near it.
const LARGEST: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Events {
    /// What there is of a line.
    line: Vec<u8>,
    event: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// Hands each event that `bytes` complete to `sink`: its type and its data. Comments, ids and events without
    /// data are passed over.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (part, after) = rest.split_at(end + 1);
            rest = after;
            if self.line.is_empty() {
                self.whole_line(part, &mut sink)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.whole_line(&line, &mut sink)?;
                line.clear();
                self.line = line;
            }
        }
        self.line.extend_from_slice(rest);
        ensure!(self.line.len() + self.data.len() <= LARGEST, "an event of more than {LARGEST} bytes");
        Ok(())
    }

    fn whole_line(&mut self, line: &[u8], sink: &mut impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if !self.data.is_empty() {
                let event: &[u8] = if self.event.is_empty() { b"message" } else { &self.event };
                sink(event, &self.data)?;
            }
            self.event.clear();
            self.data.clear();
            return Ok(());
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            b"data" => {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            _ => {}
        }
        Ok(())
    }
}
