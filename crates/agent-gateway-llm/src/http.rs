//! The connections: pooled, with small packets sent at once, and without redirects.
use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use agent_gateway_core::{Error, Result};
use reqwest::{Client, ClientBuilder, redirect};
use url::{Host, Url};

use crate::limits::Timeouts;

/// How long a connection is kept that nobody needs.
const KEEP_IDLE: Duration = Duration::from_secs(30);
/// How many of them. Each holds some 20 KiB; under steady load a few are idle at any moment, and after a wave the rest go.
const IDLE_PER_HOST: usize = 64;

/// The pooled connections that all clients of one gateway share. Cloning shares the pool.
///
/// Nothing is opened, and no certificate is read, before the first call.
#[derive(Clone)]
pub struct HttpPool(Arc<Inner>);

struct Inner {
    connect: Duration,
    /// To this machine, in clear: no proxy and no certificates.
    loopback: OnceLock<Client>,
    /// To everywhere else: by the proxy of the environment, with the system's certificates.
    outside: OnceLock<Client>,
    /// The same two for code that reads answers without a bound: what is sent must not grow when it is unpacked.
    loopback_unpacked: OnceLock<Client>,
    outside_unpacked: OnceLock<Client>,
}

/// Whether answers may come compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Allowed,
    Never,
}

impl HttpPool {
    /// A pool whose connections must stand within `timeouts.connect`.
    #[must_use]
    pub fn new(timeouts: &Timeouts) -> Self {
        let connect = timeouts.connect;
        Self(Arc::new(Inner {
            connect,
            loopback: OnceLock::new(),
            outside: OnceLock::new(),
            loopback_unpacked: OnceLock::new(),
            outside_unpacked: OnceLock::new(),
        }))
    }

    /// The client for `url`.
    pub(crate) fn client(&self, url: &Url) -> Result<Client> {
        self.make(url, Packing::Allowed)
    }

    /// The client for `url` of code that reads answers without a bound of its own: it takes no compressed ones.
    pub(crate) fn unpacked(&self, url: &Url) -> Result<Client> {
        self.make(url, Packing::Never)
    }

    fn make(&self, url: &Url, packing: Packing) -> Result<Client> {
        let loopback = is_plain_loopback(url);
        let place = match (loopback, packing) {
            (true, Packing::Allowed) => &self.0.loopback,
            (false, Packing::Allowed) => &self.0.outside,
            (true, Packing::Never) => &self.0.loopback_unpacked,
            (false, Packing::Never) => &self.0.outside_unpacked,
        };
        if let Some(client) = place.get() {
            return Ok(client.clone());
        }
        install_tls_provider();
        let built = if loopback {
            self.builder(packing).no_proxy().tls_certs_only([]).build()
        } else {
            // A machine without certificates can still reach a model server in clear.
            self.builder(packing).build().or_else(|error| {
                tracing::warn!(%error, "no system certificates: https model providers cannot be reached");
                self.builder(packing).tls_certs_only([]).build()
            })
        };
        let client = built.map_err(|error| {
            Error::misconfigured("the HTTP client for model providers cannot be set up").caused_by(error)
        })?;
        // When two calls come here at once, both use the client of the first.
        Ok(place.get_or_init(|| client).clone())
    }

    fn builder(&self, packing: Packing) -> ClientBuilder {
        let builder = Client::builder();
        let builder = if packing == Packing::Never { builder.no_gzip() } else { builder };
        builder
            .connect_timeout(self.0.connect)
            .tcp_nodelay(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .pool_idle_timeout(KEEP_IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .user_agent(concat!("agent-gateway/", env!("CARGO_PKG_VERSION")))
    }
}

impl fmt::Debug for HttpPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPool").field("connect", &self.0.connect).finish_non_exhaustive()
    }
}

fn is_plain_loopback(url: &Url) -> bool {
    let host = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    host && url.scheme() == "http"
}

/// The binary chooses the cryptography; where it has not, as in a program that embeds the gateway, this crate does.
fn install_tls_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that somebody else was faster, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_in_clear_goes_around_the_proxy() {
        let loopback = |text: &str| is_plain_loopback(&Url::parse(text).unwrap());
        for url in
            ["http://127.0.0.1:1/v1", "http://127.9.9.9/", "http://localhost:11434", "http://[::1]:8000/v1"]
        {
            assert!(loopback(url), "{url}");
        }
        for url in
            ["https://127.0.0.1/v1", "http://10.0.0.1/v1", "https://localhost/", "http://localhost.example/"]
        {
            assert!(!loopback(url), "{url}");
        }
    }

    #[test]
    fn clients_are_built_without_an_installed_provider() {
        let pool = HttpPool::new(&Timeouts::default());
        for url in ["http://127.0.0.1:1/v1", "https://api.example/v1"] {
            assert!(pool.client(&Url::parse(url).unwrap()).is_ok(), "{url}");
        }
    }
}
