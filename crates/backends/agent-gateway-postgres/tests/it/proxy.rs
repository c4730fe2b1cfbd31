//! A way to the server that can be cut.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_gateway_testkit::private::free_port;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::Url;

/// What becomes of the next commit.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Commit {
    /// It passes.
    Passes,
    /// It never reaches the server.
    IsLost,
    /// The server does it, and its answer is lost.
    IsUnanswered,
}

/// Ends every connection when it is dropped, and takes no more.
pub(crate) struct Proxy {
    /// The server's URL by way of this proxy.
    pub(crate) url: String,
    commit: Arc<AtomicU8>,
    cut: Arc<AtomicUsize>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// A proxy before the server of `url`, on this port or, with 0, a free one.
    pub(crate) async fn before(url: &str, port: u16) -> Self {
        let mut url = Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let port = if port == 0 { free_port().unwrap() } else { port };
        let listener = listen(port).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // Commits are looked for in what passes.
        url.query_pairs_mut().append_pair("sslmode", "disable");
        let (commit, cut) = (Arc::new(AtomicU8::new(Commit::Passes as u8)), Arc::new(AtomicUsize::new(0)));
        let (wanted, done) = (commit.clone(), cut.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut passing = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                passing.spawn(pass(client, server, wanted.clone(), done.clone()));
            }
        });
        Self { url: url.into(), commit, cut, _accepting: accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        Url::parse(&self.url).unwrap().port().unwrap()
    }

    /// Decides about the next commit.
    pub(crate) fn next_commit(&self, commit: Commit) {
        self.commit.store(commit as u8, Ordering::SeqCst);
    }

    /// How many commits were cut off.
    pub(crate) fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }
}

/// Listens. The one that was there before may still be going.
async fn listen(port: u16) -> TcpListener {
    for _ in 0..100 {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("port {port} stays taken")
}

async fn pass(mut client: TcpStream, mut server: TcpStream, commit: Arc<AtomicU8>, cut: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let message = &asked[..length];
                let commits = message.windows(7).any(|part| part == b"COMMIT\0");
                let fate = if commits { commit.swap(Commit::Passes as u8, Ordering::SeqCst) } else { 0 };
                if fate == Commit::IsLost as u8 {
                    cut.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                if server.write_all(message).await.is_err() {
                    return;
                }
                if fate == Commit::IsUnanswered as u8 {
                    let _ = server.read(&mut answered).await;
                    cut.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
