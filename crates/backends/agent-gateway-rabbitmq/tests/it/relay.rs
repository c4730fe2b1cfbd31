//! A way to the broker that can be cut.
use std::sync::{Arc, Mutex};

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
    _passing: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
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
        let way = watch::Sender::new(Way::Open);
        let (target, ways) = (place.to_owned(), way.subscribe());
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let connections = Arc::new(Mutex::new(JoinSet::new()));
            loop {
                let (mut here, _) = listener.accept().await.unwrap();
                let (target, mut ways) = (target.clone(), ways.clone());
                connections.lock().unwrap().spawn(async move {
                    if *ways.borrow() != Way::Open {
                        return;
                    }
                    let mut there = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut here, &mut there) => {}
                        _ = ways.wait_for(|way| *way != Way::Open) => {}
                    }
                    let _ = ways.wait_for(|way| *way != Way::Silent).await;
                });
            }
        });
        Self { url: format!("{scheme}://{login}@{address}/{vhost}"), way, _passing: passing }
    }

    /// Cuts every connection, and lets no other through.
    pub(crate) fn cut(&self) {
        self.way.send_replace(Way::Cut);
    }

    /// Lets nothing through, without a word.
    pub(crate) fn fall_silent(&self) {
        self.way.send_replace(Way::Silent);
    }

    /// Lets connections through again.
    pub(crate) fn mend(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Cuts every connection once.
    pub(crate) async fn blink(&self) {
        self.cut();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        self.mend();
    }
}
