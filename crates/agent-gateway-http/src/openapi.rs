//! The API's description, OpenAPI 3.1, made from the table of routes. It names no agent.
use std::collections::BTreeSet;

use agent_gateway_core::{JsonMap, ports::auth::AuthScheme};
use axum::http::Method;
use serde_json::{Value, json};

use crate::{
    Access, ErrorBody, HttpOptions, Operation, RouteInfo,
    operation::{reference, response},
};

/// The description of these routes for callers who present themselves by `schemes`; none: authentication is off.
pub(crate) fn document<'a>(
    routes: impl Iterator<Item = (&'a RouteInfo, &'a Operation)> + Clone,
    options: &HttpOptions,
    schemes: &[AuthScheme],
) -> Value {
    let tags: BTreeSet<_> = routes.clone().map(|(_, operation)| operation.tag).collect();
    let tags: Vec<Value> = tags.into_iter().map(|tag| json!({"name": tag.name()})).collect();
    let mut paths = JsonMap::new();
    let mut schemas = errors().schemas.into_iter().collect::<JsonMap>();
    for (route, operation) in routes {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.as_str().to_ascii_lowercase()] = described(route, operation, schemes);
        schemas.extend(operation.schemas.iter().cloned());
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": options.title, "version": options.version},
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security_schemes(schemes)},
        "security": requirements(schemes),
    })
}

/// Only for its schemas.
fn errors() -> Operation {
    Operation::new("", crate::Tag::Health, "").returns::<ErrorBody>(500, "")
}

fn described(route: &RouteInfo, operation: &Operation, schemes: &[AuthScheme]) -> Value {
    let parameters: Vec<Value> = path_parameters(route.path).chain(operation.query.iter().cloned()).collect();
    let mut responses: JsonMap =
        operation.responses.iter().map(|(status, body)| (status.to_string(), body.clone())).collect();
    if let Some(description) = operation.streams {
        let ok = responses.entry("200").or_insert_with(|| json!({"description": description}));
        ok["content"]["text/event-stream"] =
            json!({"schema": {"type": "string", "description": description}});
    }
    let envelope = reference("ErrorBody");
    for (status, description) in failures(route, operation, schemes, !parameters.is_empty()) {
        responses.entry(status.to_string()).or_insert_with(|| response(description, &envelope));
    }
    responses.insert("default".to_owned(), response("Any other error", &envelope));
    let mut item = json!({
        "tags": [operation.tag.name()],
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses,
    });
    let text = match route.access {
        Access::Scope(scope) => join(operation.description, &format!("Needs the scope `{scope}`.")),
        Access::Invoke => {
            join(operation.description, "Needs the scope `agents:invoke` or `agents:invoke:{agent_id}`.")
        }
        Access::ReadApprovals => {
            join(operation.description, "Needs the scope `approvals:read` or one of those that may decide.")
        }
        Access::Decide => join(
            operation.description,
            "Needs the scope `approvals:decide` or `approvals:decide:{agent_id}`.",
        ),
        Access::Public | Access::Authenticated => operation.description.to_owned(),
    };
    if !text.is_empty() {
        item["description"] = json!(text);
    }
    if !parameters.is_empty() {
        item["parameters"] = json!(parameters);
    }
    if let Some(schema) = &operation.body {
        item["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
    }
    if route.access == Access::Public {
        item["security"] = json!([]);
    }
    item
}

fn join(text: &str, more: &str) -> String {
    if text.is_empty() { more.to_owned() } else { format!("{text}\n\n{more}") }
}

/// The failures that follow from what a route takes, and its own.
fn failures(
    route: &RouteInfo,
    operation: &Operation,
    schemes: &[AuthScheme],
    has_parameters: bool,
) -> Vec<(u16, &'static str)> {
    let mut failures = Vec::new();
    if route.access != Access::Public && !schemes.is_empty() {
        failures.push((401, "`auth_required`, `invalid_credentials`"));
        if route.access != Access::Authenticated {
            failures.push((403, "`insufficient_scope`"));
        }
    }
    failures.extend(&operation.failures);
    if operation.body.is_some() {
        failures.push((413, "`payload_too_large`"));
        failures.push((415, "`unsupported_media_type`"));
    }
    if has_parameters || (operation.body.is_some() && route.method != Method::GET) {
        failures.push((422, "`validation_failed`"));
    }
    failures
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        })
    })
}

fn scheme_name(scheme: AuthScheme) -> &'static str {
    match scheme {
        AuthScheme::ApiKey => "apiKey",
        // Every other scheme of today presents a bearer token.
        _ => "bearerAuth",
    }
}

fn security_schemes(schemes: &[AuthScheme]) -> Value {
    let entries = schemes.iter().map(|scheme| {
        let entry = match scheme {
            AuthScheme::ApiKey => json!({"type": "apiKey", "in": "header", "name": "X-API-Key"}),
            _ => json!({"type": "http", "scheme": "bearer"}),
        };
        (scheme_name(*scheme).to_owned(), entry)
    });
    Value::Object(entries.collect())
}

fn requirements(schemes: &[AuthScheme]) -> Value {
    schemes.iter().map(|scheme| json!({scheme_name(*scheme): []})).collect()
}
