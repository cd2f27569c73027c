//! `d1 doctor`: whether everything is in place to call D1, checked in the order in which it is needed.

mod connection;
mod local;
mod stage;

use std::io;

use clap::Args;
use d1_facade::{CardId, Client, Error, Health};
use serde_json::json;

use crate::config::{Config, Given};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::BoundedInt;
use crate::output::{Output, Style};
use crate::report;
use crate::text::printable;
pub(super) use stage::exit_codes;
use stage::{Finding, Found, Report, Row, Stage};

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The card whose operations are read in the last stage; without it one that need not exist
    #[arg(long, value_name = "CARD_ID", default_value = "d1-doctor")]
    card: CardId,
    /// From how many days before its end on a certificate is warned of
    #[arg(long, value_name = "DAYS", default_value = "30")]
    warn_days: BoundedInt<0, 10000>,
}

impl Doctor {
    pub(crate) async fn run(self, given: &Given, output: &Output) -> Result<Exit, Failure> {
        let mut report = Report::default();
        let (mut output, mut health) = (*output, None);
        match Config::load(given) {
            Ok(config) => {
                output = output.at(config.target());
                match connect::client(&config) {
                    Ok(client) => {
                        // Whatever stops it has been reported as the finding of a stage.
                        let _ = self.examine(&config, &client, &mut report).await;
                        health = Some(client.health());
                    }
                    Err(refused) => {
                        local::refused(&config, &refused, &mut report);
                    }
                }
            }
            Err(failure) => {
                report.add(Stage::Config, Err(failure.into()));
            }
        }
        let exit = match report.failed() {
            Some(stage) => Exit::Stage(stage.code()),
            None => Exit::Done,
        };
        let printed = print(&report, health.as_ref(), &output);
        Ok(printed.map_or_else(|error| exit.unwritten(&error), |()| exit))
    }

    /// Checks stage after stage; `None` when the later stages cannot pass.
    async fn examine(&self, config: &Config, client: &Client, report: &mut Report) -> Option<()> {
        let days = i64::try_from(self.warn_days.0).unwrap_or(i64::MAX);
        report.add(Stage::Config, Ok(local::settings(config)))?;
        report.add(Stage::Key, Ok(local::keys(client, days)))?;
        report.add(Stage::Certificate, local::certificate(client, days))?;
        report.add(Stage::Host, connection::resolve(config, client).await)?;
        connection::examine(client, report).await?;
        report.add(Stage::Token, token(client).await)?;
        report.add(Stage::Read, read(client, &self.card).await)
    }
}

async fn token(client: &Client) -> Result<Finding, Finding> {
    let token = client.access_token().await;
    let lifetime = token.map_err(|error| failed(&error))?.lifetime();
    let seconds = connect::whole_seconds(lifetime);
    Ok(Finding::passed(format!("lives for {seconds} s")))
}

/// Checks whether D1 answers a read. That it does not know the card is an answer as well.
async fn read(client: &Client, card: &CardId) -> Result<Finding, Finding> {
    match client.card(card.clone()).operations().limit(1).await {
        Ok(_) => Ok(Finding::passed(format!(
            "D1 lists the operations of {card}"
        ))),
        Err(error) if error.status() == Some(404) => Ok(Finding::passed(format!(
            "D1 answers: it knows no card {card}"
        ))),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &Error) -> Finding {
    let mut why = error.to_string();
    if let Some(code) = error.code().filter(|code| !why.contains(code)) {
        why = format!("{why}; D1's code: {code}");
    }
    if let Some(text) = error.troubleshooting_text() {
        why = format!("{why}; D1's words: {text}");
    }
    for beneath in report::sources(error) {
        why = format!("{why}; {beneath}");
    }
    Finding::failed(why, error.advice())
}

fn print(report: &Report, health: Option<&Health>, output: &Output) -> io::Result<()> {
    let failed = report.failed().map(Stage::name);
    let all = json!({ "command": "doctor", "stages": null, "failed": failed, "health": health });
    let rows = report.rows().map(serde_json::to_value);
    output.documents(all, "stages", rows.collect::<Result<_, _>>()?, |_| {
        for Row { stage, finding, .. } in report.rows() {
            let mark = match finding.result {
                Found::Ok => output.styled(Style::Good, "ok     "),
                Found::Warning => output.styled(Style::Doubtful, "warning"),
                Found::Failed => output.styled(Style::Bad, "FAILED "),
                Found::Skipped => output.styled(Style::Doubtful, "skipped"),
            };
            let detail = printable(&finding.detail);
            output.line(&format!("{mark}  {stage:18}  {detail}"))?;
            if let Some(fix) = finding.fix {
                output.line(&format!("{:29}fix: {}", "", printable(&fix)))?;
            }
        }
        Ok(())
    })
}
