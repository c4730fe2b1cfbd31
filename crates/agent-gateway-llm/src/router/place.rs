//! Where a provider is: its own address, or another one completed.
use agent_gateway_core::vars::Vars;
use url::Url;

use super::providers::{Home, KnownProvider, OPENAI_HOME, first_set};

/// The base URL of a provider nobody moved, or what is missing for one.
pub(super) fn home(home: Home, known: &KnownProvider, vars: &dyn Vars) -> Result<String, String> {
    let name = known.name;
    match home {
        Home::At(url) => Ok(url.to_owned()),
        Home::Bedrock => {
            let names = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];
            let region = label(&names, vars)?.ok_or_else(|| missing(name, "no region", "AWS_REGION"))?;
            Ok(format!("https://bedrock-runtime.{region}.amazonaws.com"))
        }
        Home::Vertex => {
            let project = label(&["VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT"], vars)?
                .ok_or_else(|| missing(name, "no project", "GOOGLE_CLOUD_PROJECT"))?;
            let location = label(&["VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION"], vars)?;
            let location = location.unwrap_or_else(|| "global".to_owned());
            let host = match location.as_str() {
                "global" => "aiplatform.googleapis.com".to_owned(),
                region => format!("{region}-aiplatform.googleapis.com"),
            };
            Ok(format!("https://{host}/v1/projects/{project}/locations/{location}"))
        }
        Home::Anywhere | Home::Nowhere => {
            let variable = known.base_vars.first().copied().unwrap_or_default();
            Err(missing(name, "no address", variable))
        }
    }
}

fn missing(name: &str, what: &str, variable: &str) -> String {
    format!("the model provider {name} has {what}: set {variable}, or model.providers.{name}.base_url")
}

/// A variable's value that becomes part of a host or a path.
fn label(names: &[&str], vars: &dyn Vars) -> Result<Option<String>, String> {
    let Some((name, value)) = first_set(names, vars) else { return Ok(None) };
    let fits =
        value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) && !value.contains("..");
    if fits {
        Ok(Some(value))
    } else {
        Err(format!("{name} is no name of a region, a project or a location"))
    }
}

/// A base URL as somebody gives it: perhaps without scheme, without port, or without the path that `home` has.
pub(super) fn complete(base_url: &str, home: Home, known: &KnownProvider) -> String {
    let completed = ["anthropic", "gemini", "ollama"].contains(&known.name);
    let (true, Home::At(home)) = (completed, home) else { return base_url.to_owned() };
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
    if let (true, Ok(home)) = (url.path() == "/", Url::parse(home)) {
        url.set_path(home.path());
    }
    url.into()
}

pub(super) fn same_host(url: &str, other: &str) -> bool {
    let host = |text: &str| Some(Url::parse(text).ok()?.host_str()?.to_owned());
    host(url) == host(other)
}

/// Whether `location` is where OpenAI is.
pub(super) fn is_openai(location: &str) -> bool {
    same_host(location, OPENAI_HOME)
}
