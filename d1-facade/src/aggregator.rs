//! An aggregator: who calls for the cards of several issuers, and has no issuer of its own.

use std::sync::Arc;

use crate::builder::ClientBuilder;
use crate::call::Core;
use crate::client::Client;
use crate::config::Environment;
use crate::error::InvalidInput;
use crate::values::IssuerId;

/// Makes the clients of an aggregator, one for each issuer that it calls for.
///
/// The assertion names the aggregator, the paths name the issuer of the card. The clients share one token, the
/// connections, the keys and the limiters, and are cheap to make: call [`for_issuer`](Self::for_issuer) for each request
/// of the service. Where D1 has a key of its own for an issuer, add all of them to the builder and let each renewal
/// [name one](crate::Renewal::encrypt_to).
///
/// ```no_run
/// use d1_facade::{Aggregator, Environment, Identity, SigningKey};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use std::fs::read;
///
/// let aggregator = Aggregator::builder(Environment::Staging, "AGGREGATOR-1")
///     .signer(SigningKey::from_pem(read("signing.key")?, "my-kid")?)
///     .client_identity(Identity::from_pem(read("client.pem")?, read("client.key")?)?)
///     .build_aggregator()?;
///
/// let d1 = aggregator.for_issuer("ISSUER_B-2".parse()?);
/// d1.card("ReplaceMe01".parse()?).suspend().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Aggregator {
    core: Arc<Core>,
}

impl Aggregator {
    /// Returns a builder for an aggregator with this id, to be ended with
    /// [`build_aggregator`](ClientBuilder::build_aggregator).
    pub fn builder(environment: Environment, id: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(environment, None).aggregator_id(id)
    }

    /// Returns the client for the cards of `issuer` (D1: `issuerId`). Nothing is sent.
    ///
    /// What is not about cards, such as [`health`](Client::health) and
    /// [`replace_signer`](Client::replace_signer), is the same for all of them.
    #[must_use]
    pub fn for_issuer(&self, issuer: IssuerId) -> Client {
        Client::new(self.core.clone(), issuer)
    }
}

impl ClientBuilder {
    /// Builds an aggregator. Nothing is sent.
    ///
    /// An issuer that the builder has, such as one of [`from_env`](Self::from_env), is not used.
    ///
    /// # Errors
    /// When there is no [`aggregator_id`](Self::aggregator_id) (field `aggregator_id`), and as [`build`](Self::build).
    pub fn build_aggregator(self) -> Result<Aggregator, InvalidInput> {
        let core = self.build_core()?;
        if core.aggregator.is_none() {
            return Err(InvalidInput::new("aggregator_id", "must be given"));
        }
        Ok(Aggregator {
            core: Arc::new(core),
        })
    }
}
