//! From the configuration and the variables to providers.
use std::{collections::BTreeMap, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    config::{ModelConfig, ProviderConfig},
    secret::Secret,
    vars::Vars,
};
use url::Url;

use super::{
    Provider, Router,
    providers::{KNOWN, KeyNeed, KnownProvider, OPENAI, first_set},
};
use crate::{HttpPool, Offline, OpenAiClient, OpenAiConfig, Prices, Retries, Timeouts, offline};

/// What a router was made of, for the operator's eyes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouterSummary {
    /// The providers by name.
    pub providers: Vec<ProviderSummary>,
}

/// One provider of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderSummary {
    /// What stands before the `/`.
    pub name: String,
    /// Its base URL, without credentials; empty when it is no URL.
    pub location: String,
    /// Whether it has its key.
    pub credential: Credential,
}

/// Whether a provider has its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// It has one.
    Present,
    /// It needs none where it is.
    NotNeeded,
    /// It needs one, which this variable would give.
    Missing(&'static str),
}

/// Makes a router with limits of its own.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct RouterBuilder {
    timeouts: Timeouts,
    retries: Retries,
}

impl RouterBuilder {
    /// Replaces the limits of time of every provider.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Replaces how often a call is made again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// As [`Router::from_config`].
    ///
    /// # Errors
    /// As [`Router::from_config`].
    pub fn build(self, config: &ModelConfig, vars: &dyn Vars) -> Result<(Router, RouterSummary)> {
        let pool = HttpPool::new(&self.timeouts);
        let mut providers = BTreeMap::from([(offline::NAME.to_owned(), Provider::Ready(Arc::new(Offline)))]);
        let mut summary = RouterSummary::default();
        let mut faults = Vec::new();
        let mut sources = Vec::new();
        for known in KNOWN {
            sources.push(Source::of(known, config, vars));
        }
        for (name, own) in config.providers.iter().filter(|(name, _)| !is_known(name)) {
            match Source::custom(name, own) {
                Ok(source) => sources.push(source),
                Err(fault) => faults.push(fault),
            }
        }
        for source in sources {
            let (provider, line) = match self.client(&source, &pool) {
                Ok(client) => source.judge(client),
                Err(why) if matches!(source.base_from, BaseFrom::Config(_)) => {
                    faults.push(why);
                    continue;
                }
                Err(why) => (Provider::Unusable(why), source.summary(String::new())),
            };
            providers.insert(source.name, provider);
            summary.providers.push(line);
        }
        if !faults.is_empty() {
            return Err(Error::misconfigured(faults.join("; ")).during("model.configure"));
        }
        summary.providers.sort_by(|a, b| a.name.cmp(&b.name));
        let router = Router {
            providers: Arc::new(providers),
            prices: Arc::new(Prices::new(&config.prices)),
            openai_elsewhere: openai_elsewhere(&summary),
        };
        Ok((router, summary))
    }

    fn client(&self, source: &Source, pool: &HttpPool) -> Result<OpenAiClient, String> {
        let config = OpenAiConfig::new(&source.name, &source.base_url);
        let config = config.timeouts(self.timeouts).retries(self.retries);
        let config = match &source.key {
            Some(key) => config.api_key(key.clone()),
            None => config,
        };
        OpenAiClient::new(config, pool.clone()).map_err(|error| match &source.base_from {
            BaseFrom::Default => error.message().to_owned(),
            BaseFrom::Variable(name) => format!("{} (see {name})", error.message()),
            BaseFrom::Config(key) => format!("{} (see {key})", error.message()),
        })
    }
}

impl Router {
    /// A router with the usual limits: the providers that need no configuration, those of `model.providers`,
    /// and the `offline` stand-in. Fallbacks belong to the loop, which knows each agent's.
    ///
    /// What `config` says of a provider wins over its variables. A missing key is no error here: see
    /// [`check`](Self::check).
    ///
    /// # Errors
    /// `Misconfigured` with every fault of `config` in one sentence.
    pub fn from_config(config: &ModelConfig, vars: &dyn Vars) -> Result<(Self, RouterSummary)> {
        RouterBuilder::default().build(config, vars)
    }

    /// Makes a router with limits of its own.
    pub fn builder() -> RouterBuilder {
        RouterBuilder::default()
    }
}

/// What one provider's client is made of.
struct Source {
    name: String,
    base_url: String,
    base_from: BaseFrom,
    key: Option<Secret>,
    /// The variable to name when the key is needed.
    wanted: Option<&'static str>,
}

