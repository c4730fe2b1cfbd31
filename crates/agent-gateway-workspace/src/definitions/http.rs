//! A tool that is an HTTP call.
use std::{collections::BTreeMap, time::Duration};

use agent_gateway_core::{
    secret::Secret,
    tool::{Handler, HttpHandler, HttpReach},
};
use serde::Deserialize;
use serde_json::Value;

use super::{Reading, document::Document, tool::ToolFile};
use crate::substitute::{substitute, undefined};

/// The time of a call that sets none.
const HTTP_TIMEOUT: Duration = Duration::from_secs(15);
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

#[derive(Debug, Deserialize)]
pub(super) struct HttpFile {
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    body: Option<Value>,
    timeout_ms: Option<u64>,
}

impl Reading<'_> {
    pub(super) fn http(
        &mut self,
        document: &Document,
        file: &ToolFile,
        http: &HttpFile,
        parameters: &Value,
    ) -> Option<Handler> {
        let default = if http.body.is_some() { "POST" } else { "GET" };
        let method = http.method.as_deref().unwrap_or(default).trim().to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            let finding = document.place("http.method").error("http.method", "is not a method; not served");
            self.report(finding.hint(format!("one of {}", METHODS.join(", "))));
            return None;
        }
        // The placeholders are filled in at each call; here it is only made sure that they can be.
        let address = self.fillable(document, "http.url", &http.url)?;
        if !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
            let finding = document
                .place("http.url")
                .error("http.url", "must begin with http:// or https://; not served");
            self.report(finding);
            return None;
        }
        for (name, value) in &http.headers {
            self.fillable(document, &format!("http.headers.{name}"), value.expose())?;
        }
        let mut texts = Vec::new();
        http.body.iter().for_each(|body| gather_texts(body, &mut texts));
        for text in &texts {
            self.fillable(document, "http.body", text)?;
        }
        self.check_placeholders(document, &http.url, parameters)?;
        let (key, given) = match http.timeout_ms {
            Some(given) => ("http.timeout_ms", Some(given)),
            None => ("timeout_ms", file.timeout_ms),
        };
        let timeout = match given {
            Some(_) => self.timeout(document, key, given),
            None => HTTP_TIMEOUT.min(self.timeout(document, key, None)),
        };
        Some(Handler::Http(HttpHandler {
            method,
            url: http.url.clone(),
            headers: http.headers.clone(),
            body: http.body.clone(),
            timeout,
            reach: if self.tools.allow_private_network { HttpReach::Private } else { HttpReach::Public },
        }))
    }

    /// The text with its variables; `None` when one is not set, which is reported. `${}` is text.
    fn fillable(&mut self, document: &Document, key: &str, text: &str) -> Option<String> {
        let missing = match substitute(text, self.vars) {
            Ok(text) => return Some(text),
            Err(names) => names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(),
        };
        if missing.is_empty() {
            return Some(text.to_owned());
        }
        let (message, hint) = undefined(&missing);
        self.report(document.place(key).error(key, &format!("{message}; not served")).hint(hint));
        None
    }

    /// Arguments that the address uses must be parameters.
    fn check_placeholders(&mut self, document: &Document, url: &str, parameters: &Value) -> Option<()> {
        let known = parameters.get("properties").and_then(Value::as_object);
        let mut rest = url;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else { break };
            if !before.ends_with('$') && known.is_some_and(|known| !known.contains_key(name)) {
                let shown: String = name.chars().take(80).collect();
                let message = format!("`{{{shown}}}` is not a parameter of the tool; not served");
                self.report(document.place("http.url").error("http.url", &message));
                return None;
            }
            rest = tail;
        }
        Some(())
    }
}

fn gather_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| gather_texts(item, texts)),
        Value::Object(map) => map.values().for_each(|item| gather_texts(item, texts)),
        _ => {}
    }
}
