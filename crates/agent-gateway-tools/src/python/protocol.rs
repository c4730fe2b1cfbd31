//! The lines between the gateway and a worker.
use std::io;

use agent_gateway_core::{
    JsonMap,
    tool::{ToolContext, ToolOutput},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::words::LONGEST_ANSWER;

/// What the shim adds to an answer, at most.
const ENVELOPE: usize = 64 << 10;

/// One call.
#[derive(Debug, Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) id: u64,
    pub(crate) arguments: &'a JsonMap,
    pub(crate) context: &'a ToolContext,
}

impl Request<'_> {
    pub(crate) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

/// What a worker answered to one call.
#[derive(Debug)]
pub(crate) enum Answer {
    Returned(ToolOutput),
    /// The result cannot be taken; the text says why.
    Unusable(String),
    TooLarge(String),
    Raised {
        error: String,
        traceback: String,
    },
    /// As `Raised`, because it asked for a variable that it does not have.
    NoVariable {
        error: String,
        traceback: String,
    },
    /// As `Raised`, and the worker is not to be used again.
    OutOfMemory {
        error: String,
        traceback: String,
    },
}

#[derive(Deserialize)]
struct Wire<'a> {
    id: u64,
    ok: bool,
    /// A null is none, too.
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    kind: Option<Kind>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    traceback: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Raised,
    NoVariable,
    OutOfMemory,
    TooLarge,
}

impl Answer {
    /// Reads the answer to call `id`; `None` when the line is anything else.
    pub(crate) fn parse(line: &[u8], id: u64) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_slice(line).ok().filter(|wire: &Wire<'_>| wire.id == id)?;
        let Wire { ok, result, kind, error, traceback, .. } = wire;
        Some(match (ok, result, kind) {
            (true, None, _) => Self::Returned(ToolOutput::Json(Value::Null)),
            (true, Some(result), _) => match serde_json::from_str(result.get()) {
                Ok(Value::String(text)) => Self::Returned(ToolOutput::Text(text)),
                Ok(value) => Self::Returned(ToolOutput::Json(value)),
                Err(reason) => Self::Unusable(reason.to_string()),
            },
            (false, _, Some(Kind::Raised)) => Self::Raised { error, traceback },
            (false, _, Some(Kind::NoVariable)) => Self::NoVariable { error, traceback },
            (false, _, Some(Kind::OutOfMemory)) => Self::OutOfMemory { error, traceback },
            (false, _, Some(Kind::TooLarge)) => Self::TooLarge(error),
            _ => return None,
        })
    }
}

/// What came of reading a line.
#[derive(Debug)]
pub(crate) enum Line {
    Whole(Vec<u8>),
    TooLong,
    Ended,
}

/// Reads one line, of which never more than an answer's length is held.
pub(crate) async fn read_line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::Ended);
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(available.len(), |end| end + 1);
        line.extend_from_slice(&available[..taken]);
        from.consume(taken);
        if line.len() > LONGEST_ANSWER + ENVELOPE {
            return Ok(Line::TooLong);
        }
        if end.is_some() {
            return Ok(Line::Whole(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_the_answer_to_its_own_call() {
        assert!(matches!(
            Answer::parse(br#"{"id":7,"ok":true,"result":"hi"}"#, 7),
            Some(Answer::Returned(ToolOutput::Text(text))) if text == "hi"
        ));
        for stray in [&br#"{"id":6,"ok":true,"result":1}"#[..], b"hello", br#"{"id":7,"ok":false}"#, b"\xff"]
        {
            assert!(Answer::parse(stray, 7).is_none(), "{stray:?}");
        }
    }

    #[test]
    fn a_result_that_nests_without_end_is_refused_and_not_an_overflow() {
        let deep = format!(r#"{{"id":1,"ok":true,"result":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(Answer::parse(deep.as_bytes(), 1), Some(Answer::Unusable(_))));
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_kept() {
        let mut flood = tokio::io::BufReader::new(tokio::io::repeat(b'x'));
        assert!(matches!(read_line(&mut flood).await, Ok(Line::TooLong)));
        assert!(matches!(read_line(&mut &b"half"[..]).await, Ok(Line::Ended)));
    }
}
