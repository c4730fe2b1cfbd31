//! From the configuration and the variables to providers.
use std::{collections::BTreeMap, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    config::{ModelConfig, ProviderApi},
    ports::model::LanguageModel,
    vars::Vars,
};
use url::Url;

use super::{
    Provider, Router,
    cooldown::{Cooldown, Rests},
    native::{Capped, Maker, NativeHttp, NativeProvider},
    place,
    providers::{KNOWN, known},
    source::{BaseFrom, Source, Speakers},
};
use crate::{
    HttpPool, Offline, OpenAiClient, OpenAiConfig, Prices, Retries, Timeouts, offline, openai::KeyPlace,
};

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
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RouterBuilder {
    timeouts: Timeouts,
    retries: Retries,
    cooldown: Cooldown,
    maker: Option<Maker>,
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

    /// Replaces when a model that fails is given a rest.
    pub fn cooldown(mut self, cooldown: Cooldown) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// Lets `make` make the models of providers that speak a wire of their own. Without it they are asked over their
    /// OpenAI-compatible endpoint, where they have one.
    pub fn native(
        mut self,
        make: impl Fn(NativeProvider) -> Result<Arc<dyn LanguageModel>> + Send + Sync + 'static,
    ) -> Self {
        self.maker = Some(Maker(Arc::new(make)));
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
        let speakers = if self.maker.is_some() { Speakers::All } else { Speakers::Common };
        for known in KNOWN {
            sources.push(Source::of(known, config, vars, speakers));
        }
        for (name, own) in config.providers.iter().filter(|(name, _)| known(name).is_none()) {
            match Source::custom(name, own) {
                Ok(source) => sources.push(source),
                Err(fault) => faults.push(fault),
            }
        }
        for source in sources {
            let (provider, line) = self.provider(&source, &pool);
            match provider {
                Provider::Unusable(why) if source.is_configured_wrongly(&line) => faults.push(why),
                provider => {
                    providers.insert(source.name, provider);
                    summary.providers.push(line);
                }
            }
        }
        if !faults.is_empty() {
            return Err(Error::misconfigured(faults.join("; ")).during("model.configure"));
        }
        summary.providers.sort_by(|a, b| a.name.cmp(&b.name));
        let router = Router {
            providers: Arc::new(providers),
            prices: Arc::new(Prices::new(&config.prices)),
            openai_elsewhere: openai_elsewhere(&summary),
            rests: Arc::new(Rests::new(self.cooldown)),
        };
        Ok((router, summary))
    }

    /// The provider, and its line in the summary.
    fn provider(&self, source: &Source, pool: &HttpPool) -> (Provider, ProviderSummary) {
        let location = source.base_url.as_ref().map(|url| shown(url)).unwrap_or_default();
        let line = source.summary(location);
        let keyless = |variable: &str| {
            let name = &source.name;
            format!("the model provider {name} has no key: set {variable}, or model.providers.{name}.api_key")
        };
        let provider = match (&source.base_url, &line.credential) {
            (Err(why), Credential::Missing(variable)) => {
                Provider::Unusable(format!("{}; {why}", keyless(variable)))
            }
            (Err(why), _) => Provider::Unusable(why.clone()),
            (Ok(_), Credential::Missing(variable)) => Provider::Unusable(keyless(variable)),
            (Ok(url), Credential::Present | Credential::NotNeeded) => match self.model(source, url, pool) {
                Ok(model) => Provider::Ready(model),
                Err(why) => Provider::Unusable(why),
            },
        };
        (provider, line)
    }

    fn model(&self, source: &Source, url: &str, pool: &HttpPool) -> Result<Arc<dyn LanguageModel>, String> {
        let made = match (source.api, &self.maker) {
            (ProviderApi::Openai | ProviderApi::Azure, _) => self.common(source, url, pool),
            (api, Some(maker)) => (maker.0)(self.native_provider(source, api, url, pool)).map(|model| {
                let provider = source.name.clone();
                Arc::new(Capped { provider, model }) as Arc<dyn LanguageModel>
            }),
            (api, None) => {
                return Err(format!(
                    "the model provider {} speaks {}, which this build cannot: it was made without the feature genai",
                    source.name,
                    api.word()
                ));
            }
        };
        made.map_err(|error| match &source.base_from {
            BaseFrom::Default => error.message().to_owned(),
            BaseFrom::Variable(name) => format!("{} (see {name})", error.message()),
            BaseFrom::Config(key) => format!("{} (see {key})", error.message()),
        })
    }

    fn common(&self, source: &Source, url: &str, pool: &HttpPool) -> Result<Arc<dyn LanguageModel>> {
        let config = OpenAiConfig::new(&source.name, url).key_place(source.key_place.clone());
        let config =
            config.timeouts(self.timeouts).retries(self.retries).structured_output(source.structured);
        let config = match &source.key {
            Some(key) => config.api_key(key.clone()),
            None => config,
        };
        let config = match source.api {
            ProviderApi::Azure => config.azure(source.api_version.clone()),
            _ => config,
        };
        Ok(Arc::new(OpenAiClient::new(config, pool.clone())?))
    }

    fn native_provider(
        &self,
        source: &Source,
        api: ProviderApi,
        url: &str,
        pool: &HttpPool,
    ) -> NativeProvider {
        NativeProvider {
            name: source.name.clone(),
            api,
            base_url: url.to_owned(),
            api_key: source.key.clone(),
            key_place: match &source.key_place {
                KeyPlace::Unknown => String::new(),
                KeyPlace::At(place) | KeyPlace::Nowhere(place) => place.clone(),
            },
            timeouts: self.timeouts,
            retries: self.retries,
            http: NativeHttp { pool: pool.clone(), url: Url::parse(url).ok() },
        }
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

impl Source {
    fn summary(&self, location: String) -> ProviderSummary {
        let credential = match (&self.key, self.wanted) {
            (Some(_), _) => Credential::Present,
            (None, Some(variable)) => Credential::Missing(variable),
            (None, None) => Credential::NotNeeded,
        };
        ProviderSummary { name: self.name.clone(), location, credential }
    }

    /// Whether the configuration itself is at fault, which stops the start; a missing key does not.
    fn is_configured_wrongly(&self, line: &ProviderSummary) -> bool {
        matches!(self.base_from, BaseFrom::Config(_)) && !matches!(line.credential, Credential::Missing(_))
    }
}

/// A URL without credentials, query and fragment; empty when it is none.
fn shown(url: &str) -> String {
    let Ok(mut url) = Url::parse(url) else { return String::new() };
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Where `openai` is, unless it is at home or nowhere.
fn openai_elsewhere(summary: &RouterSummary) -> Option<String> {
    let line = summary.providers.iter().find(|line| line.name == "openai")?;
    let elsewhere = !line.location.is_empty() && !place::is_openai(&line.location);
    elsewhere.then(|| line.location.clone())
}
