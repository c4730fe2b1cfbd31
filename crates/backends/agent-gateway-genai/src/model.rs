//! One provider as a language model.
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Error, Result, Retry,
    capability::{ModelCapability, StructuredOutput},
    id::ModelName,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
    secret::Secret,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use genai::{
    Client, ModelIden, ServiceTarget,
    adapter::AdapterKind,
    resolver::{AuthData, Endpoint},
};
use tokio::time::{Instant, sleep};
use url::Url;

use crate::{
    Api, GenAiConfig, Limits,
    answer::Answer,
    error::{Blame, Cause},
    frames::Frames,
    quiet::Quiet,
    request,
    structured::{self, Refusals},
};

/// The most models that are remembered for refusing a temperature.
const MAX_REMEMBERED: usize = 256;

/// A provider that speaks a wire of its own. Cloning is cheap.
///
/// The model of a request is sent as it stands. Every answer is read as a stream, whatever the delivery: only there has the
/// library limits of time, and what came so far is bounded.
#[derive(Clone)]
pub struct GenAi(Arc<Inner>);

struct Inner {
    provider: String,
    api: Api,
    base_url: String,
    location: String,
    key: Option<Secret>,
    key_place: String,
    limits: Limits,
    http: Box<dyn Fn() -> Result<reqwest::Client> + Send + Sync>,
    /// Made at the first call: until then no certificate is read.
    client: OnceLock<Client>,
    /// Models that refused a temperature, which is then left out.
    cold: Mutex<BTreeSet<ModelName>>,
    /// What refused a JSON Schema, which is then left out.
    refusals: Refusals,
}

/// One call, as far as reading its answer needs to know it.
#[derive(Clone)]
pub(crate) struct Asked {
    inner: Arc<Inner>,
    model: ModelName,
}

impl GenAi {
    /// A model on the connections of the client that `http` gives, which should follow no redirects, decompress nothing (the
    /// library reads without a bound) and limit the time for connecting. It is asked for at the first call.
    ///
    /// # Errors
    /// `Misconfigured` when the base URL is no `http` or `https` URL, or the key cannot stand in a header.
    pub fn new(
        config: GenAiConfig,
        http: impl Fn() -> Result<reqwest::Client> + Send + Sync + 'static,
    ) -> Result<Self> {
        let GenAiConfig { provider, api, base_url, api_key, key_place, limits } = config;
        let base = base(&base_url).ok_or_else(|| {
            Error::misconfigured(format!(
                "the base URL of the model provider {provider} is no http or https URL"
            ))
        })?;
        let key = api_key.map(|key| Secret::new(key.expose().trim())).filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| reqwest::header::HeaderValue::from_str(key.expose()).is_err()) {
            return Err(Error::misconfigured(format!(
                "the key of the model provider {provider} has characters that no header can carry"
            )));
        }
        let location = location(&base);
        // The library appends its paths as text.
        let mut base_url = String::from(base);
        if !base_url.ends_with('/') {
            base_url.push('/');
        }
        Ok(Self(Arc::new(Inner {
            provider,
            api,
            base_url,
            location,
            key,
            key_place,
            limits,
            http: Box::new(http),
            client: OnceLock::new(),
            cold: Mutex::default(),
            refusals: Refusals::default(),
        })))
    }

    /// The base URL, without credentials and query.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.location
    }
}

