//! `d1 doctor`: whether everything is in place to call D1, checked in the order in which it is needed.

mod connection;
mod local;
mod stage;

use std::io;

use clap::Args;
use d1_facade::{CardId, Client, Error};
use serde_json::json;

use crate::config::{Config, Given};
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
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
                report.add(Stage::Config, Err(failure.into()));
            }
        }
        let exit = match report.failed() {
            Some(stage) => Exit::Stage(stage.code()),
            None => Exit::Done,
        };
        let printed = print(&report, &output);
        Ok(printed.map_or_else(|error| exit.unwritten(&error), |()| exit))
    }

    /// Checks stage after stage; `None` when the later stages cannot pass.
    async fn examine(&self, config: &Config, report: &mut Report) -> Option<()> {
        report.add(Stage::Config, local::settings(config))?;
        report.add(Stage::Key, local::keys(config))?;
        report.add(Stage::Certificate, local::certificate(config))?;
        report.add(Stage::Host, connection::resolve(config).await)?;
        connection::examine(config, report).await?;
        let client = match connect::client(config) {
            Ok(client) => client,
            Err(failure) => return report.add(Stage::Token, Err(failure.into())),
        };
        report.add(Stage::Token, token(&client).await)?;
        report.add(Stage::Read, read(&client, &self.card).await)
    }
}

async fn token(client: &Client) -> Result<Finding, Finding> {
    let token = client
        .access_token()
        .await
        .map_err(|error| failed(&error))?;
    let seconds = connect::whole_seconds(token.lifetime());
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

fn print(report: &Report, output: &Output) -> io::Result<()> {
    let failed = report.failed().map(Stage::name);
    let all = json!({ "command": "doctor", "stages": null, "failed": failed });
    let rows = report.rows().map(serde_json::to_value);
    output.documents(all, "stages", rows.collect::<Result<_, _>>()?, |_| {
        for Row { stage, finding, .. } in report.rows() {
            let mark = match finding.result {
                Found::Ok => output.styled(Style::Good, "ok     "),
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
