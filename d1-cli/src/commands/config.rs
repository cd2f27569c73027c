//! `d1 config show`: the settings, and where they come from.

use clap::Subcommand;
use serde_json::json;

use crate::config::{Name, shown};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The commands about settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Shows each setting and where it comes from, secrets masked
    Show,
}

impl ConfigCommand {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Self::Show = self;
        let Session { config, output } = session;
        let names = [Name::Profile].into_iter().chain(Name::of_profiles());
        let settings = names.map(|name| {
            let setting = config.get(name);
            json!({
                "name": name.name(),
                "value": setting.map(|setting| shown(name, &setting.text)),
                "source": setting.map(|setting| setting.source.to_string()),
            })
        });
        let all = json!({ "command": "config show", "file": config.file, "settings": null });
        output.documents(all, "settings", settings.collect(), |settings| {
            output.table(&["name", "value", "source"], settings)?;
            output.note(&match &config.file {
                Some(path) => format!("profiles: {}", path.display()),
                None => "profiles: there is no d1.toml".to_owned(),
            });
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}
