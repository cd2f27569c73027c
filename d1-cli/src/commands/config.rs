//! `d1 config show`: which settings hold, and who said so.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::config::{Config, Name, Setting, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Format;
use crate::output::Output;
use crate::text::printable;

/// What can be asked about the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows each setting and where it comes from, secrets masked
    Show,
}

impl ConfigCommand {
    pub(crate) fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let Self::Show = self;
        let settings: Vec<_> = Name::ALL
            .into_iter()
            .map(|key| (key, config.get(key)))
            .collect();
        if output.is_table() {
            let row = |name: &str, setting: Option<&Setting>| match setting {
                Some(setting) => vec![
                    name.to_owned(),
                    shown(name, setting),
                    printable(&setting.source.to_string()),
                ],
                None => vec![name.to_owned(), "-".to_owned(), "not set".to_owned()],
            };
            let mut rows = vec![row("profile", Some(&config.profile))];
            rows.extend(
                settings
                    .iter()
                    .map(|(key, setting)| row(key.name(), *setting)),
            );
            output.table(&["setting", "value", "from"], rows)?;
            let file = config.file.as_ref().map(|path| path.display().to_string());
            output.note(&match file {
                Some(path) => format!("profiles: {path}"),
                None => "profiles: there is no d1.toml".to_owned(),
            });
            return Ok(Exit::Done);
        }
        let to_json = |name: &str, setting: Option<&Setting>| {
            json!({
                "name": name,
                "value": setting.map(|setting| shown(name, setting)),
                "source": setting.map(|setting| setting.source.to_string()),
            })
        };
        let all = settings
            .iter()
            .map(|(key, setting)| to_json(key.name(), *setting));
        let all: Vec<Value> = [to_json("profile", Some(&config.profile))]
            .into_iter()
            .chain(all)
            .collect();
        if output.format == Format::Ndjson {
            for setting in all {
                output.json(&setting)?;
            }
        } else {
            output.json(&json!({
                "command": "config show",
                "file": config.file,
                "settings": all,
            }))?;
        }
        Ok(Exit::Done)
    }
}
