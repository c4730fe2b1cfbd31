//! What one provider's client is made of, from the configuration and the variables.
use agent_gateway_core::{
    capability::StructuredOutput,
    config::{ModelConfig, ProviderApi, ProviderConfig},
    secret::Secret,
    vars::Vars,
};

use super::{
    place,
    providers::{Home, KeyNeed, KnownProvider, first_set},
};
use crate::{offline, openai::KeyPlace};

/// The variables that hold the version of Azure's API.
const AZURE_VERSIONS: &[&str] = &["AZURE_API_VERSION", "OPENAI_API_VERSION"];

/// Whether somebody can speak wires other than OpenAI's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speakers {
    Common,
    All,
}

/// What one provider's client is made of.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) api: ProviderApi,
    pub(super) api_version: Option<String>,
    /// Its base URL, or what is missing for one.
    pub(super) base_url: Result<String, String>,
    pub(super) base_from: BaseFrom,
    pub(super) key: Option<Secret>,
    pub(super) key_place: KeyPlace,
    /// The variable to name when the key is needed.
    pub(super) wanted: Option<&'static str>,
    /// When it takes a JSON Schema on the common wire.
    pub(super) structured: StructuredOutput,
}

/// Who said where a provider is.
#[derive(Debug)]
pub(super) enum BaseFrom {
    Default,
    Variable(&'static str),
    Config(String),
}

impl Source {
    pub(super) fn of(
        known: &'static KnownProvider,
        config: &ModelConfig,
        vars: &dyn Vars,
        speakers: Speakers,
    ) -> Self {
        let mut names = std::iter::once(&known.name).chain(known.aliases);
        let own = names.find_map(|name| config.providers.get(*name));
        let moved = match own.and_then(|own| own.base_url.clone()) {
            Some(url) => Some((BaseFrom::Config(format!("model.providers.{}.base_url", known.name)), url)),
            None => first_set(known.base_vars, vars).map(|(name, url)| (BaseFrom::Variable(name), url)),
        };
        let (api, home) = wire(known, own, moved.as_ref().map(|(_, url)| url.as_str()), speakers);
        let (base_from, base_url) = match moved {
            Some((from, url)) => (from, Ok(place::complete(&url, home, known))),
            None => (BaseFrom::Default, place::home(home, known, vars)),
        };
        let at_home = match (home, &base_from, &base_url) {
            (_, BaseFrom::Default, _) | (Home::Anywhere, ..) => true,
            (Home::At(home), _, Ok(url)) => place::same_host(url, home),
            _ => false,
        };
        let needed = known.key == KeyNeed::Needed && at_home;
        let configured = own.and_then(|own| own.api_key.clone()).filter(|key| !key.is_empty());
        let at = format!("model.providers.{}.api_key", known.name);
        let (key, key_place) = match (configured, first_set(known.key_vars, vars)) {
            (Some(key), _) => (Some(key), KeyPlace::At(at)),
            (None, Some((name, key))) => (Some(Secret::new(key)), KeyPlace::At(name.to_owned())),
            (None, None) => {
                let variable = known.key_vars.first().copied().unwrap_or_default();
                (None, KeyPlace::Nowhere(format!("{variable}, or {at}")))
            }
        };
        let version = own.and_then(|own| own.api_version.clone());
        Self {
            name: known.name.to_owned(),
            api,
            api_version: version.or_else(|| first_set(AZURE_VERSIONS, vars).map(|(_, version)| version)),
            base_url,
            base_from,
            key,
            key_place,
            wanted: known.key_vars.first().copied().filter(|_| needed),
            // Another server under the provider's address may hold the model to the schema before it calls a tool.
            structured: if at_home {
                known.structured
            } else {
                known.structured.min(StructuredOutput::AnswerOnly)
            },
        }
    }

    /// A provider that only the configuration knows, or its fault.
    pub(super) fn custom(name: &str, own: &ProviderConfig) -> Result<Self, String> {
        if name.is_empty() || name.contains('/') || name == offline::NAME {
            return Err(format!("model.providers.{name}: a provider cannot have this name"));
        }
        let base_from = format!("model.providers.{name}.base_url");
        let Some(base_url) = own.base_url.clone() else {
            return Err(format!("{base_from} is missing: only well-known providers have one of their own"));
        };
        let key = own.api_key.clone().filter(|key| !key.is_empty());
        let at = format!("model.providers.{name}.api_key");
        Ok(Self {
            name: name.to_owned(),
            api: own.api.unwrap_or(ProviderApi::Openai),
            api_version: own.api_version.clone(),
            base_url: Ok(base_url),
            base_from: BaseFrom::Config(base_from),
            key_place: if key.is_some() { KeyPlace::At(at) } else { KeyPlace::Nowhere(at) },
            key,
            wanted: None,
            structured: StructuredOutput::None,
        })
    }
}

/// Which wire is spoken, and where it is spoken at home: what the configuration says, or the provider's own where somebody can
/// speak it, or the common one.
fn wire(
    known: &KnownProvider,
    own: Option<&ProviderConfig>,
    moved: Option<&str>,
    speakers: Speakers,
) -> (ProviderApi, Home) {
    let common = if known.name == "azure" { ProviderApi::Azure } else { ProviderApi::Openai };
    // Google's own name for the common wire.
    let moved_to_common = moved.is_some_and(|url| url.trim_end_matches('/').ends_with("/openai"));
    let api = match (own.and_then(|own| own.api), known.own) {
        (Some(api), _) => api,
        (None, Some((api, _))) if known.common == Home::Nowhere => api,
        (None, Some((api, _))) if speakers == Speakers::All && !moved_to_common => api,
        (None, _) => common,
    };
    let home = match known.own {
        Some((own, home)) if own == api => home,
        // Its own wire begins where the common one has its version.
        _ if api == ProviderApi::Ollama => Home::At("http://127.0.0.1:11434/"),
        _ => known.common,
    };
    (api, home)
}
