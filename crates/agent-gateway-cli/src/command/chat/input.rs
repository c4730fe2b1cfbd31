//! Where the messages come from.
use std::{
    io::{self, BufRead, Read},
    sync::{Arc, atomic::AtomicBool, mpsc},
};

use anyhow::{Context, Result, bail};
use tokio::sync::oneshot;

use super::editor::Editor;

/// The longest line that is read, in bytes: more than the longest message can have.
const MOST_BYTES: u64 = 512 * 1024;

/// One thing that was said.
#[derive(Debug)]
pub(super) enum Said {
    /// A message or a command.
    Text(String),
    /// Nothing more comes.
    Nothing,
}

/// Something that messages are read from. It may wait for ever.
pub(super) trait Source {
    fn read(&mut self) -> io::Result<Said>;
}

/// The messages of a conversation. A terminal or a pipe is read by a thread of its own, which nobody needs to wait for.
pub(super) enum Input {
    /// One message.
    Once(Option<String>),
    /// As many as come.
    Asked { ask: mpsc::Sender<oneshot::Sender<io::Result<Said>>>, stop: Arc<AtomicBool> },
}

impl Input {
    /// The prompt of the terminal.
    pub(super) fn prompt() -> Result<Self> {
        Self::asked(Editor::new)
    }

    /// The lines of stdin.
    pub(super) fn lines() -> Result<Self> {
        Self::asked(|_| Lines)
    }

    fn asked<S: Source>(make: impl FnOnce(Arc<AtomicBool>) -> S + Send + 'static) -> Result<Self> {
        let (ask, asked) = mpsc::channel::<oneshot::Sender<io::Result<Said>>>();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let reader = move || {
            let mut source = make(stopped);
            for answer in asked {
                // Nobody listens any more when the command ends.
                let _ = answer.send(source.read());
            }
        };
        std::thread::Builder::new()
            .name("chat-input".to_owned())
            .spawn(reader)
            .context("no thread for input")?;
        Ok(Self::Asked { ask, stop })
    }

    /// Waits for the next message.
    pub(super) async fn next(&mut self) -> Result<Said> {
        let Self::Asked { ask, .. } = self else {
            let Self::Once(message) = self else { return Ok(Said::Nothing) };
            return Ok(message.take().map_or(Said::Nothing, Said::Text));
        };
        let (answer, answered) = oneshot::channel();
        if ask.send(answer).is_err() {
            bail!("the input cannot be read any more");
        }
        answered.await.context("the input cannot be read any more")?.context("the input cannot be read")
    }

    /// What tells a prompt that is waited for to give the terminal back. The wait then ends.
    pub(super) fn stop(&self) -> Arc<AtomicBool> {
        match self {
            Self::Asked { stop, .. } => stop.clone(),
            Self::Once(_) => Arc::default(),
        }
    }
}

/// Lines of stdin, each a message.
struct Lines;

impl Source for Lines {
    fn read(&mut self) -> io::Result<Said> {
        line(&mut io::stdin().lock())
    }
}

fn line(from: &mut impl BufRead) -> io::Result<Said> {
    let mut bytes = Vec::new();
    from.take(MOST_BYTES + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Said::Nothing);
    }
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!(
            "a line is longer than {MOST_BYTES} bytes; nothing of it was sent"
        )));
    }
    let mut text = String::from_utf8(bytes)
        .map_err(|_| io::Error::other("a line is not UTF-8; nothing of it was sent"))?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(Said::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_and_is_text() {
        let mut from = io::Cursor::new(b"one\r\n\ntwo".to_vec());
        let mut next = || match line(&mut from).unwrap() {
            Said::Text(text) => Some(text),
            Said::Nothing => None,
        };
        let said = [next(), next(), next(), next()];
        assert_eq!(said, [Some("one".to_owned()), Some(String::new()), Some("two".to_owned()), None]);
        let long = vec![b'x'; usize::try_from(MOST_BYTES).unwrap() + 1];
        assert!(line(&mut io::Cursor::new(long)).unwrap_err().to_string().contains("longer"));
        assert!(line(&mut io::Cursor::new(b"\xff\n")).unwrap_err().to_string().contains("UTF-8"));
    }
}
