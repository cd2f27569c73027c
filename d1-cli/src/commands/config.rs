//! `d1 config show`: the settings, and where they come from.

use clap::Subcommand;
use serde_json::json;

use crate::config::{Config, Name, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Format;
use crate::output::Output;
use crate::text::printable;

/// The commands about settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows each setting and where it comes from, secrets masked
    Show,
}

impl ConfigCommand {
    pub(crate) fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let Self::Show = self;
        let names = [Name::Profile].into_iter().chain(Name::of_profiles());
        let settings = names.map(|name| {
            let setting = config.get(name);
            let value = setting.map(|setting| shown(name, &setting.text));
            let source = setting.map(|setting| setting.source.to_string());
            (name.name(), value, source)
        });
        if output.is_table() {
            let or = |text: Option<String>, none: &str| text.unwrap_or_else(|| none.to_owned());
            let rows = settings.map(|(name, value, source)| {
                vec![name, or(value, "-"), printable(&or(source, "not set"))]
            });
            output.table(&["setting", "value", "from"], rows.collect())?;
            output.note(&match &config.file {
                Some(path) => format!("profiles: {}", path.display()),
                None => "profiles: there is no d1.toml".to_owned(),
            });
            return Ok(Exit::Done);
        }
        let settings = settings
            .map(|(name, value, source)| json!({ "name": name, "value": value, "source": source }));
        if output.format == Format::Ndjson {
            for setting in settings {
                output.json(&setting)?;
            }
        } else {
            output.json(&json!({
                "command": "config show",
                "file": config.file,
                "settings": settings.collect::<Vec<_>>(),
            }))?;
        }
        Ok(Exit::Done)
    }
}
