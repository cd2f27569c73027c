//! `d1.toml`: profiles, each with settings that apply when neither an option nor a variable gives them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Name, Setting, Source, within};
use crate::failure::Failure;
use crate::text::{masked, printable};

const NAME: &str = "d1.toml";

/// The file with the profiles.
#[derive(Debug)]
pub(crate) struct ProfileFile {
    pub(crate) path: PathBuf,
    pub(crate) default_profile: Option<String>,
    pub(crate) profiles: BTreeMap<String, Vec<(Name, String)>>,
}

impl ProfileFile {
    /// Reads the file that was given, else the first one that is found.
    pub(super) fn find(given: Option<Setting>) -> Result<Option<Self>, Failure> {
        let places = match &given {
            Some(setting) => vec![PathBuf::from(&setting.text)],
            None => [Some(PathBuf::from(NAME)), users_own()]
                .into_iter()
                .flatten()
                .collect(),
        };
        for path in places {
            match fs::read_to_string(&path) {
                Ok(text) => return Self::parse(&path, &text).map(Some),
                Err(error) if error.kind() == ErrorKind::NotFound && given.is_none() => {}
                Err(error) => {
                    let source = given.map(|setting| format!("{} ", setting.source));
                    let place = format!("{}{}", source.unwrap_or_default(), path.display());
                    return Err(Failure::unreadable(place, &error));
                }
            }
        }
        Ok(None)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, Failure> {
        let bad = |place: &str, rule: &str| {
            let place = printable(&masked(place));
            Err(Failure::input(format!("{}: {place}", path.display()), rule))
        };
        let table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let error: toml::de::Error = error;
                let before = error.span().and_then(|span| text.get(..span.start));
                let line = before.map_or(1, |before| before.lines().count().max(1));
                return bad(&format!("line {line}"), "is not TOML");
            }
        };
        let mut file = Self {
            path: path.to_owned(),
            default_profile: None,
            profiles: BTreeMap::new(),
        };
        for (name, value) in table {
            match (name.as_str(), value) {
                ("profile", Value::String(name)) => file.default_profile = Some(name),
                ("profiles", Value::Table(profiles)) => {
                    for (name, settings) in profiles {
                        let place = format!("profiles.{name}");
                        let Value::Table(settings) = settings else {
                            return bad(&place, "must be a table of settings");
                        };
                        let settings = file.settings(&place, settings)?;
                        file.profiles.insert(name, settings);
                    }
                }
                ("profile", _) => return bad("profile", "must be the name of a profile"),
                ("profiles", _) => return bad("profiles", "must be a table of profiles"),
                (other, _) => return bad(other, "must be profile or [profiles.NAME]"),
            }
        }
        Ok(file)
    }

    fn settings(&self, place: &str, table: Table) -> Result<Vec<(Name, String)>, Failure> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let mut settings = Vec::new();
        for (name, value) in table {
            let place = || {
                let place = printable(&masked(&format!("{place}.{name}")));
                format!("{}: {place}", self.path.display())
            };
            let Some(key) = Name::of_profiles().find(|key| key.name() == name) else {
                let known = Name::of_profiles()
                    .map(Name::name)
                    .collect::<Vec<_>>()
                    .join(", ");
                return Err(Failure::input(place(), format!("must be one of {known}")));
            };
            let text = match (key, value) {
                (Name::Timeout | Name::IdleTimeout, Value::Integer(seconds)) => seconds.to_string(),
                (Name::Timeout | Name::IdleTimeout, _) => {
                    return Err(Failure::input(place(), "must be a whole number of seconds"));
                }
                (key, Value::String(path)) if key.is_file() && !super::is_content(&path) => {
                    within(folder, &path).map_err(|rule| Failure::input(place(), rule))?
                }
                (_, Value::String(text)) => text,
                _ => return Err(Failure::input(place(), "must be a string")),
            };
            settings.push((key, text));
        }
        Ok(settings)
    }

    /// Returns a setting of a profile.
    pub(crate) fn setting(&self, profile: &str, key: Name) -> Option<Setting> {
        let settings = self.profiles.get(profile)?;
        let (_, text) = settings.iter().find(|(other, _)| *other == key)?;
        Some(Setting {
            text: text.clone(),
            source: self.source(&format!("profiles.{profile}.{}", key.name())),
        })
    }

    /// Returns `place` of this file as a source.
    pub(crate) fn source(&self, place: &str) -> Source {
        Source::File {
            path: self.path.clone(),
            place: place.to_owned(),
        }
    }
}

/// Returns where the user's own file is expected.
fn users_own() -> Option<PathBuf> {
    let given = env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    let folder = match given {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env::var_os("HOME")?).join(".config"),
    };
    Some(folder.join("d1").join(NAME))
}
