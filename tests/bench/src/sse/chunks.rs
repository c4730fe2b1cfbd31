//! A chunked body, piece by piece.

use anyhow::{Context, Result, bail, ensure};

/// A size line longer than this is none.
const LONGEST_LINE: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Chunks {
    stage: Stage,
    /// What there is of a size line or of a trailer.
    line: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Size,
    Data(usize),
    /// The line end after a chunk's data.
    AfterData,
    /// After the last chunk, until an empty line.
    Trailer,
    Ended,
}

impl Chunks {
    /// Hands the payload in `bytes` to `sink` and answers how many bytes were of this body.
    pub(super) fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() && self.stage != Stage::Ended {
            if let Stage::Data(left) = self.stage {
                let (part, after) = rest.split_at(left.min(rest.len()));
                sink(part)?;
                rest = after;
                self.stage =
                    if part.len() == left { Stage::AfterData } else { Stage::Data(left - part.len()) };
                continue;
            }
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.keep(rest)?;
                return Ok(bytes.len());
            };
            let (part, after) = rest.split_at(end + 1);
            self.keep(part)?;
            rest = after;
            self.stage = next(self.stage, self.line.trim_ascii())?;
            self.line.clear();
        }
        Ok(bytes.len() - rest.len())
    }

    pub(super) fn ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    fn keep(&mut self, part: &[u8]) -> Result<()> {
        self.line.extend_from_slice(part);
        ensure!(self.line.len() <= LONGEST_LINE, "a line of more than {LONGEST_LINE} bytes between chunks");
        Ok(())
    }
}

/// What a whole line between the chunks leads to.
fn next(stage: Stage, line: &[u8]) -> Result<Stage> {
    Ok(match (stage, line.is_empty()) {
        (Stage::Size, _) => {
            let size = std::str::from_utf8(line)?.split(';').next().unwrap_or_default().trim();
            let bytes =
                usize::from_str_radix(size, 16).with_context(|| format!("a strange chunk size: {size}"))?;
            if bytes == 0 { Stage::Trailer } else { Stage::Data(bytes) }
        }
        (Stage::AfterData, true) => Stage::Size,
        (Stage::AfterData, false) => bail!("a chunk is longer than its size"),
        (_, true) => Stage::Ended,
        (_, false) => Stage::Trailer,
    })
}
