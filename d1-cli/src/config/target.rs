//! Where calls go; every result says it.

use std::fmt;

use serde::Serialize;

use super::{Name, is_production, is_production_host};
use crate::text::{masked, printable};

/// The profile, the host and the issuer of a call, ready to be printed.
#[derive(Debug, Serialize)]
pub(crate) struct Target {
    profile: String,
    host: Option<String>,
    #[serde(rename = "issuerId")]
    issuer: Option<String>,
    pub(super) production: bool,
}

impl Target {
    pub(crate) fn new(profile: &str, base_url: Option<&str>, issuer: Option<&str>) -> Self {
        let host = base_url.map(|url| shown(Name::BaseUrl, url));
        Self {
            profile: shown(Name::Profile, profile),
            host: host.map(|host| host.trim_end_matches('/').to_owned()),
            issuer: issuer.map(|issuer| shown(Name::IssuerId, issuer)),
            production: is_production(profile) || base_url.is_some_and(is_production_host),
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
