//! What is checked beyond types: variables, rules, and features that are not built yet.
use agent_gateway_core::{
    config::GatewayConfig,
    diagnostic::{Diagnostic, Severity},
    vars::Vars,
};
use serde_json::Value;

use crate::{
    source::node::{Kind, Node, Segment, dotted, segments},
    substitute,
    support::{self, Missing},
};

/// Puts variables into every text. Where one is not set the text stays and is reported.
pub(super) fn substitute_variables(tree: &mut Node, vars: &dyn Vars, diagnostics: &mut Vec<Diagnostic>) {
    walk(tree, &mut Vec::new(), &mut |node, path| {
        let Kind::Scalar(scalar) = &node.kind else { return };
        if !scalar.text.contains("${") {
            return;
        }
        match substitute::substitute(&scalar.text, vars) {
            Ok(text) => *node = Node::text(node.place.clone(), text),
            Err(names) => {
                let (message, hint) = substitute::undefined(&names);
                diagnostics.push(node.place.error(&dotted(path), &message).hint(hint));
            }
        }
    });
}

fn walk(node: &mut Node, path: &mut Vec<Segment>, visit: &mut impl FnMut(&mut Node, &[Segment])) {
    visit(node, path);
    match &mut node.kind {
        Kind::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(Segment::Index(index));
                walk(item, path, visit);
                path.pop();
            }
        }
        Kind::Map(entries) => {
            for entry in entries {
                path.push(Segment::Key(entry.key.clone()));
                walk(&mut entry.node, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Whether there is an error at the key already. A warning does not stand in for one.
pub(super) fn is_reported(key: &str, diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|known| known.severity == Severity::Error && known.key == key)
}

/// Reports broken rules at the lines of their keys, once for each key.
pub(super) fn rules(config: &GatewayConfig, tree: &Node, diagnostics: &mut Vec<Diagnostic>) {
    let mut findings: Vec<_> =
        config.validate().into_iter().map(|finding| (finding.key, finding.message, finding.hint)).collect();
    if jiff::tz::TimeZone::get(&config.timezone).is_err() {
        let hint = "write an IANA name, such as `Europe/Berlin`".to_owned();
        findings.push(("timezone".to_owned(), "is not a known time zone".to_owned(), hint));
    }
    for (key, message, hint) in findings {
        let path = tree.as_written(&segments(&key));
        let key = dotted(&path);
        if !is_reported(&key, diagnostics) {
            diagnostics.push(tree.place_of(&path).error(&key, &message).hint(hint));
        }
    }
}

/// Reports keys whose feature is not built yet.
pub(super) fn support(tree: &Node, diagnostics: &mut Vec<Diagnostic>) {
    for unsupported in support::CONFIG {
        let Some(node) = find(tree, unsupported.key) else { continue };
        let asked = unsupported.values.is_empty() || unsupported.values.iter().any(|value| says(node, value));
        let is_off =
            unsupported.switch.and_then(|key| find(tree, key)).is_some_and(|switch| says(switch, "false"));
        if !asked || is_off {
            continue;
        }
        let place = tree.place_of(&segments(unsupported.key));
        diagnostics.push(match unsupported.missing {
            Missing::HasNoEffect => place.warning(unsupported.key, "not yet supported, it has no effect"),
            Missing::StopsTheStart => {
                let hint = "to go on without it would be unsafe: remove it or change its value";
                place.error(unsupported.key, "not yet supported").hint(hint)
            }
        });
    }
}

fn find<'t>(tree: &'t Node, key: &str) -> Option<&'t Node> {
    key.split('.').try_fold(tree, |node, key| Some(&node.entry(key)?.node))
}

/// Whether a scalar has this value; a boolean however it is spelled.
fn says(node: &Node, value: &str) -> bool {
    let Kind::Scalar(scalar) = &node.kind else { return false };
    let text = scalar.text.trim().to_ascii_lowercase();
    match (&scalar.value, value) {
        (Value::Bool(flag), _) => flag.to_string() == value,
        (_, "true") => matches!(text.as_str(), "true" | "yes" | "on" | "1"),
        (_, "false") => matches!(text.as_str(), "false" | "no" | "off" | "0"),
        _ => text == value,
    }
}
