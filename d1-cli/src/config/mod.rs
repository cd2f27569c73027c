//! The settings: from options, then the environment, then a profile of `d1.toml`, then a default.

mod file;
mod given;
mod name;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use d1_facade::Environment;
use url::Url;

use crate::failure::Failure;
use crate::text::did_you_mean;
use file::ProfileFile;

pub(crate) use given::Given;
pub(crate) use name::Name;
pub(crate) use target::{Target, shown};

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(String),
    Variable(String),
    File { path: PathBuf, place: String },
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, place } => write!(f, "{}: {place}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting, and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) source: Source,
}

impl Setting {
    fn default(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            source: Source::Default,
        }
    }
}

/// The settings of this call of `d1`.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) profile: Setting,
    /// The file with the profiles, if there is one.
    pub(crate) file: Option<PathBuf>,
    values: BTreeMap<Name, Setting>,
}

/// The name of a profile for production; a hyphen and more may follow.
const PRODUCTION: &str = "production";
const STAGING: &str = "staging";

impl Config {
    /// Collects the settings.
    pub(crate) fn load(given: &Given) -> Result<Self, Failure> {
        let file = ProfileFile::find(given.get(Name::Config)?)?;
        let of_file = file.as_ref().and_then(|file| file.default_profile.clone());
        let profile = given.get(Name::Profile)?.or(of_file);
        let profile = profile.unwrap_or_else(|| Setting::default(STAGING));
        check_profile(&profile, file.as_ref())?;
        let of_profile = file
            .as_ref()
            .and_then(|file| file.profiles.get(&profile.text));
        let mut values = BTreeMap::new();
        for name in Name::of_profiles() {
            let described = of_profile.and_then(|settings| settings.get(&name).cloned());
            let described = described.or_else(|| default(name, &profile.text));
            let given = given.get(name)?;
            if let Some(setting) = given.as_ref().or(described.as_ref()) {
                check_value(name, setting)?;
                check_contradiction(name, setting, described.as_ref(), &profile)?;
                values.insert(name, setting.clone());
            }
        }
        values.insert(Name::Profile, profile.clone());
        Ok(Self {
            profile,
            file: file.map(|file| file.path),
            values,
        })
    }

    /// Returns a setting, if there is one.
    pub(crate) fn get(&self, name: Name) -> Option<&Setting> {
        self.values.get(&name)
    }

    /// Refuses to go on where one of these settings is missing; the error names all that are.
    pub(crate) fn need(&self, names: &[Name]) -> Result<(), Failure> {
        let mut missing = names.to_vec();
        missing.retain(|name| self.get(*name).is_none());
        match missing.first() {
            Some(first) => Err(self.missing(*first, &missing)),
            None => Ok(()),
        }
    }

    fn missing(&self, first: Name, all: &[Name]) -> Failure {
        let names: Vec<_> = all.iter().map(|name| name.name()).collect();
        let (verb, more) = match all.len() {
            1 => ("is", ""),
            _ => (
                "are",
                ", and the others likewise; the file d1.env of a d1 sandbox has all of them",
            ),
        };
        let (name, variable) = (first.name(), first.variable());
        let profile = &self.profile.text;
        let rule = format!(
            "{verb} missing: give --{name}, {variable}, or {name} in the profile {profile} of d1.toml{more}"
        );
        Failure::input(names.join(", "), rule)
    }

    /// Returns what names a setting in a message: where it comes from, with the path where it is a file.
    pub(crate) fn place(&self, name: Name) -> String {
        match self.get(name) {
            Some(setting) if name.is_file() => {
                format!("{} {}", setting.source, shown(name, &setting.text))
            }
            Some(setting) => setting.source.to_string(),
            None => format!("--{} or {}", name.name(), name.variable()),
        }
    }

    /// Returns the target of calls.
    pub(crate) fn target(&self) -> Target {
        let text = |name| self.get(name).map(|setting| setting.text.as_str());
        Target::new(
            &self.profile.text,
            text(Name::BaseUrl),
            text(Name::IssuerId),
        )
    }

    /// Refuses production unless the command line names it: neither a variable nor a file may choose it.
    pub(crate) fn check_production(&self) -> Result<(), Failure> {
        let said = matches!(self.profile.source, Source::Flag(_));
        if self.target().production && !(said && is_production(&self.profile.text)) {
            let rule = "these settings lead to production: say so with --profile production \
                        on the command line";
            return Err(Failure::input("--profile", rule));
        }
        Ok(())
    }
}

/// Returns the names of the profiles that can be chosen. A file that cannot be read has none.
pub(crate) fn profiles(given: &Given) -> BTreeSet<String> {
    let file = given.get(Name::Config).and_then(ProfileFile::find);
    let described = file.ok().flatten().map(|file| file.profiles.into_keys());
    let always = [STAGING, PRODUCTION].map(str::to_owned);
    described.into_iter().flatten().chain(always).collect()
}

/// Returns whether a profile is for production, by its name.
fn is_production(profile: &str) -> bool {
    match profile.strip_prefix(PRODUCTION) {
        Some(rest) => rest.is_empty() || rest.starts_with('-'),
        None => false,
    }
}

/// Returns whether an address is that of production, in any spelling.
fn is_production_host(base_url: &str) -> bool {
    let host = |text: &str| {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        Some(host)
    };
    host(base_url).is_some_and(|given| Some(given) == host(Environment::Production.url()))
}

