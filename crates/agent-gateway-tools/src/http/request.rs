//! What an HTTP tool sends: a URL, headers and a body made of templates and arguments.
use std::collections::BTreeSet;

use agent_gateway_core::{Error, JsonMap, Result, tool::HttpHandler};
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::template::{Known, Template, Unknown, encode, plain};

/// The templates of one tool.
#[derive(Debug)]
pub(crate) struct RequestTemplate {
    pub(crate) method: Method,
    path: Template,
    query: Vec<Template>,
    headers: Vec<(HeaderName, Template)>,
    body: Option<BodyTemplate>,
    /// Arguments that have a placeholder.
    used: BTreeSet<String>,
}

/// One request, ready to be sent, more than once if need be.
pub(crate) struct Prepared {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<String>,
}

#[derive(Debug)]
enum BodyTemplate {
    Fixed(Value),
    Text(Template),
    List(Vec<BodyTemplate>),
    Map(Vec<(String, BodyTemplate)>),
}

impl RequestTemplate {
    /// `Misconfigured` when the definition cannot make a request.
    pub(crate) fn new(handler: &HttpHandler, known: &Known<'_>) -> Result<Self> {
        let method = match handler.method.as_str() {
            "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "PATCH" | "DELETE" => handler.method.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| {
            Error::misconfigured("not a method of an HTTP tool").with("method", &handler.method)
        })?;

        let url = Template::parse(&handler.url, known, Unknown::Refuse)?;
        let mut used: BTreeSet<String> = url.arguments().into_iter().map(str::to_owned).collect();
        let whole = url.split('#').into_iter().next().unwrap_or_default();
        let mut pieces = whole.split('?').into_iter();
        let path = pieces.next().unwrap_or_default();
        check_authority(&path)?;
        let query = pieces.flat_map(|piece| piece.split('&')).collect();

        let mut headers = Vec::new();
        for (name, value) in &handler.headers {
            let value = Template::parse(value.expose(), known, Unknown::Refuse)?;
            used.extend(value.arguments().into_iter().map(str::to_owned));
            headers.push((header_name(name)?, value));
        }
        let body = handler.body.as_ref().map(|body| BodyTemplate::new(body, known, &mut used)).transpose()?;
        Ok(Self { method, path, query, headers, body, used })
    }

    /// The address as far as it does not depend on arguments: scheme, host and port at least.
    pub(crate) fn origin(&self) -> Result<Url> {
        let prefix = self.path.prefix();
        Url::parse(prefix).map_err(|reason| {
            Error::misconfigured(
                "the URL of the tool is not valid: it begins with http:// or https:// and a host",
            )
            .caused_by(reason)
        })
    }

    /// Fills the templates. `Invalid` when the arguments do not make a request.
    pub(crate) fn fill(&self, arguments: &JsonMap) -> Result<Prepared> {
        let unused = || arguments.iter().filter(|(name, _)| !self.used.contains(*name));
        let mut headers = HeaderMap::new();
        for (name, template) in &self.headers {
            // A header whose argument was left out is left out too.
            let Ok(value) = template.fill(arguments, str::to_owned) else { continue };
            let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
                Error::invalid(format!("an argument does not fit into the header `{name}`: no line breaks"))
            })?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let has_body = matches!(self.method, Method::POST | Method::PUT | Method::PATCH);
        let body = match &self.body {
            Some(body) => Some(body.fill(arguments).unwrap_or_default()),
            None if has_body => {
                Some(unused().map(|(name, value)| (name.clone(), value.clone())).collect::<JsonMap>().into())
            }
            None => None,
        };
        let rest: Vec<_> = if body.is_none() { unused().collect() } else { Vec::new() };
        let url = self.url(arguments, &rest)?;
        let body = body.map(|body| write_body(&body, &mut headers));
        Ok(Prepared { url, headers, body })
    }

    fn url(&self, arguments: &JsonMap, rest: &[(&String, &Value)]) -> Result<Url> {
        let path = self.path.fill(arguments, encode).map_err(needed)?;
        for name in self.path.arguments() {
            if arguments.get(name).and_then(plain).is_none_or(|text| text.is_empty()) {
                return Err(needed(name));
            }
        }
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(Error::invalid("an argument stands for a part of a path: it may not be `.` or `..`"));
        }
        // A pair whose argument was left out is left out too.
        let mut pairs: Vec<String> =
            self.query.iter().filter_map(|pair| pair.fill(arguments, encode).ok()).collect();
        for (name, value) in rest {
            let values =
                if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(*value) };
            for text in values.iter().filter_map(plain) {
                pairs.push(format!("{}={}", encode(name), encode(&text)));
            }
        }
        let url = if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) };
        // The parser's reason is told, not the URL: it may hold a secret.
        Url::parse(&url)
            .map_err(|reason| Error::invalid(format!("the URL of the tool is not valid: {reason}")))
    }
}

/// A model must not choose the host: placeholders come after it.
fn check_authority(path: &Template) -> Result<()> {
    let complete = path.prefix().split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if complete || path.arguments().is_empty() {
        return Ok(());
    }
    Err(Error::misconfigured(
        "placeholders of a URL belong into its path or query, not before or into its host",
    ))
}

fn needed(name: &str) -> Error {
    Error::invalid(format!("the argument `{name}` is needed and may not be empty"))
}

fn header_name(name: &str) -> Result<HeaderName> {
    let wrong = |reason| Error::misconfigured(reason).with("header", name);
    let name: HeaderName = name.parse().map_err(|_| wrong("not a name of a header"))?;
    if matches!(name, CONTENT_LENGTH | TRANSFER_ENCODING) {
        return Err(wrong("this header follows from the body and cannot be set"));
    }
    Ok(name)
}

/// The body in the form that the content type asks for, which is JSON unless a header says otherwise.
fn write_body(body: &Value, headers: &mut HeaderMap) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    match body {
        Value::Object(fields) if kind.starts_with("application/x-www-form-urlencoded") => {
            let fields = fields.iter().filter_map(|(name, value)| Some((name, plain(value)?)));
            form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
        }
        Value::String(text) if !kind.is_empty() && !kind.contains("json") => text.clone(),
        _ => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            body.to_string()
        }
    }
}

impl BodyTemplate {
    fn new(body: &Value, known: &Known<'_>, used: &mut BTreeSet<String>) -> Result<Self> {
        Ok(match body {
            Value::String(text) => {
                let template = Template::parse(text, known, Unknown::Keep)?;
                used.extend(template.arguments().into_iter().map(str::to_owned));
                Self::Text(template)
            }
            Value::Array(items) => {
                Self::List(items.iter().map(|item| Self::new(item, known, used)).collect::<Result<_>>()?)
            }
            Value::Object(fields) => {
                let field = |(name, value): (&String, _)| Ok((name.clone(), Self::new(value, known, used)?));
                Self::Map(fields.iter().map(field).collect::<Result<_>>()?)
            }
            other => Self::Fixed(other.clone()),
        })
    }

    /// `None` for a placeholder whose argument was left out: a field goes, an item is null.
    fn fill(&self, arguments: &JsonMap) -> Option<Value> {
        Some(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => match template.sole_argument() {
                Some(name) => arguments.get(name)?.clone(),
                None => template.fill_leniently(arguments).into(),
            },
            Self::List(items) => {
                items.iter().map(|item| item.fill(arguments).unwrap_or_default()).collect::<Vec<_>>().into()
            }
            Self::Map(fields) => {
                let fields =
                    fields.iter().filter_map(|(name, item)| Some((name.clone(), item.fill(arguments)?)));
                fields.collect::<JsonMap>().into()
            }
        })
    }
}
