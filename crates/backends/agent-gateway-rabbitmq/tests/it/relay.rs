//! A way to the broker that can be cut.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Passes bytes on between its port and the broker, until it is cut.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) url: String,
    way: watch::Sender<Way>,
    cuts: AtomicU64,
    _passing: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// For connections that were made since the last cut, which have this number.
    Open(u64),
    /// Nothing goes through, and nobody is told.
    Silent,
    Cut,
}

impl Relay {
    /// A relay before the broker of `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (login, place) = rest.rsplit_once('@').unwrap();
        let (place, vhost) = place.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = watch::Sender::new(Way::Open(0));
        let (target, ways) = (place.to_owned(), way.subscribe());
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let connections = Arc::new(Mutex::new(JoinSet::new()));
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let (target, mut ways) = (target.clone(), ways.clone());
                connections.lock().unwrap().spawn(async move {
                    let mine = *ways.borrow();
                    if !matches!(mine, Way::Open(_)) {
                        return;
                    }
                    let mut there = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                        _ = ways.wait_for(|way| *way != mine) => {}
                    }
                    let _ = ways.wait_for(|way| *way != Way::Silent).await;
                });
            }
        });
        Self {
            url: format!("{scheme}://{login}@{address}/{vhost}"),
            way,
            cuts: AtomicU64::new(0),
            _passing: passing,
        }
    }

    /// Cuts every connection, and lets no other through.
    pub(crate) fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }

    /// Lets nothing through, without a word.
    pub(crate) fn fall_silent(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Cuts every connection that there is, and lets new ones through.
    pub(crate) fn mend(&self) {
        let number = self.cuts.fetch_add(1, Ordering::Relaxed) + 1;
        self.way.send_replace(Way::Open(number));
    }
}
