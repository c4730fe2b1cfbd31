//! The environment as a value, so that reading it can be tested and never changes the process.
use std::{collections::BTreeMap, fmt};

/// Variables by name.
pub trait Vars: fmt::Debug + Send + Sync + 'static {
    /// The variable's text, when it is set. An empty text is a value.
    fn get(&self, name: &str) -> Option<String>;
    /// All variables, by name.
    fn all(&self) -> BTreeMap<String, String>;
}

/// The process environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessVars;

#[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
impl Vars for ProcessVars {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn all(&self) -> BTreeMap<String, String> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}

/// Variables that a test or a `.env` file gives.
#[derive(Clone, Default)]
pub struct MapVars(pub BTreeMap<String, String>);

impl fmt::Debug for MapVars {
    /// Shows the names alone: values are often secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Vars for MapVars {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn all(&self) -> BTreeMap<String, String> {
        self.0.clone()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for MapVars {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
