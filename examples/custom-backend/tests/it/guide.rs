//! What the guide shows of this crate's inside cannot be compiled by itself, so it is compared with the source.
use std::{fs, path::Path};

const GUIDE: &str = include_str!("../../../../crates/agent-gateway/src/guide/custom_backend.md");

/// Without the indentation, which differs.
fn lines(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn excerpts_are_what_the_source_says() {
    let excerpts: Vec<&str> = GUIDE.split("```rust,ignore\n").skip(1).collect();
    assert_eq!(excerpts.len(), 2);
    for excerpt in excerpts {
        let (excerpt, _) = excerpt.split_once("\n```").unwrap();
        let (file, code) = excerpt.split_once('\n').unwrap();
        let file = file.strip_prefix("// ").unwrap();
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        assert!(lines(&source).contains(&lines(code)), "{file} no longer says\n{code}");
    }
}

#[test]
fn files_that_are_named_are_there() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = GUIDE.split('`').filter(|word| word.ends_with(".rs") && !word.contains(' '));
    let named: Vec<&str> = named.collect();
    assert!(named.len() >= 5, "{named:?}");
    for file in named {
        assert!(source.join(file).exists(), "{file}");
    }
}
