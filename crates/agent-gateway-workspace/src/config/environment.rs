//! Variables that set keys: `AGENT_GATEWAY_SERVER__PORT` is `server.port`.
use std::sync::Arc;

use agent_gateway_core::{config::GatewayConfig, diagnostic::Diagnostic, vars::Vars};
use serde_json::Value;

use super::merge;
use crate::source::{
    node::{Node, Place},
    suggest,
};

const PREFIX: &str = "AGENT_GATEWAY_";
/// Variables with our prefix that are not keys: the key for stored secrets, and what the command line reads.
const OTHER_USES: [&str; 6] = ["secret_key", "workspace", "host", "port", "log", "url"];

/// Lays the variables over the tree, sections before the keys within them.
pub(super) fn overlay(tree: &mut Node, vars: &dyn Vars, diagnostics: &mut Vec<Diagnostic>) {
    let shape = serde_json::to_value(GatewayConfig::default()).unwrap_or_default();
    let mut found: Vec<(Vec<String>, String, String)> = Vec::new();
    for (name, text) in vars.all() {
        let Some(rest) = name.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX)) else {
            continue;
        };
        let path: Vec<String> =
            name[rest.len()..].split("__").map(|part| part.to_ascii_lowercase()).collect();
        if is_key(&path, &name, &shape, diagnostics) {
            found.push((path, name, text));
        }
    }
    found.sort_by_key(|(path, ..)| path.len());
    for (path, name, text) in found {
        let value = value(&path, &name, &text, &shape, diagnostics);
        merge::overlay(tree, merge::branch(&path, value));
    }
}

/// Whether the variable is meant for us. A cluster sets `AGENT_GATEWAY_SERVICE_HOST` and the like for a service of
/// that name, so a name without `__` that is no section is only worth a word when it looks like a slip.
fn is_key(path: &[String], name: &str, shape: &Value, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(first) = path.first() else { return false };
    if path.len() > 1 || shape.get(first).is_some() {
        return true;
    }
    let sections = shape.as_object().into_iter().flat_map(|sections| sections.keys().map(String::as_str));
    let is_foreign = OTHER_USES.contains(&first.as_str())
        || ["service_", "port_"].iter().any(|start| first.starts_with(start));
    if let Some(near) = suggest::nearest(first, sections).filter(|_| !is_foreign) {
        let message = format!("the variable {name} sets no key");
        let hint = format!("did you mean {PREFIX}{}?", near.to_ascii_uppercase());
        diagnostics.push(Diagnostic::warning("", message).hint(hint));
    }
    false
}

/// The value, read as JSON where the key holds a list, a mapping or a section.
fn value(path: &[String], name: &str, text: &str, shape: &Value, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let place = Place::Variable(Arc::from(name));
    let known = path.iter().try_fold(shape, |shape, key| shape.get(key));
    let is_composite = match known {
        Some(Value::Object(_) | Value::Array(_)) => true,
        Some(Value::Null) | None => text.trim_start().starts_with(['{', '[']),
        Some(_) => false,
    };
    if !is_composite {
        return Node::text(place, text);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => Node::from_json(&place, json),
        // Whether such a key holds one text or several values is known to its type alone.
        _ if matches!(known, Some(Value::Null) | None) => Node::text(place, text),
        _ => {
            let key = path.join(".");
            let hint = "lists, mappings and sections are written as JSON, such as `[\"a\"]` or `{\"a\": 1}`";
            diagnostics.push(place.error(&key, "is not JSON text").hint(hint));
            Node::text(place, text)
        }
    }
}
