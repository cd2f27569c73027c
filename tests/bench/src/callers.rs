//! Who makes the calls that are compared: the facade, the generated client, and hand-written reqwest.

use std::time::Duration;

use d1_facade::auth::{AccessToken, TokenSource};
use d1_facade::{
    CardCredentials, ClientBuilder, EncryptionKey, Environment, Error, Identity, Renewal,
};
use d1_generated::hooks::{CallContext, RequestOverrides};
use d1_generated::types;

use crate::bare;
use crate::samples::{D1_JWK, EXPIRY, ISSUER, PAN, TOKEN};

/// A caller of a server.
pub enum Caller {
    /// What services import.
    Facade(d1_facade::Client),
    /// The generated client.
    Generated(reqwest::Client, String),
    /// Hand-written reqwest.
    Bare(reqwest::Client, String),
}

/// A token without an exchange.
struct FixedToken;

impl TokenSource for FixedToken {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        Ok(AccessToken::new(TOKEN, Duration::from_secs(900)).unwrap())
    }
}

/// The facade before a server, with a token at hand.
pub fn facade(base_url: &str) -> ClientBuilder {
    d1_facade::Client::builder(
        Environment::Custom(base_url.to_owned()),
        ISSUER.parse().unwrap(),
    )
    .token_source(FixedToken)
    .without_system_roots()
    .encryption_key(EncryptionKey::from_jwk(D1_JWK).unwrap())
}

/// The facade before a server without TLS.
///
/// # Panics
/// When the address is not one of loopback.
#[must_use]
pub fn plain_facade(base_url: &str) -> d1_facade::Client {
    // Some root to trust is asked for although no TLS is spoken.
    facade(base_url)
        .allow_plain_loopback()
        .root_certificate(any_root())
        .build()
        .unwrap()
}

/// A renewal that is encrypted.
pub fn renewal() -> Renewal {
    Renewal::same_card().credentials(CardCredentials::new(PAN, EXPIRY).unwrap())
}

/// Where a server with mutual TLS is, and what it wants to see: the `d1.env` of a sandbox or of `null_server`.
pub struct Secured {
    /// Its address.
    pub base_url: String,
    /// Its certificate authority, PEM.
    pub ca: String,
    /// The client certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}

impl Secured {
    /// The server that the variables of a `d1.env` name.
    #[must_use]
    pub fn from_env() -> Self {
        let variable = |name| std::env::var(name).unwrap();
        let file = |name| std::fs::read_to_string(variable(name)).unwrap();
        Self {
            base_url: variable("D1_BASE_URL"),
            ca: file("D1_CA"),
            certificate: file("D1_CLIENT_CERT"),
            key: file("D1_CLIENT_KEY"),
        }
    }

    /// The facade.
    #[must_use]
    pub fn facade(&self) -> d1_facade::Client {
        facade(&self.base_url)
            .root_certificate(&self.ca)
            .client_identity(Identity::from_pem(&self.certificate, &self.key).unwrap())
            .build()
            .unwrap()
    }

    /// Hand-written reqwest.
    #[must_use]
    pub fn bare(&self) -> reqwest::Client {
        bare::mutual_tls_client(&self.ca, &self.certificate, &self.key)
    }
}

impl Caller {
    /// The caller with this name, before a server with mutual TLS.
    #[must_use]
    pub fn secured(name: &str, server: &Secured) -> Option<Self> {
        let url = server.base_url.clone();
        match name {
            "facade" => Some(Self::Facade(server.facade())),
            "generated" => Some(Self::Generated(server.bare(), url)),
            "bare" => Some(Self::Bare(server.bare(), url)),
            _ => None,
        }
    }

    /// The caller with this name, before a server without TLS.
    #[must_use]
    pub fn plain(name: &str, base_url: &str) -> Option<Self> {
        let url = base_url.to_owned();
        match name {
            "facade" => Some(Self::Facade(plain_facade(base_url))),
            "generated" => Some(Self::Generated(bare::plain_client(), url)),
            "bare" => Some(Self::Bare(bare::plain_client(), url)),
            _ => None,
        }
    }

    /// Suspends a card; true if it was done.
    pub async fn suspend(&self, card: &str) -> bool {
        match self {
            Self::Facade(d1) => d1.card(card.parse().unwrap()).suspend().await.is_ok(),
            Self::Generated(http, url) => suspend_generated(http, url, card).await,
            Self::Bare(http, url) => bare::suspend(http, url, card).await,
        }
    }

    /// Gets the first page of a card's operations; how many there are.
    pub async fn operations(&self, card: &str) -> usize {
        match self {
            Self::Facade(d1) => {
                let card = d1.card(card.parse().unwrap());
                let page = card.operations().limit(50).await.unwrap();
                page.operations().len()
            }
            Self::Generated(http, url) => operations_generated(http, url, card).await,
            Self::Bare(http, url) => bare::operations(http, url, card).await,
        }
    }
}

/// The generated client, called as a service without the facade would: each call has a context with the token.
fn generated(http: &reqwest::Client, url: &str) -> d1_generated::Client {
    let overrides = RequestOverrides {
        authorization: Some(format!("Bearer {TOKEN}").parse().unwrap()),
        ..RequestOverrides::default()
    };
    d1_generated::Client::new_with_client(url, http.clone(), CallContext::new(overrides))
}

fn correlation_id() -> types::CardCorrelationId {
    uuid::Uuid::new_v4().to_string().parse().unwrap()
}

async fn suspend_generated(http: &reqwest::Client, url: &str, card: &str) -> bool {
    let body = types::CardOperationRequest {
        reason: None,
        reason_code: Some("ISSUER_DECISION".parse().unwrap()),
        extra: serde_json::Map::new(),
    };
    let (issuer, card) = (ISSUER.parse().unwrap(), card.parse().unwrap());
    let id = correlation_id();
    generated(http, url)
        .suspend_card(&issuer, &card, Some(&id), &body)
        .await
        .is_ok()
}

async fn operations_generated(http: &reqwest::Client, url: &str, card: &str) -> usize {
    let (issuer, card) = (ISSUER.parse().unwrap(), card.parse().unwrap());
    let id = correlation_id();
    let page = generated(http, url)
        .list_operations(&issuer, &card, Some(50), None, Some(&id))
        .await
        .unwrap();
    page.into_inner().operations.len()
}

/// Some certificate to trust, made once.
fn any_root() -> Vec<u8> {
    use openssl::asn1::Asn1Time;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::x509::{X509, X509NameBuilder};

    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "nobody.example").unwrap();
    let name = name.build();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name).unwrap();
    certificate.set_issuer_name(&name).unwrap();
    certificate.set_pubkey(&key).unwrap();
    let (from, to) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
    certificate.set_not_before(&from.unwrap()).unwrap();
    certificate.set_not_after(&to.unwrap()).unwrap();
    certificate.sign(&key, MessageDigest::sha256()).unwrap();
    certificate.build().to_pem().unwrap()
}
