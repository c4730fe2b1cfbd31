//! How the model answers a streamed call, which the bench changes between its phases, and the answer itself.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What a streamed chat says, one delta each.
pub(crate) const DELTAS: [&str; 20] = [
    "one",
    " two",
    " three",
    " four",
    " five",
    " six",
    " seven",
    " eight",
    " nine",
    " ten",
    " eleven",
    " twelve",
    " thirteen",
    " fourteen",
    " fifteen",
    " sixteen",
    " seventeen",
    " eighteen",
    " nineteen",
    " twenty",
];

/// A model that keeps its caller waiting says so in a comment, as providers do, before the caller loses patience.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    #[serde(default)]
    pub(crate) says: Says,
    /// Milliseconds before each delta; the last one holds for all that follow, none is 0.
    #[serde(default)]
    pub(crate) pauses_ms: Vec<u64>,
    #[serde(default)]
    pub(crate) gate: Gate,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Says {
    /// One delta, in one piece with what belongs to it.
    #[default]
    Pong,
    /// `DELTAS`.
    Deltas,
    /// A call of the tool, and "pong" to whoever brings what the tool answered.
    CallFirst,
}

/// Whether an answer may go on to its first delta.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Gate {
    #[default]
    Open,
    /// Answers begin and then wait until another script opens the gate.
    Closed,
}

impl Script {
    fn pause_before(&self, delta: usize) -> Duration {
        let pause = self.pauses_ms.get(delta).or(self.pauses_ms.last());
        Duration::from_millis(pause.copied().unwrap_or_default())
    }
}

/// The script that holds, and how many answers wait at its gate.
#[derive(Debug)]
pub(crate) struct Stage {
    script: watch::Sender<Script>,
    waiting: Arc<AtomicUsize>,
}

impl Stage {
    pub(crate) fn new(script: Script) -> Self {
        Self { script: watch::Sender::new(script), waiting: Arc::default() }
    }

    /// Holds for the answers that begin from now on; those that wait only learn whether the gate is open.
    pub(crate) fn play(&self, script: Script) {
        self.script.send_replace(script);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn says(&self) -> Says {
        self.script.borrow().says
    }

    /// The events of one answer, each ready when the script says so.
    pub(crate) fn answer(&self) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
        let telling = Telling {
            script: self.script.borrow().clone(),
            gate: self.script.subscribe(),
            waiting: self.waiting.clone(),
            next: Next::Opening,
        };
        stream::unfold(telling, |mut telling| async move {
            let event = telling.event().await?;
            Some((Ok(event), telling))
        })
    }
}

/// One answer under way.
struct Telling {
    script: Script,
    gate: watch::Receiver<Script>,
    waiting: Arc<AtomicUsize>,
    next: Next,
}

#[derive(Clone, Copy)]
enum Next {
    Opening,
    Gate,
    Delta(usize),
    Finish,
    Usage,
    Done,
    Nothing,
}

