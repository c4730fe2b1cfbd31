//! One provider's endpoint as a language model.
use std::{fmt, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result, Retry,
    capability::{ModelCapability, StructuredOutput},
    clock::{Clock, SystemClock},
    id::ModelName,
    ports::model::{Delivery, LanguageModel, ModelEvent, ModelRequest},
    secret::Secret,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use reqwest::{
    Client, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::{
    answer::Answer,
    body::Body,
    endpoint::{Endpoint, Form},
    error::{Blame, Cause, KeyPlace, Quota, TimeLimit, read_message},
    manners::Book,
    request::{self, Service},
    retry_after,
};
use crate::{HttpPool, Prices, Retries, Timeouts};

/// The most bytes of an error's body that are read, and how long that may take.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const ERROR_PATIENCE: Duration = Duration::from_secs(5);

/// Where a provider is, and how it is asked.
#[derive(Clone, Debug)]
#[must_use]
pub struct OpenAiConfig {
    provider: String,
    base_url: String,
    api_key: Option<Secret>,
    key_place: KeyPlace,
    form: Form,
    timeouts: Timeouts,
    retries: Retries,
    structured_output: StructuredOutput,
}

impl OpenAiConfig {
    /// The provider `provider` at `base_url`, such as `https://api.openai.com/v1`, without a key.
    pub fn new(provider: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            base_url: base_url.into(),
            api_key: None,
            key_place: KeyPlace::Unknown,
            form: Form::Plain,
            timeouts: Timeouts::default(),
            retries: Retries::default(),
            structured_output: StructuredOutput::None,
        }
    }

    /// When the provider's models take a JSON Schema as their `response_format`. What a model is known not to take, or refuses,
    /// is left out all the same.
    pub fn structured_output(mut self, when: StructuredOutput) -> Self {
        self.structured_output = when;
        self
    }

    /// Asks as Azure wants it: `base_url` is the resource's, such as `https://me.openai.azure.com`, a model is a deployment,
    /// and the key goes into `api-key`. With a dated version of the API each deployment has an address of its own.
    pub fn azure(mut self, version: Option<String>) -> Self {
        self.form = Form::Azure(version);
        self
    }

    /// What an error about the key tells the operator to look at.
    pub(crate) fn key_place(mut self, place: KeyPlace) -> Self {
        self.key_place = place;
        self
    }

    /// Sends the key as a bearer token, or as Azure wants it.
    pub fn api_key(mut self, key: Secret) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Replaces the limits of time. The one for connecting belongs to the pool.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Replaces how often a call is made again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }
}

/// A provider that speaks the OpenAI-compatible wire. Cloning is cheap.
///
/// The model of a request is sent as it stands: a provider's prefix is the [`Router`](crate::Router)'s business.
#[derive(Clone)]
pub struct OpenAiClient(Arc<Inner>);

pub(super) struct Inner {
    provider: String,
    endpoint: Endpoint,
    location: String,
    service: Service,
    key: Option<Secret>,
    key_place: KeyPlace,
    book: Book,
    headers: HeaderMap,
    pool: HttpPool,
    pub(super) timeouts: Timeouts,
    retries: Retries,
    structured_output: StructuredOutput,
}

/// One call, as far as reading its answer needs to know it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) client: Arc<Inner>,
    pub(super) model: ModelName,
    pub(super) delivery: Delivery,
    endpoint: Url,
}

