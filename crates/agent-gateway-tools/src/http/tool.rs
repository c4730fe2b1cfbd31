//! The tool that makes an HTTP call.
use std::{cell::RefCell, collections::BTreeMap, fmt, sync::OnceLock, time::Duration};

use agent_gateway_core::{
    Error, JsonMap, Result,
    ports::tool::Tool,
    secret::Secret,
    tool::{HttpHandler, HttpReach, ToolContext, ToolDefinition, ToolOutput, ToolSpec},
    vars::Vars,
};
use async_trait::async_trait;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::time::{sleep, timeout_at};
use url::Url;

use super::{
    answer::{Answer, Unread},
    guard::UrlGuard,
    request::{Prepared, RequestTemplate},
    template::Known,
};
use crate::{
    supervise::{House, deadline},
    words::redact,
};

/// How long to wait before a read is tried again.
const BEFORE_RETRY: Duration = Duration::from_millis(200);
const USER_AGENT: &str = concat!("agent-gateway/", env!("CARGO_PKG_VERSION"));

/// One client for each reach, made with the first tool that needs it.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    public: OnceLock<Client>,
    private: OnceLock<Client>,
}

impl Clients {
    fn of(&self, reach: HttpReach) -> Result<Client> {
        let place = match reach {
            HttpReach::Public => &self.public,
            HttpReach::Private => &self.private,
        };
        if let Some(client) = place.get() {
            return Ok(client.clone());
        }
        let made = UrlGuard::new(reach).client().user_agent(USER_AGENT).build().map_err(|reason| {
            Error::unavailable("no HTTP client can be made: are the certificates of the system readable?")
                .caused_by(reason)
        })?;
        Ok(place.get_or_init(|| made).clone())
    }
}

/// A tool that is an HTTP call.
pub(crate) struct HttpTool {
    spec: ToolSpec,
    template: RequestTemplate,
    /// What an answer may not repeat to the model.
    held: BTreeMap<String, Secret>,
    guard: UrlGuard,
    client: Client,
    timeout: Duration,
    house: House,
}

impl fmt::Debug for HttpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTool")
            .field("name", &self.spec.name)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

/// Why one attempt gave no answer.
enum Missed {
    /// Another attempt may reach it.
    Unreached(Error),
    Final(Error),
}

impl HttpTool {
    /// `Misconfigured` or `Forbidden` when the definition cannot make a call, whatever the arguments.
    pub(crate) fn new(
        definition: &ToolDefinition,
        handler: &HttpHandler,
        vars: &dyn Vars,
        clients: &Clients,
        house: House,
    ) -> Result<Self> {
        let arguments = definition.spec.parameters.get("properties").and_then(Value::as_object);
        let guard = UrlGuard::new(handler.reach);
        let held = RefCell::new(header_secrets(&handler.headers));
        let variable = |name: &str| {
            let value = vars.get(name)?;
            held.borrow_mut().insert(name.to_owned(), Secret::new(value.as_str()));
            Some(value)
        };
        let template = RequestTemplate::new(handler, &Known { arguments, variable: &variable })
            .and_then(|template| guard.check(&template.origin()?).map(|()| template))
            .map_err(|error| error.with("tool", &definition.id))?;
        Ok(Self {
            spec: definition.spec.clone(),
            template,
            held: held.into_inner(),
            guard,
            client: clients.of(handler.reach)?,
            timeout: handler.timeout,
            house,
        })
    }

    async fn run(&self, arguments: &JsonMap) -> Result<ToolOutput> {
        let name = self.spec.name.as_str();
        let prepared = self.template.fill(arguments)?;
        self.guard.check(&prepared.url)?;
        let may_repeat = matches!(self.template.method, Method::GET | Method::HEAD);
        let attempts = async {
            match self.attempt(&prepared).await {
                Ok(answer) if answer.status.is_server_error() && may_repeat => {}
                Err(Missed::Unreached(_)) if may_repeat => {}
                Ok(answer) => return answer.output(name),
                Err(Missed::Unreached(error) | Missed::Final(error)) => return Err(error),
            }
            sleep(BEFORE_RETRY).await;
            match self.attempt(&prepared).await {
                Ok(answer) => answer.output(name),
                Err(Missed::Unreached(error) | Missed::Final(error)) => Err(error),
            }
        };
        timeout_at(deadline(self.timeout), attempts).await.unwrap_or_else(|_| {
            let text = format!("the tool `{name}` got no answer within {:?}", self.timeout);
            Err(Error::timeout(text).with("host", host(&prepared.url)))
        })
    }

    async fn attempt(&self, prepared: &Prepared) -> Result<Answer, Missed> {
        let name = &self.spec.name;
        let mut request = self.client.request(self.template.method.clone(), prepared.url.clone());
        request = request.headers(prepared.headers.clone());
        if let Some(body) = &prepared.body {
            request = request.body(body.clone());
        }
        let unreached = |error: reqwest::Error| {
            UrlGuard::refusal_in(&error).map_or_else(
                || {
                    let text = format!("the tool `{name}` could not reach its server");
                    let host = host(&prepared.url);
                    // The URL may hold a secret.
                    let reason = error.without_url();
                    Missed::Unreached(Error::unavailable(text).with("host", host).caused_by(reason))
                },
                Missed::Final,
            )
        };
        let response = request.send().await.map_err(unreached)?;
        Answer::read(response).await.map_err(|unread| match unread {
            Unread::Failed(error) => unreached(error),
            Unread::TooLarge => {
                let text = format!("the tool `{name}` answered more than 1 MiB: ask it for less");
                Missed::Final(Error::too_large(text))
            }
        })
    }
}

/// The last words of headers: `Bearer <token>` is a secret for its token.
fn header_secrets(headers: &BTreeMap<String, Secret>) -> BTreeMap<String, Secret> {
    let word = |value: &Secret| value.expose().split_whitespace().last().map(Secret::new);
    headers.iter().filter_map(|(name, value)| Some((name.clone(), word(value)?))).collect()
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

#[async_trait]
impl Tool for HttpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        self.house.run(self.run(&arguments)).await.map_err(|error| {
            // A server may repeat what it was sent.
            let clean = redact(error.message(), &self.held, context);
            if clean == error.message() { error } else { Error::new(error.kind(), clean.into_owned()) }
        })
    }
}
