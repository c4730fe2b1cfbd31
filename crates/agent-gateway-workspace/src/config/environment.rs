//! Variables that set keys: `AGENT_GATEWAY_SERVER__PORT` is `server.port`.
use std::{iter, sync::Arc};

use agent_gateway_core::{config::GatewayConfig, diagnostic::Diagnostic, vars::Vars};
use serde_json::Value;

use super::merge;
use crate::source::{
    node::{Node, Place},
    suggest,
};

const PREFIX: &str = "AGENT_GATEWAY_";
/// The keys for stored secrets, which are no keys of the configuration.
const SECRET_KEYS: [&str; 2] = ["secret_key", "secret_key_old"];
/// The most keys that a hint names.
const MAX_NAMED: usize = 3;

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
        if is_key(&path, &name, &text, &shape, diagnostics) {
            found.push((path, name, text));
        }
    }
    found.sort_by_key(|(path, ..)| path.len());
    for (path, name, text) in found {
        let value = value(&path, &name, &text, &shape, diagnostics);
        merge::overlay(tree, merge::branch(&path, value));
    }
}

/// Whether the variable sets a key. One without `__` that names no section sets none: it is a slip, unless it is
/// another's.
fn is_key(path: &[String], name: &str, text: &str, shape: &Value, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(first) = path.first() else { return false };
    if path.len() > 1 || shape.get(first).is_some() {
        return true;
    }
    if !SECRET_KEYS.contains(&first.as_str()) && !is_of_a_cluster(first, text) {
        let message = format!("the variable {name} sets no key");
        diagnostics.push(Diagnostic::warning("", message).hint(meant(first, shape)));
    }
    false
}

/// What a cluster sets for a service named `agent-gateway`, such as `AGENT_GATEWAY_SERVICE_HOST`.
fn is_of_a_cluster(name: &str, text: &str) -> bool {
    name.starts_with("service_")
        || name.starts_with("port_")
        || (name == "port" && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| text.starts_with(scheme)))
}

/// Which keys a name may have been meant for: one that was written without its section, or a nearly right one.
fn meant(name: &str, shape: &Value) -> String {
    let sections = shape.as_object().into_iter().flatten();
    let paths: Vec<String> = sections
        .flat_map(|(section, value)| {
            let keys = value.as_object().into_iter().flat_map(|keys| keys.keys());
            iter::once(section.clone()).chain(keys.map(move |key| format!("{section}__{key}")))
        })
        .collect();
    let paths = || paths.iter().map(String::as_str);
    let is_its_key = |path: &&str| path.split_once("__").is_some_and(|(_, key)| key == name);
    let mut found: Vec<&str> = paths().filter(is_its_key).collect();
    if found.is_empty() {
        found.extend(suggest::nearest(name, paths()));
    }
    if found.is_empty() || found.len() > MAX_NAMED {
        return format!("a key is written {PREFIX}<SECTION>__<KEY>");
    }
    let named: Vec<_> = found.iter().map(|path| format!("{PREFIX}{}", path.to_ascii_uppercase())).collect();
    format!("did you mean {}?", named.join(" or "))
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
