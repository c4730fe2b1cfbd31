//! A line between a client and the gateway that breaks once.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Passes everything on, and cuts the first connection that carries a stream in the middle of a frame.
pub(crate) struct Cable {
    port: u16,
    streams: Arc<AtomicUsize>,
    // Aborts every connection when dropped.
    _tasks: JoinSet<()>,
}

impl Cable {
    /// A line to this port of this machine that breaks behind so many frames.
    pub(crate) async fn to(port: u16, frames: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, streams) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let counter = streams.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let line = Line { frames, streams: counter.clone(), open: None };
                // A line ends when either side does.
                lines.spawn(async move { drop(line.run(client, port).await) });
            }
        });
        Self { port: at, streams, _tasks: tasks }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many requests for streams came through.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }
}

struct Line {
    frames: usize,
    streams: Arc<AtomicUsize>,
    /// How many frames may still pass, once this line carries the first stream.
    open: Option<usize>,
}

impl Line {
    async fn run(mut self, mut client: TcpStream, port: u16) -> io::Result<()> {
        let mut gateway = TcpStream::connect(("127.0.0.1", port)).await?;
        let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
        loop {
            tokio::select! {
                read = client.read(&mut up) => {
                    let asked = &up[..read?];
                    if asked.is_empty() {
                        return Ok(());
                    }
                    self.notice(asked);
                    gateway.write_all(asked).await?;
                }
                read = gateway.read(&mut down) => {
                    let told = &down[..read?];
                    let passed = self.pass(told);
                    client.write_all(&told[..passed]).await?;
                    if passed < told.len() || told.is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn notice(&mut self, asked: &[u8]) {
        let asked = String::from_utf8_lossy(asked);
        let is_stream = asked.contains("/events HTTP/1.1") || asked.contains("\"stream\"");
        if is_stream && self.streams.fetch_add(1, Ordering::SeqCst) == 0 {
            self.open = Some(self.frames);
        }
    }

    /// How much of this passes: all of it, or what comes before the break, with the first bytes of the frame in which it is.
    fn pass(&mut self, told: &[u8]) -> usize {
        let Some(open) = &mut self.open else { return told.len() };
        let mut passed = 0;
        while *open > 0 {
            let Some(end) = told[passed..].windows(2).position(|two| two == b"\n\n") else {
                return told.len();
            };
            passed += end + 2;
            *open -= 1;
        }
        told.len().min(passed + 12)
    }
}
