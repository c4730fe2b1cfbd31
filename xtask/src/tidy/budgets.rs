//! Size budgets: lines of a file, fields of a struct of the runtime.
//!
//! The allow-list has one exception per line, `<what> <size>`, where `<what>` is a path or
//! `path::Struct`. An entry must name the size as it is: a smaller one is lowered, a needless one removed,
//! so the list can only shrink.

use std::collections::BTreeMap;

const MAX_LINES: usize = 600;
const MAX_FIELDS: usize = 12;
/// Where a struct with many fields would be the one object that does everything.
const COUNTS_FIELDS: &str = "crates/agent-gateway-runtime/";

/// One thing with a budget.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Size {
    what: String,
    unit: &'static str,
    size: usize,
    budget: usize,
}

pub(crate) fn measure(file: &str, content: &str) -> Vec<Size> {
    let lines = content.lines().count();
    let mut sizes = vec![Size { what: file.to_owned(), unit: "lines", size: lines, budget: MAX_LINES }];
    if file.starts_with(COUNTS_FIELDS) {
        sizes.extend(structs(content).into_iter().map(|(name, size)| Size {
            what: format!("{file}::{name}"),
            unit: "fields",
            size,
            budget: MAX_FIELDS,
        }));
    }
    sizes
}

pub(crate) fn judge(sizes: &[Size], allow_list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut allowed: BTreeMap<&str, usize> = BTreeMap::new();
    for line in allow_list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.rsplit_once(' ').map(|(what, size)| (what.trim(), size.parse())) {
            Some((what, Ok(size))) => drop(allowed.insert(what, size)),
            _ => found.push(format!("allow-list: not `<what> <size>`: {line}")),
        }
    }
    for Size { what, unit, size, budget } in sizes {
        match allowed.remove(what.as_str()) {
            None if size > budget => {
                found.push(format!("{what} has {size} {unit}, {budget} are allowed: split it"));
            }
            Some(_) if size <= budget => {
                found.push(format!("allow-list: {what} is within its budget: remove the entry"));
            }
            Some(entry) if *size > entry => {
                found
                    .push(format!("{what} grew from {entry} to {size} {unit}: an exception may only shrink"));
            }
            Some(entry) if *size < entry => {
                found.push(format!("allow-list: {what} shrank to {size} {unit}: lower the entry"));
            }
            _ => {}
        }
    }
    found.extend(allowed.keys().map(|what| format!("allow-list: {what} does not exist: remove the entry")));
    found
}

/// Structs with named fields and how many they have. It trusts rustfmt: a field is a line one level deeper
/// than its struct, and the struct ends where its indentation returns.
fn structs(source: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(name) = struct_name(line.trim()) else { continue };
        let indent = indentation(line);
        let mut opening = line.trim_end();
        while !opening.ends_with(['{', ';', '}']) {
            match lines.next() {
                Some(next) => opening = next.trim_end(),
                None => break,
            }
        }
        if !opening.ends_with('{') {
            continue;
        }
        let body = lines.by_ref().take_while(|line| line.trim() != "}" || indentation(line) != indent);
        found.push((
            name,
            body.filter(|line| indentation(line) == indent + 4 && is_field(line.trim())).count(),
        ));
    }
    found
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else { return line };
    let rest = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest);
    if rest.starts_with(' ') { rest.trim_start() } else { line }
}

fn struct_name(line: &str) -> Option<String> {
    let rest = without_visibility(line).strip_prefix("struct ")?;
    let name: String = rest.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn is_field(line: &str) -> bool {
    let line = without_visibility(line);
    let line = line.strip_prefix("r#").unwrap_or(line);
    let Some((name, rest)) = line.split_once(':') else { return false };
    let is_name = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || char == '_');
    is_name && !rest.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(size: usize) -> Size {
        Size { what: "a.rs".into(), unit: "lines", size, budget: 600 }
    }

    #[test]
    fn fields_are_counted_and_nothing_else() {
        let source = "\
/// struct Not { a: u8 }
pub(crate) struct Ports<T>
where
    T: Send,
{
    /// a: doc
    #[serde(rename = \"x: y\")]
    pub(crate) store: Arc<dyn Store>,
    pub queue: std::sync::Arc<T>,
    r#type: Map<
        String,
        u8,
    >,
}
struct Unit;
struct Tuple(u8, u8);
struct Empty {}
mod inner {
    struct Nested {
        a: u8,
    }
}
";
        let expected = [("Ports".to_owned(), 3), ("Nested".to_owned(), 1)];
        assert_eq!(structs(source), expected);
    }

    #[test]
    fn fields_have_a_budget_in_the_runtime_only() {
        let source = "struct A {\n    a: u8,\n}\n";
        assert_eq!(measure("crates/agent-gateway-core/src/a.rs", source).len(), 1);
        let sizes = measure("crates/agent-gateway-runtime/src/a.rs", source);
        assert_eq!(sizes[1].what, "crates/agent-gateway-runtime/src/a.rs::A");
        assert_eq!((sizes[1].size, sizes[1].budget), (1, 12));
    }

    #[test]
    fn the_allow_list_can_only_shrink() {
        let told = |actual: usize, list: &str| judge(&[size(actual)], list).join("\n");
        assert_eq!(told(600, "# none"), "");
        assert!(told(601, "").contains("split it"));
        assert_eq!(told(700, "a.rs 700"), "");
        assert!(told(701, "a.rs 700").contains("grew"));
        assert!(told(650, "a.rs 700").contains("lower"));
        assert!(told(600, "a.rs 700").contains("remove"));
        assert!(told(1, "b.rs 700").contains("does not exist"));
        assert!(told(1, "b.rs many").contains("not `<what> <size>`"));
    }
}
