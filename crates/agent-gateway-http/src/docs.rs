//! `/openapi.json` and the pages that show it. Everything comes from memory, nothing from another host.
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::reply::mount_prefix;

/// The version of the files in `assets/swagger-ui`.
const SWAGGER_UI: &str = "5.35.0";
const PAGE: &[u8] = include_bytes!("../assets/index.html");
const INIT: &[u8] = include_bytes!("../assets/init.js");
const STYLE: &[u8] = include_bytes!("../assets/swagger-ui/swagger-ui.css");
const SCRIPT: &[u8] = include_bytes!("../assets/swagger-ui/swagger-ui-bundle.js");

/// The description, written once for the place where it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Document(Arc<Written>);

#[derive(Debug)]
struct Written {
    value: Value,
    at_root: Bytes,
}

impl Document {
    pub(crate) fn new(value: Value) -> Self {
        let at_root = value.to_string().into();
        Self(Arc::new(Written { value, at_root }))
    }

    /// The description; mounted below a prefix, it says so.
    pub(crate) fn answer(&self, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        let bytes = match mount_prefix(&parts) {
            "" => self.0.at_root.clone(),
            prefix => {
                let mut value = self.0.value.clone();
                value["servers"] = json!([{"url": prefix}]);
                value.to_string().into()
            }
        };
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        file(&parts.headers, "application/json", &etag, bytes)
    }
}

pub(crate) fn page(headers: &HeaderMap) -> Response {
    asset(headers, "text/html; charset=utf-8", PAGE)
}

pub(crate) fn init(headers: &HeaderMap) -> Response {
    asset(headers, "text/javascript; charset=utf-8", INIT)
}

pub(crate) fn style(headers: &HeaderMap) -> Response {
    asset(headers, "text/css; charset=utf-8", STYLE)
}

pub(crate) fn script(headers: &HeaderMap) -> Response {
    asset(headers, "text/javascript; charset=utf-8", SCRIPT)
}

/// The other name of the pages. The target is relative, so that it holds below a prefix too.
pub(crate) fn redirect() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("docs"));
    response
}

fn asset(headers: &HeaderMap, media_type: &'static str, bytes: &'static [u8]) -> Response {
    let etag = format!("\"{SWAGGER_UI}-{}\"", env!("CARGO_PKG_VERSION"));
    file(headers, media_type, &etag, Bytes::from_static(bytes))
}

/// The bytes, or 304 when the browser has them.
fn file(asked: &HeaderMap, media_type: &'static str, etag: &str, bytes: Bytes) -> Response {
    let known = asked.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| {
        tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*")
    });
    let mut response = Response::new(if is_known { Body::empty() } else { Body::from(bytes) });
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
