//! `d1 doctor`: whether everything is in place to call D1, checked in the order in which it is needed.

mod calls;
mod connection;
mod local;
mod stage;

use clap::Args;
use d1_facade::CardId;
use serde_json::{Value, json};

use crate::config::{Config, Given};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::Format;
use crate::output::{Mood, Output};
use crate::text::printable;
use stage::{Finding, Report, Stage};

/// Printed below the help.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0   everything is in place
  10  config: the settings are found and complete
  11  key: the signing key is a P-256 key
  12  certificate: it matches its key and does not expire within 30 days
  13  host: its name resolves
  14  tls: a TLS connection can be made
  15  client-certificate: D1 asks for it and accepts it
  16  clock: it is within a minute of D1's
  17  token: D1 gives one
  18  read: D1 answers a harmless read
The code is that of the first stage that failed.";

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The card whose operations are read in the last stage; without it one that need not exist
    #[arg(long, value_name = "CARD_ID", default_value = "d1-doctor")]
    card: CardId,
}

impl Doctor {
    pub(crate) async fn run(self, given: &Given, output: &Output) -> Result<Exit, Failure> {
        let mut report = Report::default();
        let mut output = *output;
        match Config::load(given) {
            Ok(config) => {
                output = output.at(config.target());
                // Whatever stops it has been reported as the finding of a stage.
                let _ = self.examine(&config, &mut report).await;
            }
            Err(failure) => {
                report.add(Stage::Config, local::bad_settings(&failure));
            }
        }
        let exit = match report.failed() {
            Some(stage) => Exit::Stage(stage.code()),
            None => Exit::Done,
        };
        let printed = print(&report, &output);
        Ok(printed.map_or_else(|error| exit.unwritten(&error), |()| exit))
    }

    /// Goes from stage to stage; `None` where going on is of no use.
    async fn examine(&self, config: &Config, report: &mut Report) -> Option<()> {
        report.add(Stage::Config, local::settings(config))?;
        report.add(Stage::Key, local::keys(config))?;
        report.add(Stage::Certificate, local::certificate(config))?;
        connection::examine(config, report).await?;
        report.add(Stage::Token, calls::token(config).await)?;
        report.add(Stage::Read, calls::read(config, &self.card).await)
    }
}

fn print(report: &Report, output: &Output) -> std::io::Result<()> {
    let rows = report.rows();
    match output.format {
        Format::Table => {
            for (stage, finding) in rows {
                let (mark, mood) = match finding {
                    Finding::Passed(_) => ("ok     ", Mood::Good),
                    Finding::Failed { .. } => ("FAILED ", Mood::Bad),
                    Finding::Skipped(_) => ("skipped", Mood::Doubtful),
                };
                let mark = output.in_mood(mood, mark);
                let detail = printable(finding.detail());
                output.line(&format!("{mark}  {:18}  {detail}", stage.name()))?;
                if let Finding::Failed { mend, .. } = finding {
                    output.line(&format!("         {:18}  mend: {}", "", printable(mend)))?;
                }
            }
            Ok(())
        }
        Format::Json => output.json(&json!({
            "command": "doctor",
            "stages": rows.map(to_json).collect::<Vec<_>>(),
            "failed": report.failed().map(Stage::name),
        })),
        Format::Ndjson => {
            for row in rows {
                output.json(&to_json(row))?;
            }
            Ok(())
        }
    }
}

fn to_json((stage, finding): (Stage, &Finding)) -> Value {
    let (result, mend) = match finding {
        Finding::Passed(_) => ("ok", None),
        Finding::Failed { mend, .. } => ("failed", Some(mend)),
        Finding::Skipped(_) => ("skipped", None),
    };
    json!({
        "stage": stage.name(),
        "exitCode": stage.code(),
        "result": result,
        "detail": finding.detail(),
        "mend": mend,
    })
}
