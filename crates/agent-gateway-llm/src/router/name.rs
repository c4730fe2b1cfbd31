//! From a model's name to its provider.
use agent_gateway_core::{Error, Result, id::ModelName};

use super::{Route, Router, providers};
use crate::offline;

impl Router {
    /// Where `model` leads. Whether that provider can be asked is another question.
    pub(super) fn route(&self, model: &ModelName) -> Result<Route<'_>> {
        let text = model.as_str();
        let (provider, rest) = match text.split_once('/') {
            Some((prefix, rest)) => (self.known(prefix), rest),
            None => (bare_provider(text).and_then(|name| self.known(name)), text),
        };
        let Some(provider) = provider else { return Err(self.leads_nowhere(model)) };
        let model = ModelName::new(rest).map_err(|_| {
            Error::misconfigured(format!("the model name {text} has no model after its provider"))
                .during("model.route")
        })?;
        Ok(Route { provider, model })
    }

    /// The provider of that name or alias, as this router has it.
    fn known(&self, prefix: &str) -> Option<&str> {
        let alias = || providers::known(prefix).map(|known| known.name);
        let found = self.providers.get_key_value(prefix).or_else(|| self.providers.get_key_value(alias()?));
        found.map(|(name, _)| name.as_str())
    }

    fn leads_nowhere(&self, model: &ModelName) -> Error {
        let hint = self.hint(model, model.as_str().split_once('/'));
        let names: Vec<_> = self.providers.keys().map(String::as_str).collect();
        let names = names.join(", ");
        Error::misconfigured(format!(
            "the model name {model} names no known provider; {hint} (known providers: {names})"
        ))
        .during("model.route")
    }

    fn hint(&self, model: &ModelName, parts: Option<(&str, &str)>) -> String {
        match (&self.openai_elsewhere, parts) {
            (Some(server), _) => format!("for the server at {server}, write openai/{model}"),
            (None, Some((prefix, _))) => {
                format!("set model.providers.{prefix}.base_url for another provider")
            }
            (None, None) => format!("write provider/{model}"),
        }
    }
}

/// The series of models that stand alone, by how their names begin.
const SERIES: &[(&str, &str)] = &[
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("ft:gpt-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "gemini"),
    ("mistral-", "mistral"),
    ("ministral-", "mistral"),
    ("magistral-", "mistral"),
    ("codestral-", "mistral"),
    ("devstral-", "mistral"),
    ("command-", "cohere"),
    ("deepseek-", "deepseek"),
    ("grok-", "xai"),
];

/// The provider of a well-known name that stands alone. Series whose weights anybody may serve, such as llama or qwen, lead
/// nowhere.
fn bare_provider(model: &str) -> Option<&'static str> {
    let is =
        |name: &str| model.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if model == offline::NAME {
        return Some(offline::NAME);
    }
    if ["o1", "o3", "o4"].into_iter().any(is) {
        return Some("openai");
    }
    SERIES.iter().find(|(begin, _)| model.starts_with(begin)).map(|(_, provider)| *provider)
}
