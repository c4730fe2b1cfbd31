//! `cargo xtask test-matrix`: which packages are tested with which features and services.
//!
//! The table below is the only one. CI reads it with `--list --json`; tidy checks that every member of the
//! workspace is in a row.

use anyhow::{Result, bail};
use serde_json::json;

use crate::project::Project;
use crate::services::{Found, Service};
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
    /// What must be running. Without all of them the row is a skip.
    pub(crate) services: &'static [Service],
}

const PLAIN: Row = Row { name: "", packages: &[], features: &[], no_default_features: false, services: &[] };
const ALL_SERVICES: &[Service] = &[Service::Postgres, Service::Redis, Service::RabbitMq];

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
    Row { name: "macros", packages: &["agent-gateway-macros"], ..PLAIN },
    Row { name: "sqlite", packages: &["agent-gateway-sql", "agent-gateway-sqlite"], ..PLAIN },
    Row { name: "postgres", packages: &["agent-gateway-postgres"], services: &[Service::Postgres], ..PLAIN },
    Row { name: "redis", packages: &["agent-gateway-redis"], services: &[Service::Redis], ..PLAIN },
    Row { name: "rabbitmq", packages: &["agent-gateway-rabbitmq"], services: &[Service::RabbitMq], ..PLAIN },
    Row { name: "genai", packages: &["agent-gateway-genai"], ..PLAIN },
    Row { name: "rest", packages: &["agent-gateway-rest"], ..PLAIN },
    Row { name: "facade-minimal", packages: &["agent-gateway"], no_default_features: true, ..PLAIN },
    Row { name: "facade-default", packages: &["agent-gateway"], ..PLAIN },
    Row {
        name: "facade-postgres-redis",
        packages: &["agent-gateway"],
        features: &["postgres", "redis"],
        services: &[Service::Postgres, Service::Redis],
        ..PLAIN
    },
    Row {
        name: "facade-postgres-rabbitmq",
        packages: &["agent-gateway"],
        features: &["postgres", "rabbitmq"],
        services: &[Service::Postgres, Service::RabbitMq],
        ..PLAIN
    },
    Row {
        name: "facade-full",
        packages: &["agent-gateway"],
        features: &["full"],
        services: ALL_SERVICES,
        ..PLAIN
    },
    // The command and the journeys with every server at hand.
    Row {
        name: "cluster",
        packages: &["agent-gateway-cli", "agent-gateway-tests"],
        features: &["agent-gateway/full"],
        services: ALL_SERVICES,
        ..PLAIN
    },
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
    let servers = suite::servers(project)?;
    let mut skips = Vec::new();
    let mut ran = 0;
    for (index, row) in rows.iter().enumerate() {
        eprintln!("\n==> row {}/{} {}", index + 1, rows.len(), row.name);
        let lacks = absent(row, &servers);
        if lacks.is_empty() {
            ran += 1;
            skips.extend(suite::cargo_test(project, &row.arguments(), &servers)?);
        }
        skips.extend(lacks);
    }
    suite::report(&skips, &required)?;
    println!("\ntest-matrix: ok ({ran} of {} rows ran)", rows.len());
    Ok(())
}

/// A row whose services are not all there is skipped in sight, by the same protocol as a single test: one line for
/// each that it lacks.
fn absent(row: &Row, servers: &[Found]) -> Vec<suite::Skip> {
    let needed = servers.iter().filter(|found| row.services.contains(&found.service));
    needed
        .filter_map(|found| {
            Some(suite::Skip {
                service: found.service.word().to_owned(),
                test: format!("row {}", row.name),
                reason: found.missing()?.to_owned(),
            })
        })
        .collect()
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
        println!("{:#}", described(rows));
        return;
    }
    println!("{:<25} {:<28} {:<25} packages", "row", "features", "services");
    for row in rows {
        let mut features: Vec<&str> = vec![if row.no_default_features { "none" } else { "default" }];
        features.extend(row.features);
        let words: Vec<&str> = row.services.iter().map(|service| service.word()).collect();
        let words = if words.is_empty() { "-".to_owned() } else { words.join("+") };
        println!("{:<25} {:<28} {words:<25} {}", row.name, features.join("+"), row.packages.join(" "));
    }
}

fn described(rows: &[&Row]) -> serde_json::Value {
    let service = |service: &Service| json!({ "name": service.word(), "variable": service.variable() });
    rows.iter()
        .map(|row| {
            json!({
                "name": row.name,
                "packages": row.packages,
                "features": row.features,
                "no_default_features": row.no_default_features,
                "services": row.services.iter().map(service).collect::<Vec<_>>(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::find::{Place, Source};

    #[test]
    fn rows_have_names_of_their_own_and_packages() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(!row.name.is_empty() && !row.packages.is_empty(), "row {index}");
            assert!(ROWS.iter().skip(index + 1).all(|other| other.name != row.name), "{}", row.name);
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
    fn a_row_lists_what_it_needs_and_where_that_is_told() {
        let row = select(&["facade-postgres-redis".to_owned()]).unwrap();
        let services = &described(&row)[0]["services"];
        assert_eq!(services[0], json!({ "name": "postgres", "variable": "AGW_TEST_POSTGRES_URL" }));
        assert_eq!(services[1], json!({ "name": "redis", "variable": "AGW_TEST_REDIS_URL" }));
        assert_eq!(described(&select(&["cli".to_owned()]).unwrap())[0]["services"], json!([]));
    }

    #[test]
    fn a_row_without_one_of_its_services_is_a_visible_skip_and_fails_where_it_is_required() {
        let servers = [Service::Postgres, Service::Redis, Service::RabbitMq].map(|service| Found {
            service,
            place: if service == Service::Postgres {
                Place::At { url: "postgres://h/d".into(), source: Source::Usual, note: None }
            } else {
                Place::Absent { why: "nothing listens".into(), stranger: false }
            },
        });
        let row = Row { name: "pg", services: &[Service::Postgres], ..PLAIN };
        assert!(absent(&row, &servers).is_empty());
        let row = Row { name: "both", services: &[Service::Postgres, Service::Redis], ..PLAIN };
        let skips = absent(&row, &servers);
        assert_eq!(skips.len(), 1);
        assert_eq!((skips[0].service.as_str(), skips[0].reason.as_str()), ("redis", "nothing listens"));
        assert!(suite::report(&skips, &["postgres".to_owned()]).is_ok());
        assert!(suite::report(&skips, &["redis".to_owned()]).is_err());
        assert!(absent(&PLAIN, &servers).is_empty());
    }
}
