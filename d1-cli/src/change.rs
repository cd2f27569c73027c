//! A change of a card, as a command or a line of a bulk asks for it.

use clap::ValueEnum;
use d1_facade::{
    ApiOperation, CardId, CardState, Change, Client, CorrelationId, Reason, ReasonCode, Renewal,
};

use crate::text::name_of;

/// What is done to a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Kind {
    Suspend,
    Resume,
    Delete,
    Renew,
}

impl Kind {
    pub(crate) fn name(self) -> String {
        name_of(&self)
    }

    /// Returns the call that makes the change.
    pub(crate) fn operation(self) -> ApiOperation {
        match self {
            Self::Suspend => ApiOperation::SuspendCard,
            Self::Resume => ApiOperation::ResumeCard,
            Self::Delete => ApiOperation::DeleteCard,
            Self::Renew => ApiOperation::RenewCard,
        }
    }
}

/// A change of a card.
#[derive(Debug, Clone)]
pub(crate) struct CardChange {
    pub(crate) kind: Kind,
    pub(crate) card: CardId,
    pub(crate) reason_code: ReasonCode,
    pub(crate) reason: Option<Reason>,
    /// The id that a renewal gives the card.
    pub(crate) new_card: Option<CardId>,
    /// What a renewal is to do; other changes ignore it.
    pub(crate) renewal: Renewal,
}

impl CardChange {
    /// Returns the request that makes the change.
    pub(crate) fn request(&self, client: &Client, id: Option<&CorrelationId>) -> Change {
        let card = client.card(self.card.clone());
        let mut change = match self.kind {
            Kind::Suspend => card.suspend(),
            Kind::Resume => card.resume(),
            Kind::Delete => card.delete(),
            Kind::Renew => card.renew(self.renewal.clone()),
        };
        change = change.reason_code(self.reason_code.clone());
        if let Some(reason) = &self.reason {
            change = change.reason(reason.clone());
        }
        match id {
            Some(id) => change.correlation_id(id.clone()),
            None => change,
        }
    }
}

/// Returns a renewal to another id, if one is given.
pub(crate) fn renewal(new_card: Option<&CardId>) -> Renewal {
    new_card.map_or_else(Renewal::without_new_card_id, |id| Renewal::to(id.clone()))
}

/// Reads a state that a renewal can set.
pub(crate) fn card_state(text: &str) -> Result<CardState, &'static str> {
    let mut known = CardState::KNOWN.iter();
    let found = known.find(|state| state.as_str().eq_ignore_ascii_case(text));
    found.cloned().ok_or("must be ACTIVE or INACTIVE")
}
