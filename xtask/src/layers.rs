//! `cargo xtask check-layers`: who may import whom.
//!
//! The rule is a pure function over names and kinds; the facts come from `cargo metadata`. Tests may use
//! more than the code they test, but what is never allowed stays forbidden for them too.

use cargo_metadata::{DependencyKind, Package};

use anyhow::Result;

use crate::project::{Project, conclude};

/// A crate's place in the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// Domain types and port traits.
    Contract,
    /// One concern over the contract: models, tools, files.
    Leaf,
    /// What tests are made of; no crate below the edge may ship it.
    Testkit,
    /// What several backends share.
    Support,
    /// What the gateway calls.
    Backend,
    /// The one loop.
    Loop,
    /// The gateway without HTTP.
    Assembly,
    /// The shared HTTP kit.
    Kit,
    /// What calls the gateway.
    Protocol,
    /// The only crate that knows every name.
    Facade,
    /// Binaries, examples, journeys.
    Edge,
    /// Build tasks: independent of everything they check.
    Tooling,
}

use Layer::{
    Assembly, Backend, Contract, Edge, Facade, Kit, Leaf, Loop, Protocol, Support, Testkit, Tooling,
};

/// Crates whose layer their folder does not tell.
const NAMED: &[(&str, Layer)] = &[
    ("agent-gateway-core", Contract),
    ("agent-gateway-llm", Leaf),
    ("agent-gateway-mcp", Leaf),
    ("agent-gateway-tools", Leaf),
    ("agent-gateway-workspace", Leaf),
    ("agent-gateway-macros", Leaf),
    ("agent-gateway-testkit", Testkit),
    ("agent-gateway-sql", Support),
    ("agent-gateway-engine", Loop),
    ("agent-gateway-runtime", Assembly),
    ("agent-gateway-http", Kit),
    ("agent-gateway", Facade),
    ("agent-gateway-cli", Edge),
    ("xtask", Tooling),
];

/// Backends that share the support crate.
const SQL_BACKENDS: &[&str] = &["agent-gateway-sqlite", "agent-gateway-postgres"];

/// Everything else waits for core, so it stays small: this list grows by decision only.
const CORE_MAY_USE: &[&str] = &[
    "async-trait",
    "bytes",
    "futures",
    "indexmap",
    "jiff",
    "schemars",
    "secrecy",
    "serde",
    "serde_json",
    "serde_path_to_error",
    "sha2",
    "subtle",
    "tokio",
    "uuid",
];

/// One package, as far as the rule asks.
#[derive(Debug, Default)]
struct Facts {
    name: String,
    folder: String,
    /// Name and whether it is for tests only.
    dependencies: Vec<(String, bool)>,
}

pub(crate) fn run(project: &Project) -> Result<()> {
    let mut all = Vec::new();
    let mut violations = Vec::new();
    for package in project.members() {
        all.push(facts(project, package));
        let manifest = std::fs::read_to_string(&package.manifest_path)?;
        violations.extend(manifest_violations(package, &manifest));
    }
    violations.extend(layer_violations(&all));
    conclude("check-layers", &format!("{} packages", all.len()), &violations)
}

fn facts(project: &Project, package: &Package) -> Facts {
    let dependencies = package.dependencies.iter();
    Facts {
        name: package.name.to_string(),
        folder: project.folder(package).to_string(),
        dependencies: dependencies
            .map(|dependency| (dependency.name.clone(), dependency.kind == DependencyKind::Development))
            .collect(),
    }
}

fn layer(package: &Facts) -> Option<Layer> {
    if let Some((_, layer)) = NAMED.iter().find(|(name, _)| *name == package.name) {
        return Some(*layer);
    }
    match package.folder.split('/').collect::<Vec<_>>().as_slice() {
        ["crates", "backends", _] => Some(Backend),
        ["crates", "protocols", _] => Some(Protocol),
        ["tests" | "examples", ..] => Some(Edge),
        _ => None,
    }
}

/// The table: may the code of a crate of layer `from` import one of layer `to`?
fn may_import(from: Layer, to: Layer) -> bool {
    match from {
        Contract | Tooling => false,
        Leaf | Testkit | Support | Backend | Loop => to == Contract,
        Assembly => matches!(to, Contract | Loop),
        Kit => matches!(to, Contract | Assembly),
        Protocol => matches!(to, Contract | Assembly | Kit),
        Facade => !matches!(to, Testkit | Edge | Tooling),
        Edge => to != Tooling,
    }
}

/// What not even a test may do: it would bring back the knots the layers untie.
fn never(from: Layer, to: Layer) -> bool {
    match (from, to) {
        (Tooling, _) | (_, Tooling) => true,
        (Backend, Backend) | (Protocol, Protocol | Loop) => true,
        (from, Facade | Edge) => !matches!(from, Edge | Facade),
        _ => false,
    }
}

fn layer_violations(packages: &[Facts]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let Some(from) = layer(package) else {
            found.push(format!("{} ({}) has no layer in the table", package.name, package.folder));
            continue;
        };
        for (name, for_tests) in &package.dependencies {
            let Some(other) = packages.iter().find(|other| other.name == *name) else {
                if from == Contract && !for_tests && !core_may_use(name) {
                    found
                        .push(format!("{} may not depend on {name}: it is not in core's list", package.name));
                }
                continue;
            };
            let Some(to) = layer(other) else { continue };
            let shared_sql = to == Support && SQL_BACKENDS.contains(&package.name.as_str());
            let allowed = may_import(from, to) || shared_sql;
            if !allowed && (!for_tests || never(from, to)) {
                let kind = if *for_tests { "the tests of " } else { "" };
                found.push(format!("{kind}{} ({from:?}) may not import {name} ({to:?})", package.name));
            }
        }
    }
    found
}

fn core_may_use(name: &str) -> bool {
    CORE_MAY_USE.contains(&name) || name.starts_with("futures-")
}

/// What a manifest must say: the shared lints, and what a registry shows of a published crate.
fn manifest_violations(package: &Package, manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let name = &package.name;
    if !inherits_lints(manifest) {
        found.push(format!("{name} lacks `[lints] workspace = true`"));
    }
    if package.publish.as_ref().is_some_and(Vec::is_empty) {
        return found;
    }
    let fields = [
        ("description", package.description.is_none()),
        ("license", package.license.is_none()),
        ("repository", package.repository.is_none()),
    ];
    for (field, _) in fields.iter().filter(|(_, missing)| *missing) {
        found.push(format!("{name} is published without a {field}"));
    }
    found
}

/// `cargo metadata` does not tell about lints, so this one reads the manifest's text.
fn inherits_lints(manifest: &str) -> bool {
    let section = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.split_whitespace().collect::<String>() == "workspace=true")
}

#[cfg(test)]
mod tests;
