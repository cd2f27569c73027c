//! Where calls go; every result says it.

use std::fmt;

use serde_json::{Value, json};

use super::{Config, Name, is_production, is_production_host};
use crate::text::{masked, printable};

/// The profile, the host and the issuer of a call, ready to be printed.
#[derive(Debug)]
pub(crate) struct Target {
    profile: String,
    host: Option<String>,
    issuer: Option<String>,
    production: bool,
}

impl Target {
    pub(super) fn of(config: &Config) -> Self {
        let text = |name: Name| config.get(name).map(|setting| shown(name, &setting.text));
        Self {
            profile: shown(Name::Profile, &config.profile.text),
            host: text(Name::BaseUrl).map(|url| url.trim_end_matches('/').to_owned()),
            issuer: text(Name::IssuerId),
            production: config.is_production(),
        }
    }

    /// Returns where the calls of a journal went.
    pub(crate) fn recorded(profile: &str, base_url: &str, issuer: &str) -> Self {
        Self {
            profile: shown(Name::Profile, profile),
            host: Some(shown(Name::BaseUrl, base_url)),
            issuer: Some(shown(Name::IssuerId, issuer)),
            production: is_production(profile) || is_production_host(base_url),
        }
    }

    /// Returns the names and values for people.
    pub(crate) fn rows(&self) -> [(&'static str, String); 3] {
        let mark = if self.production { " (PRODUCTION)" } else { "" };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            ("profile", format!("{}{mark}", self.profile)),
            ("host", text(&self.host)),
            ("issuerId", text(&self.issuer)),
        ]
    }

    /// Returns the same for programs.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "profile": self.profile,
            "host": self.host,
            "issuerId": self.issuer,
            "production": self.production,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [(_, profile), (_, host), (_, issuer)] = self.rows();
        write!(f, "{host}, issuer {issuer}, profile {profile}")
    }
}

/// Returns a value that can be shown. Keys are files, and their paths are no secrets; a URL may hold a
/// password.
pub(crate) fn shown(name: Name, text: &str) -> String {
    let text = match name {
        Name::Proxy | Name::BaseUrl => &without_password(text),
        _ => text,
    };
    printable(&masked(text))
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://[masked]@{host}"),
        (None, Some((_, host))) => format!("[masked]@{host}"),
        _ => url.to_owned(),
    }
}
