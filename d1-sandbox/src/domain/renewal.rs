//! The rules of renew: where the credentials come from, and which renewals are refused.

use super::credentials::Credentials;
use super::history::Reason;
use super::rules;
use crate::secret::Secret;
use crate::settings::IssuerStub;
use crate::settings::card::{Card, CardState};
use crate::wire::refusal::Refusal;
use crate::wire::spec::{Call, Spec};

/// What a renewal asks for.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(crate) new_card_id: Option<String>,
    pub(crate) new_product: Option<String>,
    pub(crate) state: CardState,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) reason: Reason,
}

impl Renewal {
    /// Decides about the renewal of a card, and returns the credentials that the card gets. `registered` is
    /// the card that has the new id already. The rules of a migrated tenant need the document.
    pub(crate) fn decide(
        &self,
        card: &Card,
        registered: Option<&Card>,
        issuer: &IssuerStub,
        migrated: Option<&Spec>,
    ) -> Result<Credentials, Refusal> {
        let product = self.new_product.as_ref();
        if product.is_some_and(|product| *product != card.product) {
            return Err(Refusal::new(
                400,
                "newCardProductId: changing the product of a card is not supported",
            ));
        }
        let new_id = self.new_card_id.as_deref().unwrap_or(&card.id);
        let sent = self.credentials.as_ref();
        if sent.is_some_and(|sent| new_id.contains(&*sent.pan)) {
            return Err(Refusal::new(400, "body: /newCardId: made from the PAN"));
        }
        if let Some(new) = registered {
            let refused = |owner: &str| {
                let error = format!("The new card is registered already, and not {owner}");
                Err(Refusal::new(403, error).when(&["new-card-id-differs"]))
            };
            if new.consumer != card.consumer {
                return refused("to the same end user");
            }
            if new.product != card.product {
                return refused("with the same card product");
            }
        }
        let credentials = match &self.credentials {
            Some(sent) => sent.clone(),
            None => ask_issuer(card, issuer)?,
        };
        if migrated.is_some() {
            rules::check_reason_code(migrated, Call::Renew, &self.reason.code, card)?;
            self.check_migrated(new_id == card.id, credentials.pan == card.pan)?;
        }
        Ok(credentials)
    }

    fn check_migrated(&self, same_id: bool, same_pan: bool) -> Result<(), Refusal> {
        let (refused, when): (_, &[_]) = match (same_id, same_pan) {
            (true, false) => (
                "The PAN changes and the card id does not: V2 replace must be used",
                &["new-card-id-same", "pan-changed"],
            ),
            (false, true) => (
                "The card id changes and the PAN does not: V2 renew must be used",
                &["new-card-id-differs", "pan-same"],
            ),
            (false, false) if self.state == CardState::Inactive => (
                "A new card cannot start INACTIVE: renew with ACTIVE, then suspend it through V2",
                &["new-card-id-differs", "state-inactive"],
            ),
            (true, true) | (false, false) => return Ok(()),
        };
        Err(Refusal::new(403, refused).when(when))
    }
}

/// Returns the credentials that the built-in issuer has for a card.
fn ask_issuer(card: &Card, issuer: &IssuerStub) -> Result<Credentials, Refusal> {
    if rules::is_american_express(&card.pan) {
        return Err(Refusal::new(
            400,
            "encryptedData: mandatory for an American Express card",
        ));
    }
    let (pan, exp) = match issuer {
        IssuerStub::KeepsPan { exp } => (card.pan.clone(), exp),
        IssuerStub::Answers { pan, exp } => (Secret::new(pan), exp),
        // An endpoint was asked before, unless the renewal is refused anyway.
        IssuerStub::Endpoint { .. } | IssuerStub::Unavailable => {
            return Err(Refusal::new(500, "Internal error"));
        }
    };
    let exp = Secret::new(exp);
    Ok(Credentials { pan, exp })
}
