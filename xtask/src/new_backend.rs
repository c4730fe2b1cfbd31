//! `cargo xtask new-backend NAME`: a crate whose suites are wired, and fail where the work is.
//!
//! The skeleton says that it is durable and keeps everything in memory: most cases pass, and those that ask for what is
//! missing fail by name.

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::Utf8Path;

use crate::project::Project;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The technology in one word, such as `duckdb`: the suffix of the crate, the feature, the name in gateway.yaml.
    name: String,
}

/// Where each file of the skeleton goes, and its text.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("new_backend/manifest.txt")),
    ("src/lib.rs", include_str!("new_backend/lib.txt")),
    ("src/store.rs", include_str!("new_backend/store.txt")),
    ("src/queue.rs", include_str!("new_backend/queue.txt")),
    ("tests/it.rs", include_str!("new_backend/it.txt")),
    ("tests/it/conformance.rs", include_str!("new_backend/conformance.txt")),
];

pub(crate) fn run(project: &Project, args: &Args) -> Result<()> {
    let name = args.name.as_str();
    check_name(name)?;
    let package = format!("agent-gateway-{name}");
    if project.member(&package).is_some() {
        bail!("there is a package {package} already");
    }
    let folder = Utf8Path::new("crates/backends").join(&package);
    if project.root().join(&folder).exists() {
        bail!("{folder} is there already");
    }
    for (file, text) in FILES {
        let path = project.root().join(&folder).join(file);
        let parent = path.parent().context("a file of the skeleton lies in no folder")?;
        std::fs::create_dir_all(parent).with_context(|| format!("making {parent}"))?;
        std::fs::write(&path, fill(text, name)).with_context(|| format!("writing {path}"))?;
        println!("new-backend: {folder}/{file}");
    }
    // The order of the imports depends on the name.
    xshell::cmd!(project.sh, "cargo fmt --package {package}")
        .quiet()
        .run()
        .context("formatting the skeleton")?;
    println!(
        "new-backend: in the root Cargo.toml, [workspace.dependencies]:\n\
         {package} = {{ path = \"{folder}\", version = \"=0.1.0\" }}\n\
         new-backend: `cargo test -p {package}` fails where the work is; then steps 4 to 7 of CONTRIBUTING.md\n\
         new-backend: what it does not serve, store or queue, leave out with its file and its suite"
    );
    Ok(())
}

/// One word in four places, so it must be one in each.
fn check_name(name: &str) -> Result<()> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if begins && is_word && name.len() <= 32 {
        return Ok(());
    }
    bail!(
        "`{name}` is no name of a technology: lower-case letters and digits, at most 32, starting with a letter"
    )
}

fn fill(text: &str, name: &str) -> String {
    let (first, rest) = name.split_at(1);
    let type_name = format!("{}{rest}", first.to_uppercase());
    text.replace("{{name}}", name).replace("{{Name}}", &type_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word() {
        for name in ["duckdb", "s3"] {
            check_name(name).unwrap();
        }
        for name in ["", "3s", "DuckDB", "duck-db", "duck db", "../duck", &"d".repeat(33)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_blank_is_filled() {
        for (file, text) in FILES {
            let filled = fill(text, "duckdb");
            assert!(!filled.contains("{{"), "{file}");
        }
        assert!(fill(FILES[2].1, "duckdb").contains("pub struct DuckdbBackend"));
    }
}
