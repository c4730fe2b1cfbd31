//! The guard of outgoing calls whose address a workspace, a user or a model had a part in.
//!
//! It looks at addresses, not at names: a name is resolved once, what may not be reached is taken out, and the
//! connection goes to what is left. So a name that changes its address between check and use changes nothing.
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use agent_gateway_core::{Error, Result, tool::HttpReach};
use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::{
    ClientBuilder,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use url::{Host, Url};

const CONNECT: Duration = Duration::from_secs(10);

/// Decides which addresses may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlGuard {
    reach: HttpReach,
}

/// What kind of network an address belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The internet.
    Public,
    /// Loopback, private (RFC 1918, unique local) and carrier-grade NAT: for [`HttpReach::Private`] alone.
    Private,
    /// Link-local, cloud metadata, multicast, unspecified, documentation, reserved, translated: for nobody.
    Special,
}

/// An address that may not be called. It is the cause in the error of a client that the guard made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    host: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no address that may be called: it is private or special", self.host)
    }
}

impl std::error::Error for Refused {}

impl UrlGuard {
    /// A guard that lets through what `reach` says.
    #[must_use]
    pub fn new(reach: HttpReach) -> Self {
        Self { reach }
    }

    /// Whether `address` may be called.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match network(address) {
            Network::Public => true,
            Network::Private => self.reach == HttpReach::Private,
            Network::Special => false,
        }
    }

    /// Checks what can be checked without resolving: the scheme is http or https, there is no user or password, and
    /// an address in place of a name may be called. `Forbidden` otherwise.
    ///
    /// Only a client of [`UrlGuard::client`] checks the rest, so a URL that passes is to be called with one.
    pub fn check(self, url: &Url) -> Result<()> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Error::forbidden("only http and https may be called").with("scheme", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::forbidden("a URL may not hold a user or a password: use a header"));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(Error::invalid("the URL has no host")),
        };
        if self.allows(address) { Ok(()) } else { Err(refusal(&Refused { host: address.to_string() })) }
    }

    /// A client that connects to vetted addresses alone, follows no redirect and uses no proxy, which would resolve
    /// names by itself. Addresses in place of names do not pass the resolver: [`UrlGuard::check`] each URL first.
    pub fn client(self) -> ClientBuilder {
        install_crypto();
        ClientBuilder::new()
            .dns_resolver(Arc::new(Resolver(self)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
    }

    /// Whether a client's error comes of the guard: then this is it, as `Forbidden`.
    #[must_use]
    pub fn refusal_in(error: &reqwest::Error) -> Option<Error> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(refused) = current.downcast_ref::<Refused>() {
                return Some(refusal(refused));
            }
            cause = current.source();
        }
        None
    }
}

fn refusal(refused: &Refused) -> Error {
    Error::forbidden(refused.to_string())
}

/// Resolves names to the addresses that the guard allows.
#[derive(Debug)]
struct Resolver(UrlGuard);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Refused { host: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// TLS needs one provider of cryptography for the process. Whoever comes first installs it.
fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as good.
        rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const PRIVATE_V4: [Ipv4Net; 5] = [
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
];

/// The IANA registry of special-purpose addresses, and the metadata services that hide in ordinary ranges.
const SPECIAL_V4: [Ipv4Net; 12] = [
    v4(0, 0, 0, 0, 8),
    v4(100, 100, 100, 200, 32),
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// Parts of the global range that are not the internet: tunnels, documentation, benchmarks.
const SPECIAL_V6: [Ipv6Net; 4] =
    [v6(0x2001, 0, 0, 23), v6(0x2001, 0xdb8, 0, 32), v6(0x2002, 0, 0, 16), v6(0x3fff, 0, 0, 20)];
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);
const UNIQUE_LOCAL: Ipv6Net = v6(0xfc00, 0, 0, 7);
/// The metadata service of AWS, within the unique local range.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// NAT64 carries an IPv4 address in its last 32 bits, as mapped addresses do.
const NAT64: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// The network that `address` belongs to. What is not known to be public is special.
#[must_use]
pub fn network(address: IpAddr) -> Network {
    match address {
        IpAddr::V4(address) => network_v4(address),
        IpAddr::V6(address) => network_v6(address),
    }
}

fn network_v4(address: Ipv4Addr) -> Network {
    if SPECIAL_V4.iter().any(|net| net.contains(&address)) {
        Network::Special
    } else if PRIVATE_V4.iter().any(|net| net.contains(&address)) {
        Network::Private
    } else {
        Network::Public
    }
}

fn network_v6(address: Ipv6Addr) -> Network {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return network_v4(mapped);
    }
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return network_v4(Ipv4Addr::new(a, b, c, d));
    }
    if address == METADATA_V6 {
        Network::Special
    } else if address.is_loopback() || UNIQUE_LOCAL.contains(&address) {
        Network::Private
    } else if GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|net| net.contains(&address)) {
        Network::Public
    } else {
        Network::Special
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(addresses: &[&str]) -> Vec<(String, Network)> {
        addresses.iter().map(|text| ((*text).to_owned(), network(text.parse().unwrap()))).collect()
    }

    #[test]
    fn knows_the_networks() {
        let public =
            ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::101:101"];
        let private = [
            "10.1.2.3",
            "127.0.0.1",
            "127.8.8.8",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "::1",
            "fc00::1",
            "fd12::1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
        ];
        let special = [
            "0.0.0.0",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "fe80::1",
            "ff02::1",
            "fec0::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b:1::1",
            "100::1",
        ];
        for (addresses, wanted) in [
            (&public[..], Network::Public),
            (&private[..], Network::Private),
            (&special[..], Network::Special),
        ] {
            for (address, found) in networks(addresses) {
                assert_eq!(found, wanted, "{address}");
            }
        }
    }

    #[test]
    fn refuses_by_the_url_alone() {
        let public = UrlGuard::new(HttpReach::Public);
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "http://a:b@example.org/",
            "http://a@example.org/",
        ] {
            assert!(public.check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(public.check(&Url::parse("https://example.org/a?b").unwrap()).is_ok());
        let private = UrlGuard::new(HttpReach::Private);
        assert!(private.check(&Url::parse("http://127.0.0.1:8080/").unwrap()).is_ok());
        assert!(private.check(&Url::parse("http://169.254.169.254/").unwrap()).is_err());
    }
}
