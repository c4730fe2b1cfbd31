//! What a load generator asks, made once.

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;
use url::Url;

#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// Where to POST; plain HTTP.
    #[arg(long)]
    pub(crate) url: Url,
    /// The JSON to send.
    #[arg(long)]
    body: String,
    /// A further header, `name: value`; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
}

/// The address to connect to and the bytes to send.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) address: String,
    pub(crate) request: Vec<u8>,
}

impl Target {
    pub(crate) fn prepare(&self) -> Result<Prepared> {
        let url = &self.url;
        if url.scheme() != "http" {
            bail!("only http:// is spoken here, not {}://", url.scheme());
        }
        let host = url.host_str().context("the URL has no host")?;
        let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
        let query = url.query().map_or(String::new(), |query| format!("?{query}"));
        let mut text = format!("POST {}{query} HTTP/1.1\r\nhost: {address}\r\n", url.path());
        for header in &self.headers {
            let (name, value) =
                header.split_once(':').with_context(|| format!("not `name: value`: {header}"))?;
            text.push_str(&format!("{}: {}\r\n", name.trim(), value.trim()));
        }
        let length = self.body.len();
        text.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {length}\r\n\r\n{}",
            self.body
        ));
        Ok(Prepared { address, request: text.into_bytes() })
    }
}

impl Prepared {
    pub(crate) async fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(&self.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
