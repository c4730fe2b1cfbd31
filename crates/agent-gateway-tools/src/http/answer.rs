//! What comes back from an HTTP tool's server.
use agent_gateway_core::{Error, Result, tool::ToolOutput};
use reqwest::{Response, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

use crate::words::shorten;

/// The most bytes of a response, after decompression.
const LONGEST_BODY: usize = 1 << 20;
/// The most characters of a failed response that the model sees.
const LONGEST_FAILURE: usize = 4000;

/// A response that was read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    kind: String,
    body: Vec<u8>,
}

/// Why there is no answer.
pub(crate) enum Unread {
    /// The body is longer than it may be.
    TooLarge,
    /// The connection failed on the way.
    Failed(reqwest::Error),
}

impl Answer {
    pub(crate) async fn read(mut response: Response) -> Result<Self, Unread> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        if response.content_length().is_some_and(|length| length > LONGEST_BODY as u64) {
            return Err(Unread::TooLarge);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Unread::Failed)? {
            if body.len() + chunk.len() > LONGEST_BODY {
                return Err(Unread::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self { status: response.status(), kind, body })
    }

    /// The output of a tool: JSON where the server says that it is, text otherwise.
    pub(crate) fn output(self, tool: &str) -> Result<ToolOutput> {
        if !self.status.is_success() {
            return Err(self.failure(tool));
        }
        if self.body.is_empty() {
            return Ok(ToolOutput::Json(Value::Null));
        }
        let essence = self.kind.split(';').next().unwrap_or_default().trim();
        if (essence == "application/json" || essence.ends_with("+json"))
            && let Ok(value) = serde_json::from_slice(&self.body)
        {
            return Ok(ToolOutput::Json(value));
        }
        match String::from_utf8(self.body) {
            Ok(text) => Ok(ToolOutput::Text(text)),
            Err(bytes) if essence.starts_with("text/") => {
                Ok(ToolOutput::Text(String::from_utf8_lossy(bytes.as_bytes()).into_owned()))
            }
            Err(bytes) => {
                let (length, kind) =
                    (bytes.as_bytes().len(), if essence.is_empty() { "no type" } else { essence });
                Err(Error::unsupported(format!(
                    "the tool `{tool}` answered {length} bytes of {kind}, which is no text"
                )))
            }
        }
    }

    fn failure(&self, tool: &str) -> Error {
        let (status, body) = (self.status, String::from_utf8_lossy(&self.body));
        let body = shorten(body.trim(), LONGEST_FAILURE);
        let text = if status.is_redirection() {
            format!(
                "the tool `{tool}` answered HTTP {status}: it points to another address, which is not followed"
            )
        } else if body.is_empty() {
            format!("the tool `{tool}` answered HTTP {status}")
        } else {
            format!("the tool `{tool}` answered HTTP {status}: {body}")
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS => Error::rate_limited(text),
            StatusCode::NOT_FOUND => Error::not_found(text),
            status if status.is_server_error() => Error::unavailable(text),
            status if status.is_redirection() => Error::misconfigured(text),
            _ => Error::invalid(text),
        }
    }
}