/// Refuses a profile that the file does not have; `staging` and `production` need not be there.
fn check_profile(profile: &Setting, file: Option<&ProfileFile>) -> Result<(), Failure> {
    let name = profile.text.as_str();
    let described = file.is_some_and(|file| file.profiles.contains_key(name));
    if described || name == STAGING || name == PRODUCTION {
        return Ok(());
    }
    let rule = match file {
        Some(file) => {
            let names = file.profiles.keys().map(String::as_str);
            let path = file.path.display();
            format!(
                "is not a profile of {path}{}",
                did_you_mean(name, names.chain([STAGING, PRODUCTION]))
            )
        }
        None => "must be staging or production where there is no d1.toml".to_owned(),
    };
    Err(Failure::input(&profile.source, rule))
}

/// Refuses a variable that differs from the profile that was named on the command line or in `D1_PROFILE`:
/// a variable that is left over in a shell would lead the call elsewhere.
fn check_contradiction(
    key: Name,
    setting: &Setting,
    described: Option<&Setting>,
    profile: &Setting,
) -> Result<(), Failure> {
    let named = matches!(profile.source, Source::Flag(_) | Source::Variable(_));
    if !named || !matches!(setting.source, Source::Variable(_)) {
        return Ok(());
    }
    let name = key.name();
    match described {
        // The default of the timeout is nothing that the profile says.
        Some(other) if key == Name::Timeout && other.source == Source::Default => Ok(()),
        Some(other) if !means_the_same(key, &other.text, &setting.text) => {
            let rule = format!(
                "differs from {name} of the profile {} ({}), which {} names: unset the variable, or give --{name}",
                profile.text, other.source, profile.source
            );
            Err(Failure::input(&setting.source, rule))
        }
        _ => Ok(()),
    }
}

/// Returns whether two texts of a setting are the same address or the same file, in any spelling.
fn means_the_same(key: Name, one: &str, other: &str) -> bool {
    let file = |path: &str| Path::new(path).canonicalize().ok();
    one == other
        || match key {
            Name::BaseUrl | Name::Proxy => is_same_address(one, other),
            _ => key.is_file() && file(one).is_some_and(|found| Some(found) == file(other)),
        }
}

/// Returns whether two texts are the same URL. A slash at the end makes no difference.
pub(crate) fn is_same_address(one: &str, other: &str) -> bool {
    let parsed = |text: &str| Url::parse(text.trim_end_matches('/')).ok();
    one == other || parsed(one).is_some_and(|url| Some(url) == parsed(other))
}

/// Returns the default of a setting with this profile.
fn default(key: Name, profile: &str) -> Option<Setting> {
    let text = match key {
        Name::BaseUrl if is_production(profile) => Environment::Production.url(),
        Name::BaseUrl => Environment::Staging.url(),
        Name::Timeout => "30",
        _ => return None,
    };
    Some(Setting::default(text))
}

fn check_value(key: Name, setting: &Setting) -> Result<(), Failure> {
    if setting.text.is_empty() {
        return Err(Failure::input(&setting.source, "must not be empty"));
    }
    if key.is_file() && is_content(&setting.text) {
        let rule = "must be the path of a file, not what stands in it";
        return Err(Failure::input(&setting.source, rule));
    }
    Ok(())
}

/// Returns whether a text that should be a path is a key or a certificate itself.
fn is_content(text: &str) -> bool {
    text.contains("-----") || text.trim_start().starts_with('{') || text.contains('\n')
}

/// Returns `path` of a file in `folder` as a path of its own: `~` is the home directory.
fn within(folder: &Path, path: &str) -> Result<String, &'static str> {
    let Some(rest) = path.strip_prefix('~') else {
        return Ok(folder.join(path).display().to_string());
    };
    let rest = match rest.strip_prefix('/') {
        Some(rest) => rest.trim_start_matches('/'),
        None if rest.is_empty() => rest,
        None => return Err("must not begin with the home directory of another user: write it out"),
    };
    match env::var_os("HOME").filter(|home| !home.is_empty()) {
        Some(home) if rest.is_empty() => Ok(Path::new(&home).display().to_string()),
        Some(home) => Ok(Path::new(&home).join(rest).display().to_string()),
        None => Err("begins with ~, and the variable HOME, which it stands for, is not set"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_is_recognized_however_it_is_written() {
        for url in [
            "https://api.d1.thalescloud.io",
            "https://API.D1.thalescloud.io:443/",
            "https://api.d1.thalescloud.io.:8443",
            "https://api%2Ed1.thalescloud.io",
        ] {
            assert!(is_production_host(url), "{url}");
        }
        for url in ["https://api.d1-stg.thalescloud.io", "https://localhost", ""] {
            assert!(!is_production_host(url), "{url}");
        }
        assert!(is_production("production") && is_production("production-eu"));
        assert!(!is_production("productions") && !is_production("staging"));
    }

    #[test]
    fn variables_are_those_that_the_sandbox_writes() {
        assert_eq!(Name::BaseUrl.variable(), "D1_BASE_URL");
        assert_eq!(Name::EncryptionJwk.variable(), "D1_ENCRYPTION_JWK");
        assert_eq!(Name::Ca.variable(), "D1_CA");
    }
}
