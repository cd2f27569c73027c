//! `d1 card`: changes a card.

use std::future::IntoFuture as _;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use d1_facade::{ApiOperation, CardId, CardState, Client, Error, Reason, ReasonCode, Renewal};

use crate::change::{CardChange, Kind, card_state, renewal};
use crate::credentials::{CredentialsFrom, Luhn};
use crate::dry_run::DryRun;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::flags::{BoundedInt, CallFlags, Known};
use crate::interrupt::Interrupts;
use crate::prompt;
use crate::reason_codes;
use crate::report;
use crate::session::Session;
use crate::text::masked;
use crate::verify::{self, Patience, Verification};

/// The commands that change a card.
#[derive(Debug, Subcommand)]
pub(crate) enum CardCommand {
    /// Puts a card on hold; digital cards made from it are left as they are
    #[command(mut_arg("reason_code", |code| code.value_parser(reason_codes::parser(ApiOperation::SuspendCard))))]
    Suspend(ChangeArguments),
    /// Makes a suspended card usable again
    #[command(mut_arg("reason_code", |code| code.value_parser(reason_codes::parser(ApiOperation::ResumeCard))))]
    Resume(ChangeArguments),
    /// Deletes a card, and the digital cards made from it; asks first, for it cannot be undone
    #[command(mut_arg("reason_code", |code| code.value_parser(reason_codes::parser(ApiOperation::DeleteCard))))]
    Delete(DeleteArguments),
    /// Gives a card a new expiry, or replaces it by a new one
    #[command(mut_arg("reason_code", |code| code.value_parser(reason_codes::parser(ApiOperation::RenewCard))))]
    Renew(RenewArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArguments {
    /// The card
    card_id: CardId,
    /// Why, as a code in upper or lower case; ISSUER_DECISION by default
    #[arg(long, value_name = "CODE")]
    reason_code: Option<ReasonCode>,
    /// Sends a reason code that is not documented for the operation
    #[arg(long)]
    any_reason_code: bool,
    /// Why, in 1 to 64 letters, digits and blanks; D1 shows it in the list of operations
    #[arg(long, value_name = "TEXT")]
    reason: Option<Reason>,
    /// When the outcome is unknown, reads D1's list of operations until it is certain; without this, the list is
    /// read once
    #[arg(long)]
    verify: bool,
    /// How many seconds D1 is given to carry out a change before its absence from the list counts
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    wait: BoundedInt<1, 3600>,
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
    #[arg(long, value_parser = Known::new(card_state, CardState::KNOWN.iter().map(CardState::as_str)))]
    state: Option<CardState>,
    /// Reads the card's credentials as JSON from standard input (-) or from the file descriptor of this
    /// number; at a terminal, asks for card number and expiry and does not show them. Without this option D1 asks
    /// the issuer
    #[arg(long, value_name = "-|NUMBER")]
    credentials_from: Option<CredentialsFrom>,
    /// The card is one of American Express, whose renewal needs credentials
    #[arg(long)]
    american_express: bool,
    /// Takes a PAN with a wrong check digit: some test numbers have one
    #[arg(long)]
    without_luhn_check: bool,
}

impl CardCommand {
    pub(crate) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self {
            Self::Suspend(change) => change.run(Kind::Suspend, session).await,
            Self::Resume(change) => change.run(Kind::Resume, session).await,
            Self::Delete(delete) => {
                let change = delete.change.change(Kind::Delete)?;
                if !delete.change.call.dry_run {
                    let question = format!(
                        "Delete the card {} and its digital cards at {}? This cannot be undone.",
                        change.card,
                        session.output.target()
                    );
                    prompt::confirm(delete.yes, &question)?;
                }
                delete.change.send(&change, session).await
            }
            Self::Renew(renew) => {
                let mut change = renew.change.change(Kind::Renew)?;
                change.renewal = renew.renewal()?;
                change.new_card = renew.new_card_id.clone();
                renew.change.send(&change, session).await
            }
        }
    }
}

impl ChangeArguments {
    async fn run(self, kind: Kind, session: &Session) -> Result<Exit, Failure> {
        let change = self.change(kind)?;
        self.send(&change, session).await
    }

