//! `d1.toml`: profiles, each with settings that apply when neither an option nor a variable gives them.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Name, Setting, Source, within};
use crate::failure::Failure;
use crate::text::{did_you_mean, masked, printable};

const NAME: &str = "d1.toml";

/// The file with the profiles.
#[derive(Debug)]
pub(crate) struct ProfileFile {
    pub(crate) path: PathBuf,
    pub(crate) default_profile: Option<Setting>,
    pub(crate) profiles: BTreeMap<String, BTreeMap<Name, Setting>>,
}

/// What is written in it.
#[derive(Deserialize)]
struct Written {
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Table>,
    #[serde(flatten)]
    unknown: Table,
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
            Failure::input(format!("{}: {place}", path.display()), rule)
        };
        let written: Written = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.lines().count().max(1));
            let rule = "must be TOML with profile = \"NAME\" and tables [profiles.NAME]";
            bad(&format!("line {line}"), rule)
        })?;
        if let Some(other) = written.unknown.keys().next() {
            return Err(bad(other, "must be profile or [profiles.NAME]"));
        }
        let setting = |place: &str, text: String| Setting {
            text,
            source: Source::File {
                path: path.to_owned(),
                place: place.to_owned(),
            },
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut profiles = BTreeMap::<_, BTreeMap<_, _>>::new();
        for (profile, table) in written.profiles {
            let settings = profiles.entry(profile.clone()).or_default();
            for (name, value) in table {
                let place = format!("profiles.{profile}.{name}");
                let (name, text) = read(&name, value, folder).map_err(|rule| bad(&place, &rule))?;
                settings.insert(name, setting(&place, text));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            default_profile: written.profile.map(|name| setting("profile", name)),
            profiles,
        })
    }
}

/// Reads a setting of a profile. A path begins in `folder`.
fn read(name: &str, value: Value, folder: &Path) -> Result<(Name, String), String> {
    let Some(key) = Name::of_profiles().find(|key| key.name() == name) else {
        let known: Vec<_> = Name::of_profiles().map(Name::name).collect();
        let known = known.iter().map(String::as_str);
        return Err(match did_you_mean(name, known.clone()).as_str() {
            "" => format!("must be one of {}", known.collect::<Vec<_>>().join(", ")),
            suggestion => format!("is not a setting{suggestion}"),
        });
    };
    let text = match (key, value) {
        (Name::Timeout | Name::IdleTimeout, Value::Integer(seconds)) => seconds.to_string(),
        (Name::Timeout | Name::IdleTimeout, _) => {
            return Err("must be a whole number of seconds".to_owned());
        }
        (Name::RequireFips, Value::Boolean(required)) => required.to_string(),
        (Name::RequireFips, _) => return Err("must be true or false".to_owned()),
        (key, Value::String(path)) if key.is_file() && !super::is_content(&path) => {
            within(folder, &path)?
        }
        (_, Value::String(text)) => text,
        _ => return Err("must be a string".to_owned()),
    };
    Ok((key, text))
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
