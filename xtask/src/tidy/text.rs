//! What no committed text may hold: paths of a machine, hosts of a package registry, tests put to sleep.

use crate::project::Project;

/// These name registries because they must.
const EXEMPT: &[&str] = &["Cargo.lock", "deny.toml"];

/// Folders that exist on one machine only. Split, so that this file does not hold them.
const FOLDERS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

/// Hosts and settings that only say where one machine gets its packages.
const REGISTRIES: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("proxy.golang", ".org"),
    concat!("sparse", "+http"),
    concat!("registry", "+http"),
    concat!("replace", "-with"),
    concat!("index", "-url"),
];

#[derive(Debug)]
pub(crate) struct Scanner {
    folders: Vec<String>,
}

impl Scanner {
    /// Knows the usual folders, this checkout's and its user's.
    pub(crate) fn new(project: &Project) -> Self {
        let mut folders: Vec<String> = FOLDERS.iter().map(|folder| (*folder).to_owned()).collect();
        folders.push(format!("{}/", project.root()));
        if let Some(home) = project.sh.var_os("HOME") {
            folders.push(format!("{}/", home.to_string_lossy().trim_end_matches('/')));
        }
        folders.retain(|folder| folder.len() > 2);
        Self { folders }
    }

    pub(crate) fn scan(&self, file: &str, content: &str) -> Vec<String> {
        if EXEMPT.contains(&file) {
            return Vec::new();
        }
        let rust = file.ends_with(".rs");
        let mut found = Vec::new();
        for (index, line) in content.lines().enumerate() {
            let at = format!("{file}:{}", index + 1);
            if let Some(folder) = self.folders.iter().find(|folder| starts_path(line, folder)) {
                found.push(format!("{at}: a path of one machine ({folder})"));
            }
            if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
                found.push(format!("{at}: a package registry ({host})"));
            }
            if rust && line.contains(concat!("to", "do!(")) {
                found.push(format!("{at}: unfinished code ({})", concat!("to", "do!")));
            }
            if rust && line.trim_start().starts_with(concat!("#[ign", "ore]")) {
                found.push(format!("{at}: an ignored test says why: {}", concat!("#[ign", "ore = \"..\"]")));
            }
        }
        found
    }
}

/// Whether a path in the line begins with `folder`; the middle of a URL or of a longer path does not count.
fn starts_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let last = before.chars().next_back();
        before.ends_with("://")
            || last.is_none_or(|last| !(last.is_alphanumeric() || "/._-}~*)".contains(last)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner() -> Scanner {
        Scanner { folders: FOLDERS.iter().map(|folder| (*folder).to_owned()).collect() }
    }

    #[test]
    fn machine_paths_are_found_where_a_path_begins() {
        let home = FOLDERS[0];
        for line in [
            format!("dir = \"{home}me/x\""),
            format!("{home}me"),
            format!("PATH=/bin:{home}me/bin"),
            format!("file://{home}me"),
        ] {
            assert_eq!(scanner().scan("a.md", &line).len(), 1, "{line}");
        }
        for line in
            [format!("https://example.com{home}page"), format!("$BASE{home}x"), format!("${{D}}{home}")]
        {
            assert!(scanner().scan("a.md", &line).is_empty(), "{line}");
        }
    }

    #[test]
    fn registries_are_found_except_where_they_belong() {
        for host in REGISTRIES {
            let line = format!("see {host}");
            assert_eq!(scanner().scan("README.md", &line).len(), 1, "{line}");
            assert!(scanner().scan("Cargo.lock", &line).is_empty());
        }
        assert!(scanner().scan("README.md", concat!("published on crates", ".io")).is_empty());
    }

    #[test]
    fn sleeping_tests_and_unfinished_code_are_found_in_rust_only() {
        let ignore = concat!("    #[ign", "ore]\nfn a() { to", "do!() }");
        assert_eq!(scanner().scan("a.rs", ignore).len(), 2);
        assert!(scanner().scan("a.md", ignore).is_empty());
        assert!(scanner().scan("a.rs", concat!("#[ign", "ore = \"needs a printer\"]")).is_empty());
    }
}
