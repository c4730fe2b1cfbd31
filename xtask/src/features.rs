//! `cargo xtask check-features`: each feature alone, none, and all, for every package that has features.
//!
//! `cargo check` of one package leaves its dev-dependencies out, so a feature that only compiles because a
//! test dependency switches it on is found here. A warning counts as a failure: with a feature off it is
//! nearly always a forgotten `cfg`.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use xshell::cmd;

use crate::project::Project;

pub(crate) fn run(project: &Project) -> Result<()> {
    let mut rows = 0;
    for package in project.members() {
        for choice in choices(&package.features) {
            rows += 1;
            check(project, package.name.as_str(), &choice)?;
        }
    }
    println!("check-features: ok ({rows} rows)");
    Ok(())
}

/// The argument lists to check a package with; none for a package without features.
fn choices(features: &BTreeMap<String, Vec<String>>) -> Vec<Vec<String>> {
    if features.is_empty() {
        return Vec::new();
    }
    let alone = features
        .keys()
        .map(|feature| vec!["--no-default-features".into(), "--features".into(), feature.clone()]);
    let none = std::iter::once(vec!["--no-default-features".into()]);
    let all = std::iter::once(vec!["--all-features".into()]);
    none.chain(alone).chain(all).collect()
}

fn check(project: &Project, package: &str, choice: &[String]) -> Result<()> {
    println!("check-features: {package} {}", choice.join(" "));
    let output = cmd!(project.sh, "cargo check --quiet --color never -p {package} {choice...}")
        .quiet()
        .ignore_status()
        .output()?;
    let messages = String::from_utf8_lossy(&output.stderr);
    eprint!("{messages}");
    if !output.status.success() {
        bail!("{package} does not compile with {}", choice.join(" "));
    }
    if messages.lines().any(|line| line.starts_with("warning: ") || line.starts_with("warning[")) {
        bail!("{package} has warnings with {}", choice.join(" "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_alone_then_none_and_all() {
        let features = BTreeMap::from([("rest".into(), vec![]), ("sqlite".into(), vec![])]);
        let rows: Vec<String> = choices(&features).iter().map(|choice| choice.join(" ")).collect();
        assert_eq!(
            rows,
            [
                "--no-default-features",
                "--no-default-features --features rest",
                "--no-default-features --features sqlite",
                "--all-features",
            ]
        );
        assert!(choices(&BTreeMap::new()).is_empty());
    }
}