fn base(base_url: &str) -> Option<Url> {
    let mut url = Url::parse(base_url.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    url.set_fragment(None);
    url.set_query(None);
    Some(url)
}

/// A URL without credentials, fit to be shown.
fn location(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.into()
}

#[async_trait]
impl LanguageModel for GenAi {
    /// The price is the router's to know.
    fn capability(&self, model: &ModelName) -> ModelCapability {
        let structured = if self.0.refusals.has(model) {
            StructuredOutput::None
        } else {
            structured::documented(self.0.api, model)
        };
        ModelCapability::new(self.0.provider.clone()).structured(structured)
    }

    async fn stream(&self, mut request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let inner = &self.0;
        let deadline = Instant::now() + inner.limits.total;
        let asked = Asked { inner: inner.clone(), model: request.model.clone() };
        let name = request::model_name(&request.model, inner.api)
            .map_err(|error| error.during("model.ask").with("provider", &inner.provider))?
            .to_owned();
        if request.temperature.is_some() && inner.cold().contains(&request.model) {
            request.temperature = None;
        }
        let able = self.capability(&request.model).structured_output.allows(request.tools.len());
        let sendable = request.output_schema.as_deref().is_some_and(structured::is_sendable);
        if !able || !sendable || inner.refusals.has_this(&request) {
            request.output_schema = None;
        }
        let client = inner.client()?;
        let mut attempt = 1;
        loop {
            let cause = match asked.attempt(client, &name, &request, deadline).await {
                Ok(answer) => return Ok(answer.into_stream()),
                Err(cause) => cause,
            };
            if request.temperature.is_some() && cause.is_about_temperature() {
                inner.remember_cold(&request.model);
                request.temperature = None;
                continue;
            }
            if let (Some(_), Some(refusal)) = (&request.output_schema, cause.schema_refusal()) {
                inner.refusals.remember(&request, refusal);
                request.output_schema = None;
                continue;
            }
            let pause = match inner.again(&cause, attempt, deadline) {
                Ok(pause) => pause,
                Err(advice) => return Err(asked.failed(cause, attempt, advice)),
            };
            tracing::debug!(provider = inner.provider, attempt, ?cause, ?pause, "asking the model again");
            sleep(pause).await;
            attempt += 1;
        }
    }
}

impl Inner {
    /// The pause before the next attempt, or, when there is none, what the caller is advised.
    fn again(&self, cause: &Cause, attempt: u32, deadline: Instant) -> Result<Duration, Option<Retry>> {
        if !cause.is_passing() {
            return Err(None);
        }
        if attempt >= self.limits.attempts {
            return Err(Some(Retry::Exhausted));
        }
        let asked = cause.retry_after();
        let pause = asked.unwrap_or_else(|| self.limits.pause(attempt));
        let fits = Instant::now().checked_add(pause).is_some_and(|then| then < deadline);
        if !fits || asked.is_some_and(|wait| wait > self.limits.longest_wait) {
            return Err(Some(Retry::Later(asked)));
        }
        Ok(pause)
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = Client::builder().with_reqwest((self.http)()?).build().map_err(|_| {
            Error::misconfigured(format!(
                "the client of the model provider {} cannot be set up",
                self.provider
            ))
        })?;
        // When two calls come here at once, both use the client of the first.
        Ok(self.client.get_or_init(|| made))
    }

    fn cold(&self) -> MutexGuard<'_, BTreeSet<ModelName>> {
        self.cold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember_cold(&self, model: &ModelName) {
        let mut cold = self.cold();
        if cold.len() < MAX_REMEMBERED {
            cold.insert(model.clone());
        }
    }

    /// Everything that the library would otherwise look up or guess.
    fn target(&self, model: &str) -> ServiceTarget {
        let kind = match self.api {
            Api::Anthropic => AdapterKind::Anthropic,
            Api::Gemini => AdapterKind::Gemini,
            Api::Vertex => AdapterKind::Vertex,
            Api::Bedrock => AdapterKind::BedrockApi,
            Api::Ollama => AdapterKind::Ollama,
        };
        let key = self.key.as_ref().map(Secret::expose).unwrap_or_default();
        ServiceTarget {
            endpoint: Endpoint::from_owned(self.base_url.as_str()),
            auth: AuthData::from_single(key),
            model: ModelIden::new(kind, model),
        }
    }
}

impl Asked {
    /// One request, up to the first event of its answer.
    async fn attempt(
        &self,
        client: &Client,
        name: &str,
        request: &ModelRequest,
        deadline: Instant,
    ) -> Result<Answer, Cause> {
        let Inner { api, key, .. } = &*self.inner;
        let frames = Arc::new(Frames::default());
        let mut options = request::options(request, *api, frames.clone());
        if let (Api::Ollama, Some(key)) = (api, key) {
            // The library sends none there.
            options = options.with_extra_headers(("Authorization", format!("Bearer {}", key.expose())));
        }
        let chat = request::chat(request, *api);
        let asking = client.exec_chat_stream(self.inner.target(name), chat, Some(&options));
        let made = Quiet::future(asking).await;
        let stream = made.map_err(|error| Cause::of(error, &frames.seen(), self.key()))?.stream;
        let mut answer = Answer::new(self.clone(), Quiet::stream(stream), frames, deadline);
        answer.begin().await?;
        Ok(answer)
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.inner.key.as_ref().map(Secret::expose)
    }

    pub(crate) fn limits(&self) -> Limits {
        self.inner.limits
    }

    pub(crate) fn api(&self) -> Api {
        self.inner.api
    }

    pub(crate) fn model(&self) -> &ModelName {
        &self.model
    }

    /// The error that the caller sees.
    pub(crate) fn failed(&self, cause: Cause, attempts: u32, advice: Option<Retry>) -> Error {
        let Inner { provider, key_place, .. } = &*self.inner;
        let blame = Blame { provider, key_place, attempts };
        cause.into_error(&blame, advice).during("model.ask").with("model", &self.model)
    }
}

impl fmt::Debug for GenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenAi")
            .field("provider", &self.0.provider)
            .field("api", &self.0.api)
            .field("location", &self.0.location)
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}
