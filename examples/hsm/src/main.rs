//! Both private keys of a client in an HSM: made there, onboarded from there, used there.
//!
//! `run.sh` starts an HSM (SoftHSM2, in a process of its own) and then this program, which shows that the private keys
//! were never in its memory.

mod keys;
mod memory;
mod token;

use std::env;
use std::error::Error;
use std::fs;
use std::io::Write as _;

use d1_facade::{Client, Environment, SigningKey};
use d1_sandbox::{CardState, Sandbox};
use keys::AssertionSigner;
use openssl::bn::BigNumContext;
use openssl::ec::{EcKey, PointConversionForm};
use rcgen::{CertificateParams, DnType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use token::TokenKey;

const KID: &str = "bank-hsm-1";
const CARD: &str = "ReplaceMe01";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Prints a line.
macro_rules! say {
    ($($text:tt)*) => { writeln!(std::io::stdout(), $($text)*)? };
}

#[tokio::main]
async fn main() -> Result<()> {
    let session = token::open(&needed("D1_HSM_MODULE")?, needed("D1_HSM_PIN")?)?;
    let assertion_key = TokenKey::generate(session.clone(), "d1-assertions")?;
    let tls_key = TokenKey::generate(session, "d1-client")?;
    say!("made two P-256 keys in the token");

    let sandbox = onboard(&assertion_key, &tls_key).await?;
    say!("onboarded: the token has signed the CSR, and D1 has issued the client certificate");
    suspend(&sandbox, &assertion_key, &tls_key).await?;
    say!("suspended {CARD} over mTLS, with an assertion that the token has signed");

    for key in [&assertion_key, &tls_key] {
        key.check_that_it_stays()?;
    }
    say!(
        "CKA_SENSITIVE is true, CKA_EXTRACTABLE is false, and reading CKA_VALUE fails, for both keys"
    );
    search_memory(&[assertion_key.point(), tls_key.point()])
}

/// Hands over a CSR and the public key of the assertions, as the guide's chapter on onboarding describes.
async fn onboard(assertion_key: &TokenKey, tls_key: &TokenKey) -> Result<Sandbox> {
    let mut request = CertificateParams::new(vec![])?;
    let name = &mut request.distinguished_name;
    *name = rcgen::DistinguishedName::new();
    name.push(DnType::CommonName, "my-bank.example");
    let request = request.serialize_request(tls_key)?.pem()?;
    let sandbox = Sandbox::builder()
        .strict()
        .client_certificate_request(request)
        .signing_key(KID, assertion_key.public_pem()?);
    Ok(sandbox.start().await?)
}

async fn suspend(sandbox: &Sandbox, assertion_key: &TokenKey, tls_key: &TokenKey) -> Result<()> {
    let chain = CertificateDer::pem_slice_iter(sandbox.client_certificate_pem().as_bytes());
    let chain = chain.collect::<std::result::Result<_, _>>()?;
    let environment = Environment::Custom(sandbox.base_url().to_owned());
    let d1 = Client::builder(environment, sandbox.issuer_id().parse()?)
        .signer(AssertionSigner {
            key: assertion_key.clone(),
            kid: KID.to_owned(),
        })
        .client_identity(keys::identity(chain, tls_key.clone()))
        .root_certificate(sandbox.ca_pem())
        .without_system_roots()
        .build()?;
    d1.card(CARD.parse()?).suspend().await?;
    let state = sandbox.card(CARD).map(|card| card.state);
    match state {
        Some(CardState::Inactive) => Ok(()),
        other => Err(format!("the card is {other:?}").into()),
    }
}

/// Searches this process for the keys of the token, and for one that it has read from a file on purpose: a search that
/// does not find that one would prove nothing.
fn search_memory(token_keys: &[&[u8]; 2]) -> Result<()> {
    let pem = fs::read(needed("D1_CONTROL_KEY")?)?;
    let control = EcKey::public_key_from_pem(&fs::read(needed("D1_CONTROL_PUBLIC_KEY")?)?)?;
    let mut context = BigNumContext::new()?;
    let form = PointConversionForm::UNCOMPRESSED;
    let control = control
        .public_key()
        .to_bytes(control.group(), form, &mut context)?;
    let points = [token_keys[0], token_keys[1], &control];
    let before = memory::search(&points)?;
    let loaded = SigningKey::from_pem(pem, "control")?;
    let found = memory::search(&points)?;
    drop(loaded);
    say!(
        "searched {} KiB of this process, {} times 32 bytes: found {:?}; with a key from a PEM: {:?}",
        found.searched / 1024,
        found.tried,
        before.keys,
        found.keys
    );
    match (before.keys.as_slice(), found.keys.as_slice()) {
        ([false, false, _], [false, false, true]) => {
            say!("the private keys of the token are not in this process; the key from the PEM is");
            Ok(())
        }
        (_, [_, _, false]) => Err("the search does not find a key that is there".into()),
        _ => Err("a private key of the token is in this process".into()),
    }
}

fn needed(name: &str) -> Result<String> {
    env::var(name).map_err(|_| format!("{name} is not set: start run.sh").into())
}