/// Who said where a provider is.
enum BaseFrom {
    Default,
    Variable(&'static str),
    Config(String),
}

impl Source {
    fn of(known: &'static KnownProvider, config: &ModelConfig, vars: &dyn Vars) -> Self {
        let own =
            std::iter::once(&known.name).chain(known.aliases).find_map(|name| config.providers.get(*name));
        let (base_from, base_url) = match own.and_then(|own| own.base_url.clone()) {
            Some(url) => (BaseFrom::Config(format!("model.providers.{}.base_url", known.name)), url),
            None => match first_set(known.base_vars, vars) {
                Some((name, url)) => (BaseFrom::Variable(name), url),
                None => (BaseFrom::Default, known.base_url.to_owned()),
            },
        };
        let base_url = complete(&base_url, known);
        let key = own.and_then(|own| own.api_key.clone()).filter(|key| !key.is_empty());
        let key = key.or_else(|| first_set(known.key_vars, vars).map(|(_, key)| Secret::new(key)));
        let needed = known.key == KeyNeed::Needed && same_host(&base_url, known.base_url);
        let wanted = if needed { known.key_vars.first().copied() } else { None };
        Self { name: known.name.to_owned(), base_url, base_from, key, wanted }
    }

    /// A provider that only the configuration knows, or its fault.
    fn custom(name: &str, own: &ProviderConfig) -> Result<Self, String> {
        if name.is_empty() || name.contains('/') || name == offline::NAME {
            return Err(format!("model.providers.{name}: a provider cannot have this name"));
        }
        let base_from = format!("model.providers.{name}.base_url");
        let Some(base_url) = own.base_url.clone() else {
            return Err(format!("{base_from} is missing: only well-known providers have one of their own"));
        };
        let key = own.api_key.clone().filter(|key| !key.is_empty());
        Ok(Self {
            name: name.to_owned(),
            base_url,
            base_from: BaseFrom::Config(base_from),
            key,
            wanted: None,
        })
    }

    fn judge(&self, client: OpenAiClient) -> (Provider, ProviderSummary) {
        let line = self.summary(client.location().to_owned());
        let provider = match line.credential {
            Credential::Missing(variable) => Provider::Unusable(format!(
                "the model provider {name} has no key: set {variable}, or model.providers.{name}.api_key",
                name = self.name
            )),
            Credential::Present | Credential::NotNeeded => Provider::Ready(Arc::new(client)),
        };
        (provider, line)
    }

    fn summary(&self, location: String) -> ProviderSummary {
        let credential = match (&self.key, self.wanted) {
            (Some(_), _) => Credential::Present,
            (None, Some(variable)) => Credential::Missing(variable),
            (None, None) => Credential::NotNeeded,
        };
        ProviderSummary { name: self.name.clone(), location, credential }
    }
}

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.name == name || known.aliases.contains(&name))
}

fn same_host(url: &str, other: &str) -> bool {
    let host = |text: &str| Some(Url::parse(text).ok()?.host_str()?.to_owned());
    host(url) == host(other)
}

/// Where `openai` is, unless it is at home or nowhere.
fn openai_elsewhere(summary: &RouterSummary) -> Option<String> {
    let line = summary.providers.iter().find(|line| line.name == OPENAI.name)?;
    let elsewhere = !line.location.is_empty() && !same_host(&line.location, OPENAI.base_url);
    elsewhere.then(|| line.location.clone())
}

/// A base URL as a provider's variable gives it: perhaps without scheme, without port, or without path.
fn complete(base_url: &str, known: &KnownProvider) -> String {
    if known.path.is_empty() {
        return base_url.to_owned();
    }
    // Ollama's variable is the address it listens on: `host:port`, or `0.0.0.0` for all.
    let bare = !base_url.contains("://");
    let with_scheme = if bare { format!("http://{base_url}") } else { base_url.to_owned() };
    let Ok(mut url) = Url::parse(&with_scheme) else { return base_url.to_owned() };
    if known.name == "ollama" {
        if bare && url.port().is_none() {
            let _ = url.set_port(Some(11_434));
        }
        if matches!(url.host_str(), Some("0.0.0.0" | "[::]")) {
            let _ = url.set_host(Some("127.0.0.1"));
        }
    }
    if url.path() == "/" {
        url.set_path(known.path);
    }
    url.into()
}
