//! The headers of every answer, made once.
use agent_gateway_core::{Error, Result, config::SecurityConfig};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that replace those of the same name.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderSet(Vec<(HeaderName, HeaderValue)>);

impl HeaderSet {
    /// Those of the API.
    pub(crate) fn api(security: &SecurityConfig) -> Result<Self> {
        Self::new(security, &security.content_security_policy)
    }

    /// Those of the documentation's pages, which load their own scripts and styles.
    pub(crate) fn docs(security: &SecurityConfig) -> Result<Self> {
        Self::new(security, &security.docs_content_security_policy)
    }

    fn new(security: &SecurityConfig, policy: &str) -> Result<Self> {
        if !security.enabled {
            return Ok(Self::default());
        }
        let wanted = [
            (header::X_CONTENT_TYPE_OPTIONS, security.x_content_type_options.as_str()),
            (header::X_FRAME_OPTIONS, &security.x_frame_options),
            (header::REFERRER_POLICY, &security.referrer_policy),
            (header::STRICT_TRANSPORT_SECURITY, &security.strict_transport_security),
            (header::CONTENT_SECURITY_POLICY, policy),
        ];
        let filled = wanted.into_iter().filter(|(_, text)| !text.is_empty());
        filled.map(|(name, text)| Ok((name.clone(), value(&name, text)?))).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }
}

fn value(name: &HeaderName, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| {
        Error::misconfigured("a security header has characters that no header may have")
            .with("header", name)
            .caused_by(error)
    })
}
