//! `cargo xtask faults`: kills, freezes and restarts what a cluster is made of, and counts what became of its runs.
//!
//! The tests of the command's package do it, with real processes and servers, and each adds a row to the file that the
//! variable `AGW_FAULT_TABLE` names.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::project::Project;
use crate::suite;

/// What a row says, in order.
const COLUMNS: [&str; 7] = ["fault", "accepted", "completed", "failed", "lost", "doubled", "repeated"];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let folder = project.sh.create_temp_dir()?;
    let file = folder.path().join("table");
    let tests = ["-p", "agent-gateway-cli", "--test", "it", "--", "cluster::", "full_disk::"];
    let tests: Vec<String> = tests.map(str::to_owned).into();
    let skips = {
        let _table = project.sh.push_env("AGW_FAULT_TABLE", &file);
        suite::cargo_test(project, &tests, &suite::servers(project)?)?
    };
    suite::report(&skips, &suite::required(&project.sh))?;
    let text = fs::read_to_string(&file)
        .context("no fault was tried: are the servers there? See cargo xtask services")?;
    let rows = text.lines().map(parse).collect::<Result<Vec<_>>>()?;
    if args.json {
        println!("{:#}", Value::Array(rows.iter().map(|row| object(row)).collect()));
        return Ok(());
    }
    println!("\n| {} |\n|{}", COLUMNS.join(" | "), "---|".repeat(COLUMNS.len()));
    rows.iter().for_each(|row| println!("| {} |", row.join(" | ")));
    Ok(())
}

fn parse(line: &str) -> Result<Vec<&str>> {
    let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
    if cells.len() != COLUMNS.len() {
        bail!("not a row of {} cells: {line}", COLUMNS.len());
    }
    Ok(cells)
}

fn object(row: &[&str]) -> Value {
    let cell = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
    Value::Object(
        COLUMNS.iter().zip(row).map(|(name, text)| ((*name).to_owned(), cell(text))).collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_name_and_six_numbers() {
        let row = parse("| kill -9 of a worker | 500 | 500 | 0 | 0 | 0 | 4 |").unwrap();
        assert_eq!(object(&row)["fault"], "kill -9 of a worker");
        assert_eq!(object(&row)["repeated"], 4);
        assert!(parse("| half a row | 1 |").is_err());
    }
}
