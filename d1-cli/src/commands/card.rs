//! `d1 card`: changes a card.

use std::future::IntoFuture as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use d1_facade::{
    ApiOperation, Card, CardId, CardScheme, CardState, Change, Client, CorrelationId, Error,
    Reason, ReasonCode, Renewal,
};
use serde_json::Value;

use crate::config::Config;
use crate::connect;
use crate::credentials::{CredentialsFrom, Luhn};
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{BoundedInt, CallFlags};
use crate::interrupt::Interrupts;
use crate::output::Output;
use crate::prompt;
use crate::reason_codes::{self, CodeOf};
use crate::report;
use crate::text::masked;
use crate::verify::{self, Verification};

/// The commands that change a card.
#[derive(Debug, Subcommand)]
pub(crate) enum CardCommand {
    /// Puts a card on hold; digital cards made from it are left as they are
    #[command(mut_arg("reason_code", |code| code.value_parser(CodeOf(ApiOperation::SuspendCard))))]
    Suspend(ChangeArguments),
    /// Makes a suspended card usable again
    #[command(mut_arg("reason_code", |code| code.value_parser(CodeOf(ApiOperation::ResumeCard))))]
    Resume(ChangeArguments),
    /// Deletes a card, and the digital cards made from it; asks first, for it cannot be undone
    #[command(mut_arg("reason_code", |code| code.value_parser(CodeOf(ApiOperation::DeleteCard))))]
    Delete(DeleteArguments),
    /// Gives a card a new expiry, or replaces it by a new one
    #[command(mut_arg("reason_code", |code| code.value_parser(CodeOf(ApiOperation::RenewCard))))]
    Renew(RenewArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// The card
    card_id: CardId,
    #[command(flatten)]
    why: Why,
    #[command(flatten)]
    verify: VerifyFlags,
    #[command(flatten)]
    call: CallFlags,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    change: ChangeArguments,
    /// Deletes without asking
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RenewArguments {
    #[command(flatten)]
    change: ChangeArguments,
    /// The id that the card gets, or its own; without it none is sent
    #[arg(long, value_name = "ID")]
    new_card_id: Option<CardId>,
    /// The state of the card after the renewal: ACTIVE or INACTIVE
    #[arg(long, value_parser = card_state)]
    state: Option<CardState>,
    /// Reads the card's credentials as JSON from standard input (-) or from the file descriptor of this
    /// number; without it D1 asks the issuer
    #[arg(long, value_name = "-|NUMBER")]
    credentials_from: Option<CredentialsFrom>,
    /// The card is one of American Express, whose renewal needs credentials
    #[arg(long)]
    american_express: bool,
    /// Takes a PAN with a wrong check digit: some test numbers have one
    #[arg(long)]
    without_luhn_check: bool,
}

/// Why a card is changed.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Why, as a code in upper or lower case; ISSUER_DECISION by default
    #[arg(long, value_name = "CODE")]
    reason_code: Option<ReasonCode>,
    /// Sends a reason code that is not documented for the operation
    #[arg(long)]
    any_reason_code: bool,
    /// Why, in 1 to 64 letters, digits and blanks; D1 shows it in the list of operations
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
}

/// What is done where the outcome is unknown.
#[derive(Debug, Args)]
pub(crate) struct VerifyFlags {
    /// When the outcome is unknown, reads D1's list of operations until it is certain; without this, the list is
    /// read once
    #[arg(long)]
    verify: bool,
    /// How many seconds D1 is given to carry out a change before its absence from the list counts
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    wait: BoundedInt<1, 3600>,
}

impl VerifyFlags {
    fn wait(&self) -> Option<Duration> {
        let BoundedInt(seconds) = self.wait;
        self.verify.then_some(Duration::from_secs(seconds))
    }
}

/// Reads a state that a renewal can set.
pub(crate) fn card_state(text: &str) -> Result<CardState, &'static str> {
    let mut known = CardState::KNOWN.iter();
    let found = known.find(|state| state.as_str().eq_ignore_ascii_case(text));
    found.cloned().ok_or("must be ACTIVE or INACTIVE")
}

/// What is done to a card.
enum Verb {
    Plain(fn(&Card) -> Change),
    Renew(Renewal),
}