    /// Returns the change. Refuses a reason code that is not documented for it, unless `--any-reason-code` is given or
    /// the person at the terminal agrees.
    fn change(&self, kind: Kind) -> Result<CardChange, Failure> {
        let code = self.reason_code.clone().unwrap_or_default();
        match reason_codes::check(kind.operation(), &code) {
            Err(_) if self.any_reason_code => {}
            Err(rule) if prompt::can_ask() => {
                let code = masked(code.as_str());
                prompt::confirm(false, &format!("{code} {rule}. Send {code}?"))?;
            }
            Err(rule) => return Err(Failure::input("--reason-code", rule)),
            Ok(()) => {}
        }
        Ok(CardChange {
            kind,
            card: self.card_id.clone(),
            reason_code: code,
            reason: self.reason.clone(),
            new_card: None,
            renewal: renewal(None),
        })
    }

    /// Sends the change, or prints its request instead.
    async fn send(&self, change: &CardChange, session: &Session) -> Result<Exit, Failure> {
        let command = format!("card {}", change.kind.name());
        let request = |client: &Client| change.request(client, self.call.correlation_id.as_ref());
        if self.call.dry_run {
            let dry_run = DryRun::new(&session.config)?;
            return dry_run.print(&session.output, request(&dry_run.client).await);
        }
        let client = session.client()?;
        let mut interrupts = Interrupts::listen()?;
        let advice = verify::advice(change, SystemTime::now());
        let result = tokio::select! {
            result = request(&client).into_future() => result,
            () = interrupts.next() => return Ok(self.interrupted(&command, session, &advice)),
        };
        let error = match result {
            Ok(receipt) => {
                let result = report::done(&command, &change.card, &receipt);
                session.output.outcome(&result);
                return Ok(Exit::Done);
            }
            Err(error) => error,
        };
        let mut result = report::failed(&command, Some(&change.card), &error);
        let exit = Exit::of(&error);
        if exit != Exit::Unknown {
            report::say_failed(&session.output, &result, &error);
            return Ok(exit);
        }
        let verification = tokio::select! {
            verification = self.verify(&client, &error, session) => verification,
            () = interrupts.next() => Verification::Interrupted,
        };
        result["verification"] = verification.to_json();
        report::say_failed(&session.output, &result, &error);
        let advice = format!(
            "{advice}\n--verify waits and does this itself. Thales finds the call by the correlation id above."
        );
        verification.print(&session.output, &advice);
        Ok(verification.exit())
    }

    async fn verify(&self, client: &Client, error: &Error, session: &Session) -> Verification {
        let mut patience = Patience::ONE_READ;
        if self.verify {
            let note = "the outcome is unknown; verifying it";
            session.output.note(note);
            patience = Patience::settling(self.wait);
        }
        verify::verify(client, error.pending_change(), &[], patience).await
    }

    /// Prints that a call was interrupted, and that its outcome is unknown.
    fn interrupted(&self, command: &str, session: &Session, advice: &str) -> Exit {
        crate::text::say(report::INTERRUPTED);
        if session.output.is_table() {
            session.output.note(advice);
        } else {
            let id = self.call.correlation_id.as_ref();
            let result = report::interrupted(command, &self.card_id, id, advice);
            session.output.outcome(&result);
        }
        Exit::Unknown
    }
}

impl RenewArguments {
    fn renewal(&self) -> Result<Renewal, Failure> {
        let mut renewal = renewal(self.new_card_id.as_ref());
        if let Some(state) = &self.state {
            renewal = renewal.state(state.clone());
        }
        if self.american_express {
            renewal = renewal.american_express();
        }
        if let Some(from) = self.credentials_from {
            let luhn = Luhn::unless(self.without_luhn_check);
            renewal = renewal.credentials(from.read(luhn)?);
        }
        Ok(renewal)
    }
}
