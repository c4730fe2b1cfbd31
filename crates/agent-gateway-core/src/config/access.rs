//! `cors`, `rate_limit`, `security`, `proxy`: how the server treats the network around it.
use serde::{Deserialize, Serialize};

use super::texts;
use crate::secret::Secret;

/// The section `cors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsConfig {
    /// Whether browsers of other origins are answered.
    pub enabled: bool,
    /// The origins, or `*`.
    pub allow_origins: Vec<String>,
    /// The methods.
    pub allow_methods: Vec<String>,
    /// The request headers.
    pub allow_headers: Vec<String>,
    /// Whether cookies and credentials may be sent; never together with `*`.
    pub allow_credentials: bool,
    /// Seconds for which a browser may remember the answer.
    pub max_age: u64,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            allow_origins: texts(["*"]),
            allow_methods: texts(["GET", "POST", "DELETE", "OPTIONS"]),
            allow_headers: texts(["Authorization", "Content-Type"]),
            allow_credentials: false,
            max_age: 3600,
        }
    }
}

/// The section `rate_limit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Whether requests are counted.
    pub enabled: bool,
    /// How many in which time, such as `100/minute`.
    pub default_limit: String,
    /// Where the counters are; absent: in this process. It may hold a password.
    pub storage_uri: Option<Secret>,
    /// Whether the client's address is taken from the proxy's header.
    pub trust_forwarded_for: bool,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            default_limit: "100/minute".into(),
            storage_uri: None,
            trust_forwarded_for: false,
        }
    }
}

/// The section `security`: the headers of every answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityConfig {
    /// Whether they are sent.
    pub enabled: bool,
    /// `X-Content-Type-Options`.
    pub x_content_type_options: String,
    /// `X-Frame-Options`.
    pub x_frame_options: String,
    /// `Strict-Transport-Security`; empty omits it.
    pub strict_transport_security: String,
    /// `Content-Security-Policy` of the API.
    pub content_security_policy: String,
    /// `Referrer-Policy`.
    pub referrer_policy: String,
    /// `Content-Security-Policy` of the dashboard's pages.
    pub dashboard_content_security_policy: String,
    /// `Content-Security-Policy` of the API's documentation pages.
    pub docs_content_security_policy: String,
}

/// Pages come with their own scripts and styles, so nothing is fetched from elsewhere and no script stands in a page.
const PAGES: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; \
                     object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            x_content_type_options: "nosniff".into(),
            x_frame_options: "DENY".into(),
            strict_transport_security: "max-age=31536000; includeSubDomains".into(),
            content_security_policy: "default-src 'self'".into(),
            referrer_policy: "strict-origin-when-cross-origin".into(),
            dashboard_content_security_policy: PAGES.into(),
            docs_content_security_policy: PAGES.into(),
        }
    }
}

/// The section `proxy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyConfig {
    /// Whether a proxy's headers tell the client's address and scheme.
    pub trust_forwarded: bool,
    /// The proxies that are believed: addresses separated by commas, or `*`.
    pub forwarded_allow_ips: String,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self { trust_forwarded: false, forwarded_allow_ips: "127.0.0.1".into() }
    }
}
