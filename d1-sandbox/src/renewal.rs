//! The rules of renew: where the credentials come from, and which renewals are refused.

use crate::card::CardState;
use crate::refusal::Refusal;
use crate::rules;
use crate::settings::{IssuerStub, Mode};
use crate::state::{CardRecord, Motive, World};
use serde_json::Value;
use zeroize::Zeroizing;

/// PAN and expiry. Has no `Debug`: it is card data.
pub(crate) struct Credentials {
    pub(crate) pan: Zeroizing<String>,
    pub(crate) exp: Zeroizing<String>,
}

impl Credentials {
    /// Reads a plaintext that the schema has accepted.
    pub(crate) fn from_plaintext(plaintext: &Value) -> Result<Self, &'static str> {
        let text = |name: &str| {
            plaintext
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        if text("auxiliaryPan").is_some() != text("auxiliaryExp").is_some() {
            return Err("auxiliaryPan and auxiliaryExp belong together");
        }
        let credentials = text("pan")
            .zip(text("exp"))
            .ok_or("pan and exp are mandatory")?;
        if text("psn").is_some() && !is_american_express(&credentials.0) {
            return Err("psn is for American Express alone");
        }
        Ok(Self {
            pan: Zeroizing::new(credentials.0),
            exp: Zeroizing::new(credentials.1),
        })
    }
}

/// What a renewal asks for. Has no `Debug`: it may hold card data.
pub(crate) struct Renewal {
    pub(crate) new_card_id: Option<String>,
    pub(crate) new_product: Option<String>,
    pub(crate) state: CardState,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) motive: Motive,
}

/// What the card becomes.
pub(crate) struct Outcome {
    pub(crate) id: String,
    pub(crate) state: CardState,
    pub(crate) pan: Zeroizing<String>,
    pub(crate) exp: Zeroizing<String>,
}

impl Renewal {
    /// Decides about the renewal of a card without changing anything.
    pub(crate) fn decide(&self, world: &World, id: &str) -> Result<Outcome, Refusal> {
        let card = world.card(id)?;
        if self
            .new_product
            .as_ref()
            .is_some_and(|product| *product != card.product)
        {
            return Err(Refusal::bad_request(
                "newCardProductId: changing the product of a card is not supported",
            ));
        }
        let new_id = self.new_card_id.as_deref().unwrap_or(id);
        let sent = self.credentials.as_ref();
        if sent.is_some_and(|sent| new_id.contains(sent.pan.as_str())) {
            return Err(Refusal::bad_request("body: /newCardId: made from the PAN"));
        }
        if let Some(new) = world.cards.get(new_id) {
            let refused = |owner: &str| {
                let error = format!("The new card is registered already, and not {owner}");
                Err(Refusal::forbidden(error).when(&["new-card-id-differs"]))
            };
            if new.consumer != card.consumer {
                return refused("to the same end user");
            }
            if new.product != card.product {
                return refused("with the same card product");
            }
        }
        let credentials = self.credentials(card, &world.issuer_stub)?;
        if world.mode == Mode::Migrated {
            let same_pan = credentials.pan == card.pan;
            self.check_migrated(new_id == id, same_pan)?;
        }
        Ok(Outcome {
            id: new_id.to_owned(),
            state: self.state,
            pan: credentials.pan,
            exp: credentials.exp,
        })
    }

    /// Takes the credentials that were sent, or asks the issuer for them as D1 does.
    fn credentials(&self, card: &CardRecord, issuer: &IssuerStub) -> Result<Credentials, Refusal> {
        if let Some(Credentials { pan, exp }) = &self.credentials {
            return Ok(Credentials {
                pan: pan.clone(),
                exp: exp.clone(),
            });
        }
        if is_american_express(&card.pan) {
            return Err(Refusal::bad_request(
                "encryptedData: mandatory for an American Express card",
            ));
        }
        match issuer {
            IssuerStub::KeepsPan { exp } => Ok(Credentials {
                pan: card.pan.clone(),
                exp: Zeroizing::new(exp.clone()),
            }),
            IssuerStub::Answers { pan, exp } => Ok(Credentials {
                pan: Zeroizing::new(pan.clone()),
                exp: Zeroizing::new(exp.clone()),
            }),
            // An endpoint was asked before, unless the renewal is refused anyway.
            IssuerStub::Endpoint { .. } | IssuerStub::Unavailable => {
                Err(Refusal::internal("Internal error"))
            }
        }
    }

    fn check_migrated(&self, same_id: bool, same_pan: bool) -> Result<(), Refusal> {
        rules::may_renew(&self.motive.reason_code)?;
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
        Err(Refusal::forbidden(refused).when(when))
    }
}

impl World {
    /// Whether D1 would ask the issuer for the credentials of this renewal: it would not where it
    /// refuses the renewal without them.
    pub(crate) fn must_ask_issuer(&self, id: &str, renewal: &Renewal) -> bool {
        let card = self.card(id);
        renewal.credentials.is_none()
            && self.demand_active_consumer(id).is_ok()
            && card.is_ok_and(|card| !is_american_express(&card.pan))
    }
}

fn is_american_express(pan: &str) -> bool {
    pan.len() == 15 && (pan.starts_with("34") || pan.starts_with("37"))
}
