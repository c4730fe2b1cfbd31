//! `cargo xtask tidy`: what neither rustc nor clippy looks at.

mod budgets;
mod coherence;
mod text;

use anyhow::{Context, Result};

use crate::matrix;
use crate::project::{Project, conclude};

/// Exceptions to the size budgets, one per line; the list may only shrink.
const ALLOW_LIST: &str = "xtask/tidy-allow.txt";

pub(crate) fn run(project: &Project) -> Result<()> {
    let mut violations = Vec::new();
    let mut sizes = Vec::new();
    let files = project.files()?;
    let scanner = text::Scanner::new(project);
    for file in &files {
        let bytes = std::fs::read(project.root().join(file)).with_context(|| format!("reading {file}"))?;
        let Ok(content) = String::from_utf8(bytes) else { continue };
        violations.extend(scanner.scan(file.as_str(), &content));
        if file.extension() == Some("rs") {
            sizes.extend(budgets::measure(file.as_str(), &content));
        }
    }
    let allowed = std::fs::read_to_string(project.root().join(ALLOW_LIST)).context(ALLOW_LIST)?;
    violations.extend(budgets::judge(&sizes, &allowed));
    violations.extend(packages(project)?);
    conclude("tidy", &format!("{} files, {} packages", files.len(), project.members().len()), &violations)
}

fn packages(project: &Project) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for package in project.members() {
        let (name, folder) = (package.name.as_str(), project.folder(package));
        if folder.starts_with("crates") && folder.file_name() != Some(name) {
            found.push(format!("{folder} holds {name}: a folder has its package's name"));
        }
        for root in ["src/lib.rs", "src/main.rs"] {
            let path = folder.join(root);
            if let Ok(source) = std::fs::read_to_string(project.root().join(&path))
                && !opens_with_docs(&source)
            {
                found.push(format!("{path} must open with `//!` and say what the crate is"));
            }
        }
        if matrix::ROWS.iter().all(|row| !row.packages.contains(&name)) {
            found.push(format!("{name} is in no row of the test matrix (xtask/src/matrix.rs)"));
        }
    }
    for row in matrix::ROWS {
        for package in row.packages.iter().filter(|name| project.member(name).is_none()) {
            found.push(format!("the test matrix row {} names {package}, which is no member", row.name));
        }
    }
    let facade = project.member("agent-gateway").context("the facade is not a member")?;
    let optional: Vec<&str> = facade
        .dependencies
        .iter()
        .filter(|dependency| dependency.optional)
        .map(|dependency| dependency.name.as_str())
        .collect();
    found.extend(coherence::features(&facade.features, &optional));
    Ok(found)
}

/// A crate may also take its documentation from its README.
fn opens_with_docs(source: &str) -> bool {
    source.starts_with("//!") || source.starts_with("#![doc = include_str!")
}