impl OpenAiClient {
    /// A client on the connections of `pool`.
    ///
    /// # Errors
    /// `Misconfigured` when the base URL is no `http` or `https` URL, or the key cannot stand in a header.
    pub fn new(config: OpenAiConfig, pool: HttpPool) -> Result<Self> {
        let OpenAiConfig {
            provider,
            base_url,
            api_key,
            key_place,
            form,
            timeouts,
            retries,
            structured_output,
        } = config;
        let base = base(&base_url).ok_or_else(|| {
            Error::misconfigured(format!(
                "the base URL of the model provider {provider} is no http or https URL"
            ))
        })?;
        let location = location(&base);
        let service = match form {
            Form::Plain => Service::at(&base),
            Form::Azure(_) => Service::Azure,
        };
        let mut endpoint = Endpoint::new(base, &form);
        let key = api_key.map(|key| Secret::new(key.expose().trim())).filter(|key| !key.is_empty());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &key {
            let (name, value) = match form {
                Form::Plain => (AUTHORIZATION, format!("Bearer {}", key.expose())),
                Form::Azure(_) => (HeaderName::from_static("api-key"), key.expose().to_owned()),
            };
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                Error::misconfigured(format!(
                    "the key of the model provider {provider} has characters that no header can carry"
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(name, value);
            endpoint.without_credentials();
        }
        Ok(Self(Arc::new(Inner {
            provider,
            endpoint,
            location,
            service,
            key,
            key_place,
            book: Book::default(),
            headers,
            pool,
            timeouts,
            retries,
            structured_output,
        })))
    }

    /// The base URL, without credentials and query.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.location
    }
}

/// A URL without credentials, query and fragment, fit to be shown.
fn location(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

fn base(base_url: &str) -> Option<Url> {
    let mut url = Url::parse(base_url.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    url.set_fragment(None);
    Some(url)
}

#[async_trait]
impl LanguageModel for OpenAiClient {
    fn capability(&self, model: &ModelName) -> ModelCapability {
        let structured =
            match self.0.service.takes_schema(model.as_str()) && !self.0.book.is_without_schema(model) {
                true => self.0.structured_output,
                false => StructuredOutput::None,
            };
        let capability = ModelCapability::new(self.0.provider.clone()).structured(structured);
        match Prices::default().of(&self.0.provider, model.as_str()) {
            Some(price) => capability.priced(price),
            None => capability,
        }
    }

    async fn stream(&self, mut request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let deadline = Instant::now() + self.0.timeouts.total;
        let endpoint = self.0.endpoint.url(&request.model)?;
        if !self.capability(&request.model).structured_output.allows(request.tools.len()) {
            request.output_schema = None;
        }
        let mut manners = self.0.book.of(&request);
        let mut body = request::body(&request, self.0.service, manners)?;
        let asked = Asked {
            client: self.0.clone(),
            model: request.model.clone(),
            delivery: request.delivery,
            endpoint,
        };
        let http = self.0.pool.client(self.0.endpoint.host())?;
        let mut attempt = 1;
        loop {
            let cause = match asked.attempt(&http, body.clone(), deadline).await {
                Ok(answer) => return Ok(answer.into_stream()),
                Err(cause) => cause,
            };
            if let Some(lesson) = cause.lesson()
                && manners.learn(lesson)
            {
                let again = request::body(&request, self.0.service, manners)?;
                // Where the request was not at fault, asking otherwise is no help.
                if again != body {
                    self.0.book.write(&request, lesson);
                    body = again;
                    continue;
                }
            }
            let pause = match self.0.again(&cause, attempt, deadline) {
                Ok(pause) => pause,
                Err(advice) => return Err(asked.failed(cause, attempt, advice)),
            };
            tracing::debug!(provider = self.0.provider, attempt, ?cause, ?pause, "asking the model again");
            sleep(pause).await;
            attempt += 1;
        }
    }
}

impl Inner {
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_ref().map(Secret::expose)
    }

    /// The pause before the next attempt, or, when there is none, what the caller is advised.
    fn again(&self, cause: &Cause, attempt: u32, deadline: Instant) -> Result<Duration, Option<Retry>> {
        if !cause.is_passing() {
            return Err(None);
        }
        if attempt >= self.retries.attempts {
            return Err(Some(Retry::Exhausted));
        }
        let asked = cause.retry_after();
        let pause = asked.unwrap_or_else(|| self.retries.pause(attempt));
        let fits = Instant::now().checked_add(pause).is_some_and(|then| then < deadline);
        if !fits || asked.is_some_and(|wait| wait > self.retries.longest_wait) {
            return Err(Some(Retry::Later(asked)));
        }
        Ok(pause)
    }
}

impl Asked {
    /// One request, up to the first event of its answer.
    async fn attempt(&self, http: &Client, body: Bytes, deadline: Instant) -> Result<Answer, Cause> {
        let response = self.send(http, body, deadline).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(response, deadline).await);
        }
        let mut answer = Answer::new(self.clone(), response, deadline);
        answer.begin().await?;
        Ok(answer)
    }

    async fn send(&self, http: &Client, body: Bytes, deadline: Instant) -> Result<Response, Cause> {
        let accepted = match self.delivery {
            Delivery::Whole => "application/json",
            Delivery::Incremental => "text/event-stream",
        };
        let request = http
            .post(self.endpoint.clone())
            .headers(self.client.headers.clone())
            .header(ACCEPT, accepted)
            .body(body);
        let wait = self.first_wait();
        let until = wait.map_or(deadline, |(_, limit)| deadline.min(Instant::now() + limit));
        match timeout_at(until, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() && error.is_timeout() => {
                Err(Cause::Time { limit: TimeLimit::Connect, after: self.client.timeouts.connect })
            }
            Ok(Err(error)) => {
                let what = if error.is_connect() { "cannot be reached" } else { "broke the connection" };
                Err(Cause::Connection { what, source: error.without_url() })
            }
            Err(_) => {
                let total = (TimeLimit::Total, self.client.timeouts.total);
                let (limit, after) = wait.filter(|_| until < deadline).unwrap_or(total);
                Err(Cause::Time { limit, after })
            }
        }
    }

    /// What an answer with an error status says.
    async fn refused(&self, response: Response, deadline: Instant) -> Cause {
        let status = response.status().as_u16();
        let retry_after = retry_after::read(response.headers(), SystemClock.now());
        let until = deadline.min(Instant::now() + ERROR_PATIENCE);
        let mut body = Body::new(response, until, ERROR_PATIENCE, MAX_ERROR_BYTES);
        // The status says enough where the body cannot be read.
        let bytes = body.whole(None, ERROR_PATIENCE).await.unwrap_or_default();
        let (message, quota) = serde_json::from_slice(&bytes)
            .map_or((None, Quota::Left), |body| read_message(&body, self.client.key()));
        Cause::Status { status, message, retry_after, quota }
    }

    /// How long the first word may take: only a stream can be expected to begin before it is complete.
    pub(super) fn first_wait(&self) -> Option<(TimeLimit, Duration)> {
        (self.delivery == Delivery::Incremental)
            .then_some((TimeLimit::FirstByte, self.client.timeouts.first_byte))
    }

    /// The error that the caller sees.
    pub(super) fn failed(&self, cause: Cause, attempts: u32, advice: Option<Retry>) -> Error {
        let Inner { provider, key_place, .. } = &*self.client;
        let error = cause.into_error(&Blame { provider, key_place, attempts }, advice);
        error.during("model.ask").with("model", &self.model)
    }
}

impl fmt::Debug for OpenAiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiClient")
            .field("provider", &self.provider)
            .field("location", &self.location)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