impl Telling {
    async fn event(&mut self) -> Option<Bytes> {
        let (event, next) = match self.next {
            Next::Opening => (chunk(r#"{"role":"assistant","content":""}"#), Next::Gate),
            Next::Gate => {
                let _seat = Seat::take(&self.waiting, self.script.gate);
                let open = self.gate.wait_for(|script| script.gate == Gate::Open);
                if timeout(SIGN_OF_LIFE, open).await.is_err() {
                    (Bytes::from_static(b": still thinking\n\n"), Next::Gate)
                } else {
                    self.delta(0).await
                }
            }
            Next::Delta(at) => self.delta(at).await,
            Next::Finish => (finish(), Next::Usage),
            Next::Usage => (usage(), Next::Done),
            Next::Done => (Bytes::from_static(b"data: [DONE]\n\n"), Next::Nothing),
            Next::Nothing => return None,
        };
        self.next = next;
        Some(event)
    }

    async fn delta(&self, at: usize) -> (Bytes, Next) {
        let pause = self.script.pause_before(at);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let text = DELTAS.get(at).copied().unwrap_or_default();
        let next = if at + 1 < DELTAS.len() { Next::Delta(at + 1) } else { Next::Finish };
        (chunk(&format!(r#"{{"content":"{text}"}}"#)), next)
    }
}

/// A place at the closed gate, given up also when the caller goes away.
struct Seat(Option<Arc<AtomicUsize>>);

impl Seat {
    fn take(waiting: &Arc<AtomicUsize>, gate: Gate) -> Self {
        Self((gate == Gate::Closed).then(|| {
            waiting.fetch_add(1, Ordering::Relaxed);
            waiting.clone()
        }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

const BEFORE: &str = r#"data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,"model":"bench-model","choices":["#;

fn chunk(delta: &str) -> Bytes {
    format!("{BEFORE}{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n").into()
}

fn finish() -> Bytes {
    format!("{BEFORE}{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n").into()
}

fn usage() -> Bytes {
    let usage = r#"{"prompt_tokens":12,"completion_tokens":20,"total_tokens":32}"#;
    format!("{BEFORE}],\"usage\":{usage}}}\n\n").into()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::StreamExt;
    use tokio::time::Instant;

    use super::*;

    fn stage(pauses_ms: &[u64], gate: Gate) -> Stage {
        Stage::new(Script { says: Says::Deltas, pauses_ms: pauses_ms.to_vec(), gate })
    }

    #[tokio::test]
    async fn an_answer_is_twenty_deltas_usage_and_the_end() {
        let events: Vec<Bytes> = stage(&[], Gate::Open).answer().map(Result::unwrap).collect().await;
        let events: Vec<&str> =
            events.iter().map(|event| std::str::from_utf8(event).unwrap().trim_end()).collect();
        let (last, chunks) = events.split_last().unwrap();
        assert_eq!(*last, "data: [DONE]");
        let chunks: Vec<serde_json::Value> = chunks
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        let said = |chunk: &serde_json::Value| {
            chunk["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
                .filter(|text| !text.is_empty())
        };
        assert_eq!(chunks.iter().filter_map(said).collect::<Vec<_>>(), DELTAS);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks[21]["choices"][0]["finish_reason"], "stop");
        assert_eq!(chunks[22]["usage"]["completion_tokens"], 20);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_come_before_their_deltas_and_the_last_one_stays() {
        let stage = stage(&[50, 7, 3], Gate::Open);
        let began = Instant::now();
        let mut answer = pin!(stage.answer());
        answer.next().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        for expected in [50, 57, 60, 63] {
            answer.next().await;
            assert_eq!(began.elapsed().as_millis(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_holds_answers_until_it_is_opened() {
        let stage = stage(&[], Gate::Closed);
        let mut answer = Box::pin(stage.answer());
        answer.next().await;
        let sign = answer.next().await.unwrap().unwrap();
        assert!(sign.starts_with(b":"), "{sign:?}");
        let mut gone = Box::pin(stage.answer());
        gone.next().await;
        {
            let (mut first, mut second) = (answer.next(), gone.next());
            assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
            assert_eq!(stage.waiting(), 2);
        }
        drop(gone);
        assert_eq!(stage.waiting(), 1);
        stage.play(Script::default());
        assert_eq!(answer.count().await, 23);
        assert_eq!(stage.waiting(), 0);
    }

    #[test]
    fn a_script_is_read_strictly() {
        let script: Script =
            serde_json::from_str(r#"{"says":"deltas","pauses_ms":[0,2],"gate":"closed"}"#).unwrap();
        assert_eq!(script, Script { says: Says::Deltas, pauses_ms: vec![0, 2], gate: Gate::Closed });
        assert!(serde_json::from_str::<Script>(r#"{"pause_ms":[0]}"#).is_err());
    }
}
