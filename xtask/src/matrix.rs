//! `cargo xtask test-matrix`: which packages are tested with which features and services.
//!
//! The table below is the only one. CI reads it with `--list --json`; tidy checks that every member of the
//! workspace is in a row.

use anyhow::{Result, bail};
use serde_json::json;

use crate::project::Project;
use crate::suite;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run this row only; may be repeated.
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Print the rows and run none.
    #[arg(long)]
    list: bool,
    /// With --list: print JSON.
    #[arg(long, requires = "list")]
    json: bool,
}

/// One run of `cargo test`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) packages: &'static [&'static str],
    pub(crate) features: &'static [&'static str],
    pub(crate) no_default_features: bool,
    /// What must be running, by the word that `AGW_REQUIRE` and the skip log use.
    pub(crate) service: Option<&'static str>,
    /// The variable that says where the service is.
    pub(crate) variable: Option<&'static str>,
}

const PLAIN: Row =
    Row { name: "", packages: &[], features: &[], no_default_features: false, service: None, variable: None };

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "core",
        packages: &[
            "agent-gateway-core",
            "agent-gateway-engine",
            "agent-gateway-runtime",
            "agent-gateway-workspace",
            "agent-gateway-tools",
            "agent-gateway-llm",
            "agent-gateway-http",
            "agent-gateway-testkit",
        ],
        ..PLAIN
    },
    Row { name: "sqlite", packages: &["agent-gateway-sql", "agent-gateway-sqlite"], ..PLAIN },
    Row { name: "genai", packages: &["agent-gateway-genai"], ..PLAIN },
    Row { name: "rest", packages: &["agent-gateway-rest"], ..PLAIN },
    Row { name: "facade-minimal", packages: &["agent-gateway"], no_default_features: true, ..PLAIN },
    Row { name: "facade-default", packages: &["agent-gateway"], ..PLAIN },
    Row { name: "cli", packages: &["agent-gateway-cli"], ..PLAIN },
    Row { name: "journeys", packages: &["agent-gateway-tests"], ..PLAIN },
    Row { name: "examples", packages: &["quickstart", "custom-backend"], ..PLAIN },
    Row { name: "tooling", packages: &["xtask", "agent-gateway-bench"], ..PLAIN },
];

impl Row {
    fn arguments(&self) -> Vec<String> {
        let mut args: Vec<String> = Vec::new();
        for package in self.packages {
            args.extend(["-p".to_owned(), (*package).to_owned()]);
        }
        if self.no_default_features {
            args.push("--no-default-features".to_owned());
        }
        if !self.features.is_empty() {
            args.extend(["--features".to_owned(), self.features.join(",")]);
        }
        args
    }
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let rows = select(&args.only)?;
    if args.list {
        list(&rows, args.json);
        return Ok(());
    }
    let required = suite::required(&project.sh);
    let mut skips = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        eprintln!("\n==> row {}/{} {}", index + 1, rows.len(), row.name);
        match absent(row, |variable| project.sh.var_os(variable).is_some()) {
            Some(skip) => skips.push(skip),
            None => skips.extend(suite::cargo_test(project, &row.arguments())?),
        }
    }
    suite::report(&skips, &required)?;
    println!("\ntest-matrix: ok ({} rows)", rows.len());
    Ok(())
}

/// A row whose service is not there is skipped in sight, by the same protocol as a single test.
fn absent(row: &Row, is_set: impl Fn(&str) -> bool) -> Option<suite::Skip> {
    let variable = row.variable.filter(|variable| !is_set(variable))?;
    Some(suite::Skip {
        service: row.service.unwrap_or(row.name).to_owned(),
        test: format!("row {}", row.name),
        reason: format!("{variable} is not set"),
    })
}

fn select(only: &[String]) -> Result<Vec<&'static Row>> {
    if let Some(unknown) = only.iter().find(|name| ROWS.iter().all(|row| row.name != name.as_str())) {
        let known: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        bail!("no row `{unknown}`; there are {}", known.join(", "));
    }
    Ok(ROWS.iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.name)).collect())
}

fn list(rows: &[&Row], json: bool) {
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "packages": row.packages,
                    "features": row.features,
                    "no_default_features": row.no_default_features,
                    "service": row.service,
                    "variable": row.variable,
                })
            })
            .collect();
        println!("{:#}", serde_json::Value::Array(rows));
        return;
    }
    println!("{:<15} {:<20} {:<10} packages", "row", "features", "service");
    for row in rows {
        let mut features: Vec<&str> = vec![if row.no_default_features { "none" } else { "default" }];
        features.extend(row.features);
        let service = row.service.unwrap_or("-");
        println!("{:<15} {:<20} {service:<10} {}", row.name, features.join("+"), row.packages.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_names_of_their_own_and_packages() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(!row.name.is_empty() && !row.packages.is_empty(), "row {index}");
            assert!(ROWS.iter().skip(index + 1).all(|other| other.name != row.name), "{}", row.name);
            assert_eq!(row.service.is_some(), row.variable.is_some(), "{}", row.name);
        }
    }

    #[test]
    fn a_row_becomes_the_arguments_of_cargo_test() {
        let row = Row { packages: &["a", "b"], features: &["x", "y"], no_default_features: true, ..PLAIN };
        assert_eq!(row.arguments().join(" "), "-p a -p b --no-default-features --features x,y");
    }

    #[test]
    fn an_unknown_row_is_refused_by_name() {
        let error = select(&["postgress".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("postgress") && error.contains("facade-minimal"), "{error}");
        assert_eq!(select(&["cli".to_owned()]).unwrap().len(), 1);
    }

    #[test]
    fn a_row_without_its_service_is_a_visible_skip() {
        let row = Row { name: "pg", service: Some("postgres"), variable: Some("AGW_PG_URL"), ..PLAIN };
        let skip = absent(&row, |_| false).unwrap();
        assert_eq!((skip.service.as_str(), skip.reason.as_str()), ("postgres", "AGW_PG_URL is not set"));
        assert!(absent(&row, |_| true).is_none());
    }
}
