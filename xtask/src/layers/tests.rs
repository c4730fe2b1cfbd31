use super::*;

fn package(name: &str, folder: &str, dependencies: &[&str], for_tests: &[&str]) -> Facts {
    let normal = dependencies.iter().map(|name| ((*name).to_owned(), false));
    let tests = for_tests.iter().map(|name| ((*name).to_owned(), true));
    Facts { name: name.to_owned(), folder: folder.to_owned(), dependencies: normal.chain(tests).collect() }
}

/// A small house that stands, with `extra` added to the package `name`.
fn house(name: &str, extra: &[&str], extra_for_tests: &[&str]) -> Vec<Facts> {
    let mut all = vec![
        package("agent-gateway-core", "crates/agent-gateway-core", &["serde", "futures-core"], &["proptest"]),
        package("agent-gateway-engine", "crates/agent-gateway-engine", &["agent-gateway-core"], &[]),
        package(
            "agent-gateway-runtime",
            "crates/agent-gateway-runtime",
            &["agent-gateway-core", "agent-gateway-engine"],
            &["agent-gateway-testkit"],
        ),
        package("agent-gateway-llm", "crates/agent-gateway-llm", &["agent-gateway-core", "reqwest"], &[]),
        package("agent-gateway-testkit", "crates/agent-gateway-testkit", &["agent-gateway-core"], &[]),
        package("agent-gateway-sql", "crates/backends/agent-gateway-sql", &["agent-gateway-core"], &[]),
        package(
            "agent-gateway-sqlite",
            "crates/backends/agent-gateway-sqlite",
            &["agent-gateway-sql", "agent-gateway-core"],
            &["agent-gateway-testkit"],
        ),
        package("agent-gateway-redis", "crates/backends/agent-gateway-redis", &["agent-gateway-core"], &[]),
        package("agent-gateway-rest", "crates/protocols/agent-gateway-rest", &["agent-gateway-runtime"], &[]),
        package("agent-gateway-a2a", "crates/protocols/agent-gateway-a2a", &["agent-gateway-core"], &[]),
        package(
            "agent-gateway",
            "crates/agent-gateway",
            &["agent-gateway-rest", "agent-gateway-sqlite"],
            &[],
        ),
        package("agent-gateway-cli", "crates/agent-gateway-cli", &["agent-gateway"], &[]),
        package("quickstart", "examples/quickstart", &["agent-gateway", "agent-gateway-testkit"], &[]),
        package("xtask", "xtask", &["anyhow"], &[]),
    ];
    for package in all.iter_mut().filter(|package| package.name == name) {
        package.dependencies.extend(extra.iter().map(|name| ((*name).to_owned(), false)));
        package.dependencies.extend(extra_for_tests.iter().map(|name| ((*name).to_owned(), true)));
    }
    all
}

#[test]
fn the_house_stands() {
    assert_eq!(layer_violations(&house("", &[], &[])), Vec::<String>::new());
}

#[test]
fn every_forbidden_import_is_told_by_both_names() {
    let forbidden = [
        ("agent-gateway-core", "agent-gateway-llm"),
        ("agent-gateway-llm", "agent-gateway-engine"),
        ("agent-gateway-engine", "agent-gateway-sqlite"),
        ("agent-gateway-redis", "agent-gateway-sqlite"),
        ("agent-gateway-redis", "agent-gateway-sql"),
        ("agent-gateway-rest", "agent-gateway-a2a"),
        ("agent-gateway-rest", "agent-gateway-engine"),
        ("agent-gateway-rest", "agent-gateway"),
        ("agent-gateway-runtime", "agent-gateway-testkit"),
        ("agent-gateway", "agent-gateway-testkit"),
        ("agent-gateway", "agent-gateway-cli"),
        ("xtask", "agent-gateway-core"),
    ];
    for (from, to) in forbidden {
        let found = layer_violations(&house(from, &[to], &[]));
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
        assert!(found[0].contains(from) && found[0].contains(to), "{found:?}");
    }
}

#[test]
fn tests_may_use_more_but_not_what_is_never_allowed() {
    let accepted =
        [("agent-gateway-rest", "agent-gateway-llm"), ("agent-gateway-core", "agent-gateway-testkit")];
    for (from, to) in accepted {
        assert!(layer_violations(&house(from, &[], &[to])).is_empty(), "{from} -> {to}");
    }
    let refused = [
        ("agent-gateway-redis", "agent-gateway-sqlite"),
        ("agent-gateway-rest", "agent-gateway-engine"),
        ("agent-gateway-runtime", "agent-gateway"),
    ];
    for (from, to) in refused {
        assert_eq!(layer_violations(&house(from, &[], &[to])).len(), 1, "{from} -> {to}");
    }
}

#[test]
fn core_takes_only_what_its_list_names() {
    let found = layer_violations(&house("agent-gateway-core", &["sqlx"], &[]));
    assert!(matches!(found.as_slice(), [only] if only.contains("sqlx")), "{found:?}");
    assert!(layer_violations(&house("agent-gateway-core", &["uuid"], &["sqlx"])).is_empty());
}

#[test]
fn a_crate_outside_the_table_is_told() {
    let mut all = house("", &[], &[]);
    all.push(package("agent-gateway-misc", "crates/agent-gateway-misc", &[], &[]));
    let found = layer_violations(&all);
    assert!(matches!(found.as_slice(), [only] if only.contains("agent-gateway-misc")), "{found:?}");
}

#[test]
fn lints_count_only_in_their_own_section() {
    assert!(inherits_lints("[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"));
    assert!(!inherits_lints("[package]\nname = \"a\"\n"));
    assert!(!inherits_lints("[lints]\n[dependencies.b]\nworkspace = true\n"));
}
