//! The server: accepts connections and hands requests to a router.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::config::GatewayConfig;
use axum::Router;
use hyper::{Request, body::Incoming, service::Service};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::Instant,
};

/// What the server allows.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Connections that may be open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long a new connection may take to send the head of its first request.
    pub header_read_timeout: Duration,
    /// How long a connection may be idle between requests, and how long the head of a later request may take.
    pub keep_alive_timeout: Duration,
    /// How long a shutdown waits for requests under way.
    pub drain: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_read_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            drain: Duration::from_secs(30),
        }
    }
}

impl ServeOptions {
    /// The limits of a configuration.
    #[must_use]
    pub fn from_config(config: &GatewayConfig) -> Self {
        Self {
            max_connections: config.server.max_connections,
            drain: Duration::from_secs(config.queue.drain_timeout_s),
            ..Self::default()
        }
    }
}

/// Pause after an accept that failed because of the machine, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Requests that one HTTP/2 connection may have under way.
const MAX_STREAMS: u32 = 256;

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) until `shutdown` resolves, then lets requests under way end for at most
/// `options.drain`. Answers how many connections were cut off.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let server = Server::new(router, options);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = server.accept(&listener) => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((socket, seat)) => {
                connections.spawn(server.connection(socket, seat));
            }
            // The peer is gone already: nothing is wrong here.
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    server.drain(connections).await
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

struct Server {
    router: Router,
    options: ServeOptions,
    http: auto::Builder<TokioExecutor>,
    seats: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl Server {
    fn new(router: Router, options: ServeOptions) -> Self {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(options.keep_alive_timeout);
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .keep_alive_interval(options.keep_alive_timeout)
            .keep_alive_timeout(options.header_read_timeout);
        let seats = Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
        Self { router, options, http, seats, graceful: GracefulShutdown::new() }
    }

    /// The next connection, once there is a seat for it.
    async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let seat = self.seats.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (socket, _) = listener.accept().await?;
        // Small answers must not wait for each other. On a socket that is gone already this fails, and harms nobody.
        let _ = socket.set_nodelay(true);
        Ok((socket, seat))
    }

    /// Serves one connection to its end. One that sends no whole request in time is closed, also before it has shown which
    /// version of HTTP it speaks.
    fn connection(
        &self,
        socket: TcpStream,
        seat: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        let asked = Arc::new(AtomicBool::new(false));
        let service = Noticing { inner: TowerToHyperService::new(self.router.clone()), asked: asked.clone() };
        let connection = self.http.serve_connection(TokioIo::new(socket), service).into_owned();
        let connection = self.graceful.watch(connection);
        let deadline = Instant::now() + self.options.header_read_timeout;
        async move {
            let _seat = seat;
            let mut connection = std::pin::pin!(connection);
            tokio::select! {
                ended = &mut connection => return log(ended),
                () = tokio::time::sleep_until(deadline) => {}
            }
            if asked.load(Ordering::Relaxed) {
                log(connection.await);
            }
        }
    }

    async fn drain<T: 'static>(self, mut connections: JoinSet<T>) -> usize {
        let ended = async {
            self.graceful.shutdown().await;
            while connections.join_next().await.is_some() {}
        };
        if tokio::time::timeout(self.options.drain, ended).await.is_ok() {
            return 0;
        }
        let cut_off = connections.len();
        tracing::warn!(connections = cut_off, "requests are still under way and are cut off");
        connections.shutdown().await;
        cut_off
    }
}

/// A connection that ends badly is the peer's doing, and no news.
fn log(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

/// Remembers whether a request has come.
#[derive(Clone)]
struct Noticing {
    inner: TowerToHyperService<Router>,
    asked: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Noticing {
    type Response = axum::response::Response;
    type Error = std::convert::Infallible;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        self.inner.call(request)
    }
}
