//! `dashboard`: the pages for people.
use serde::{Deserialize, Serialize};

use super::texts;
use crate::secret::Secret;

/// The section `dashboard`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DashboardConfig {
    /// Whether there are any.
    pub enabled: bool,
    /// The title.
    pub title: String,
    /// The line below it.
    pub subtitle: String,
    /// The logo's address; absent: none.
    pub logo_url: Option<String>,
    /// The icon's address.
    pub favicon_url: String,
    /// Who may see them.
    pub auth: DashboardAuthConfig,
    /// How they look.
    pub theme: ThemeConfig,
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            title: "Agent Gateway".into(),
            subtitle: "AI Control Plane".into(),
            logo_url: None,
            favicon_url: "/dashboard/static/dashboard/default-icon.png".into(),
            auth: DashboardAuthConfig::default(),
            theme: ThemeConfig::default(),
        }
    }
}

/// The section `dashboard.auth`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DashboardAuthConfig {
    /// Whether people must sign in.
    pub enabled: bool,
    /// The name of the account.
    pub username: String,
    /// Its password; an empty one lets nobody in.
    pub password: Secret,
    /// The name of the account that may change things.
    pub admin_username: Option<String>,
    /// Its password.
    pub admin_password: Option<Secret>,
    /// The text of the button that leads to the identity provider.
    pub login_button_text: String,
    /// Signs the session cookies; empty: a new one for each process.
    pub session_secret: Secret,
    /// The identity provider.
    pub oauth2: Option<DashboardOauth2Config>,
    /// The cookie's name.
    pub session_cookie_name: String,
    /// The cookie's `SameSite`.
    pub session_cookie_same_site: SameSite,
    /// The cookie's `Secure`; absent: as `proxy.trust_forwarded`.
    pub session_cookie_https_only: Option<bool>,
    /// The cookie's `Domain`; absent: the host alone.
    pub session_cookie_domain: Option<String>,
    /// Seconds for which a session lasts.
    pub session_max_age_seconds: u64,
}

impl Default for DashboardAuthConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            username: "admin".into(),
            password: Secret::default(),
            admin_username: None,
            admin_password: None,
            login_button_text: "Sign in with SSO".into(),
            session_secret: Secret::default(),
            oauth2: None,
            session_cookie_name: "agw_dashboard_session".into(),
            session_cookie_same_site: SameSite::Lax,
            session_cookie_https_only: None,
            session_cookie_domain: None,
            session_max_age_seconds: 86_400,
        }
    }
}

/// The section `dashboard.auth.oauth2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DashboardOauth2Config {
    /// The issuer.
    pub issuer: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// The scopes that are asked for.
    #[serde(default = "openid_scopes")]
    pub scopes: Vec<String>,
}

fn openid_scopes() -> Vec<String> {
    texts(["openid", "profile", "email"])
}

/// When a browser sends a cookie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// Also when a link leads here.
    Lax,
    /// From the own pages alone.
    Strict,
    /// Always.
    None,
}

/// The section `dashboard.theme`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThemeConfig {
    /// Light or dark.
    pub mode: ThemeMode,
    /// The older name of `colors.primary`, which wins over this one.
    pub accent_color: String,
    /// The older name of `colors.primary_dark`, which wins over this one.
    pub accent_color_dark: String,
    /// The colours.
    pub colors: ThemeColors,
}

impl Default for ThemeConfig {
    fn default() -> Self {
        let colors = ThemeColors::default();
        Self {
            mode: ThemeMode::Auto,
            accent_color: colors.primary.clone(),
            accent_color_dark: colors.primary_dark.clone(),
            colors,
        }
    }
}

/// Light or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThemeMode {
    /// Light.
    Light,
    /// Dark.
    Dark,
    /// As the browser says.
    Auto,
}

/// The section `dashboard.theme.colors`; each colour has a second value for the dark mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThemeColors {
    /// Of buttons and links.
    pub primary: String,
    /// Of buttons and links, dark.
    pub primary_dark: String,
    /// Of what is less important.
    pub secondary: String,
    /// Of what is less important, dark.
    pub secondary_dark: String,
    /// Of highlights; empty: as `primary`.
    pub accent: String,
    /// Of highlights, dark; empty: as `primary_dark`.
    pub accent_dark: String,
    /// Of the background.
    pub surface: String,
    /// Of the background, dark.
    pub surface_dark: String,
    /// Of the side bar.
    pub sidebar: String,
    /// Of the side bar, dark.
    pub sidebar_dark: String,
    /// Of warnings.
    pub danger: String,
    /// Of warnings, dark.
    pub danger_dark: String,
}

impl Default for ThemeColors {
    fn default() -> Self {
        Self {
            primary: "#6366f1".into(),
            primary_dark: "#818cf8".into(),
            secondary: "#64748b".into(),
            secondary_dark: "#94a3b8".into(),
            accent: String::new(),
            accent_dark: String::new(),
            surface: "#ffffff".into(),
            surface_dark: "#141b2d".into(),
            sidebar: "#0f172a".into(),
            sidebar_dark: "#0b0f1a".into(),
            danger: "#ef4444".into(),
            danger_dark: "#f87171".into(),
        }
    }
}
