//! Where chat completions are posted to.
use agent_gateway_core::{Error, Result, id::ModelName};
use url::Url;

/// The address of one provider's chat completions.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    /// One for all models.
    Fixed(Url),
    /// One for each deployment, as Azure has them: `<base>/openai/deployments/<model>/chat/completions?api-version=<version>`.
    Deployment { base: Url, version: String },
}

/// The form of a provider's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// The base URL, then the path.
    #[default]
    Plain,
    /// Azure's, with this version where one was said.
    Azure(Option<String>),
}

impl Endpoint {
    pub(super) fn new(base: Url, form: &Form) -> Self {
        let Form::Azure(version) = form else { return Self::Fixed(completions(base)) };
        let path = base.path().trim_end_matches('/').to_owned();
        let dated = version.as_deref().filter(|version| version.starts_with(|c: char| c.is_ascii_digit()));
        if path.ends_with("/chat/completions") {
            return Self::Fixed(versioned(base, dated));
        }
        if path.contains("/openai/deployments/") {
            return Self::Fixed(versioned(completions(base), dated));
        }
        if path.ends_with("/openai/v1") {
            return Self::Fixed(completions(base));
        }
        match dated {
            Some(version) => Self::Deployment { base, version: version.to_owned() },
            None => Self::Fixed(completions(with_path(base, &["openai", "v1"]))),
        }
    }

    /// The address for `model`.
    pub(super) fn url(&self, model: &ModelName) -> Result<Url> {
        match self {
            Self::Fixed(url) => Ok(url.clone()),
            // The dots would be taken as steps in the path.
            Self::Deployment { .. } if matches!(model.as_str(), "." | "..") => {
                Err(Error::misconfigured(format!("{model} cannot be the name of a deployment")))
            }
            Self::Deployment { base, version } => {
                let path = ["openai", "deployments", model.as_str(), "chat", "completions"];
                Ok(versioned(with_path(base.clone(), &path), Some(version)))
            }
        }
    }

    /// The connections are those to this address.
    pub(super) fn host(&self) -> &Url {
        match self {
            Self::Fixed(url) | Self::Deployment { base: url, .. } => url,
        }
    }

    /// Leaves out user and password: one credential is enough, and the key is the one meant.
    pub(super) fn without_credentials(&mut self) {
        let (Self::Fixed(url) | Self::Deployment { base: url, .. }) = self;
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
}

fn completions(base: Url) -> Url {
    with_path(base, &["chat", "completions"])
}

fn with_path(mut url: Url, parts: &[&str]) -> Url {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(parts);
    }
    url
}

fn versioned(mut url: Url, version: Option<&str>) -> Url {
    let said = url.query_pairs().any(|(name, _)| name == "api-version");
    if let (false, Some(version)) = (said, version) {
        url.query_pairs_mut().append_pair("api-version", version);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(base: &str, version: Option<&str>, model: &str) -> String {
        let form = Form::Azure(version.map(str::to_owned));
        let endpoint = Endpoint::new(Url::parse(base).unwrap(), &form);
        endpoint.url(&ModelName::new(model).unwrap()).unwrap().into()
    }

    #[test]
    fn azure_has_an_address_for_all_and_one_for_each_deployment() {
        let home = "https://me.openai.azure.com";
        let all = "https://me.openai.azure.com/openai/v1/chat/completions";
        assert_eq!(address(home, None, "prod"), all);
        assert_eq!(address(&format!("{home}/"), Some("v1"), "prod"), all);
        assert_eq!(address(&format!("{home}/openai/v1/"), Some("2024-10-21"), "prod"), all);
        let each =
            "https://me.openai.azure.com/openai/deployments/prod/chat/completions?api-version=2024-10-21";
        assert_eq!(address(home, Some("2024-10-21"), "prod"), each);
        assert_eq!(address(&format!("{home}/openai/deployments/prod"), Some("2024-10-21"), "x"), each);
        let whole = format!("{home}/openai/deployments/prod/chat/completions?api-version=2024-10-21");
        assert_eq!(address(&whole, Some("2025-01-01"), "x"), each);
    }

    #[test]
    fn a_deployments_name_stays_in_its_place() {
        let told = |model| address("https://x", Some("2024-10-21"), model);
        assert!(
            told("a/../b?c").starts_with("https://x/openai/deployments/a%2F..%2Fb%3Fc/chat/completions?")
        );
        let form = Form::Azure(Some("2024-10-21".into()));
        let endpoint = Endpoint::new(Url::parse("https://x").unwrap(), &form);
        assert!(endpoint.url(&ModelName::new("..").unwrap()).is_err());
    }
}