impl CardCommand {
    pub(crate) async fn run(self, config: &Config, output: &Output) -> Result<Exit, Failure> {
        let (name, change, verb) = match self {
            Self::Suspend(change) => {
                change.why.check(ApiOperation::SuspendCard)?;
                ("card suspend", change, Verb::Plain(Card::suspend))
            }
            Self::Resume(change) => {
                change.why.check(ApiOperation::ResumeCard)?;
                ("card resume", change, Verb::Plain(Card::resume))
            }
            Self::Delete(delete) => {
                delete.change.why.check(ApiOperation::DeleteCard)?;
                if !delete.change.call.dry_run {
                    ask(output, &delete)?;
                }
                ("card delete", delete.change, Verb::Plain(Card::delete))
            }
            Self::Renew(renew) => {
                renew.change.why.check(ApiOperation::RenewCard)?;
                let renewal = renew.renewal()?;
                ("card renew", renew.change, Verb::Renew(renewal))
            }
        };
        let request = |client: &Client| change.request(&verb, client);
        if change.call.dry_run {
            let dry_run = DryRun::new(config)?;
            return dry_run.print(output, request(&dry_run.client).await);
        }
        let client = connect::client(config)?;
        let mut interrupts = Interrupts::listen()?;
        let result = tokio::select! {
            result = request(&client).into_future() => result,
            () = interrupts.next() => return change.interrupted(name, output),
        };
        match result {
            Ok(receipt) => {
                output.outcome(&report::done(name, &change.card_id, &receipt));
                Ok(Exit::Done)
            }
            Err(error) => {
                let failed = change.failed(name, &client, &error, output, &mut interrupts);
                failed.await
            }
        }
    }
}

/// Asks whether to delete a card.
fn ask(output: &Output, delete: &DeleteArguments) -> Result<(), Failure> {
    let question = format!(
        "Delete the card {} and its digital cards at {}? This cannot be undone.",
        delete.change.card_id,
        output.target()
    );
    prompt::confirm(delete.yes, &question)
}

impl ChangeArguments {
    fn request(&self, verb: &Verb, client: &Client) -> Change {
        let card = client.card(self.card_id.clone());
        let change = match verb {
            Verb::Plain(change) => change(&card),
            Verb::Renew(renewal) => card.renew(Renewal::clone(renewal)),
        };
        self.why.change(change, self.call.correlation_id.as_ref())
    }

    /// Prints what went wrong. When the outcome is unknown, verifies it.
    async fn failed(
        &self,
        name: &str,
        client: &Client,
        error: &Error,
        output: &Output,
        interrupts: &mut Interrupts,
    ) -> Result<Exit, Failure> {
        let mut result = report::failed(name, Some(&self.card_id), error);
        let exit = Exit::of(error);
        if exit != Exit::Unknown {
            return Ok(report::say_failed(output, &result, error));
        }
        if self.verify.verify {
            output.note("the outcome is unknown; verifying it");
        }
        let verification = tokio::select! {
            verification = verify::verify(client, error, self.verify.wait()) => verification,
            () = interrupts.next() => Verification::Interrupted,
        };
        let fields = Value::Object(verification.fields());
        result.insert("verification".to_owned(), fields);
        report::say_failed(output, &result, error);
        verification.print(output, &self.card_id, error);
        Ok(verification.exit())
    }

    /// Prints that a call was interrupted, and that its outcome is unknown.
    fn interrupted(&self, name: &str, output: &Output) -> Result<Exit, Failure> {
        crate::text::say(report::INTERRUPTED);
        let advice = verify::advice(&self.card_id, name.trim_start_matches("card "));
        if output.is_table() {
            output.note(&advice);
        } else {
            let id = self.call.correlation_id.as_ref();
            let fields = report::interrupted(name, &self.card_id, id, &advice);
            output.outcome(&fields);
        }
        Ok(Exit::Unknown)
    }
}

impl Why {
    /// Refuses a reason code that is not documented for the operation, unless `--any-reason-code` is given or the
    /// person at the terminal agrees.
    fn check(&self, operation: ApiOperation) -> Result<(), Failure> {
        let code = self.reason_code.as_ref().filter(|_| !self.any_reason_code);
        let Some(code) = code else { return Ok(()) };
        match reason_codes::check(operation, code) {
            Ok(()) => Ok(()),
            Err(rule) if prompt::can_ask() => {
                let code = masked(code.as_str());
                prompt::confirm(false, &format!("{code} {rule}. Send {code}?"))
            }
            Err(rule) => Err(Failure::input("--reason-code", rule)),
        }
    }

    fn change(&self, mut change: Change, id: Option<&CorrelationId>) -> Change {
        if let Some(code) = &self.reason_code {
            change = change.reason_code(code.clone());
        }
        if let Some(reason) = &self.reason {
            change = change.reason(reason.clone());
        }
        match id {
            Some(id) => change.correlation_id(id.clone()),
            None => change,
        }
    }
}

impl RenewArguments {
    fn renewal(&self) -> Result<Renewal, Failure> {
        let mut renewal = match &self.new_card_id {
            Some(id) => Renewal::to(id.clone()),
            None => Renewal::without_new_card_id(),
        };
        if let Some(state) = &self.state {
            renewal = renewal.state(state.clone());
        }
        if self.american_express {
            renewal = renewal.scheme(CardScheme::AmericanExpress);
        }
        if let Some(from) = self.credentials_from {
            let luhn = match self.without_luhn_check {
                true => Luhn::Unchecked,
                false => Luhn::Checked,
            };
            renewal = renewal.credentials(from.read(luhn)?);
        }
        Ok(renewal)
    }
}
