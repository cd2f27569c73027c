//! `d1 keygen`: makes a signing key, and its public part for Thales.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::new_file;
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// The new file for the private key; the public key is written beside it, as .pub.pem and as .jwk.json
    file: PathBuf,
}

impl Keygen {
    pub(crate) fn run(self, output: &Output) -> Result<Exit, Failure> {
        let key = SigningKey::generate().map_err(|_| Failure::input("OpenSSL", NO_KEY))?;
        let (public, jwk) = (
            self.file.with_extension("pub.pem"),
            self.file.with_extension("jwk.json"),
        );
        let jwk_text = format!("{}\n", key.jwk);
        new_file::write_all(&[
            (&self.file, &key.private_pem),
            (&public, &key.public_pem),
            (&jwk, jwk_text.as_bytes()),
        ])?;
        if output.is_table() && output.is_quiet() {
            output.line(&key.kid)?;
        }
        output.record(&json!({
            "command": "keygen",
            "privateKey": self.file.display().to_string(),
            "publicKey": public.display().to_string(),
            "jwk": jwk.display().to_string(),
            "kid": key.kid,
        }))?;
        Ok(Exit::Done)
    }
}

/// The rule that is broken where OpenSSL makes no key.
pub(super) const NO_KEY: &str = "cannot make a key with its configuration";

/// A new key, in the forms in which it is written.
struct SigningKey {
    private_pem: Zeroizing<Vec<u8>>,
    public_pem: Vec<u8>,
    /// The RFC 7638 thumbprint.
    kid: String,
    jwk: Value,
}

impl SigningKey {
    fn generate() -> Result<Self, ErrorStack> {
        let key = p256()?;
        let ec = key.ec_key()?;
        let mut context = BigNumContext::new()?;
        let form = PointConversionForm::UNCOMPRESSED;
        let point = ec.public_key().to_bytes(ec.group(), form, &mut context)?;
        // A byte that says the form, then both coordinates.
        let (x, y) = point[1..].split_at(32);
        let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
        // RFC 7638 fixes these members, in this order and without spaces.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()));
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y,
            "kid": kid, "use": "sig", "alg": "ES256",
        });
        Ok(Self {
            private_pem: Zeroizing::new(key.private_key_to_pem_pkcs8()?),
            public_pem: key.public_key_to_pem()?,
            kid,
            jwk,
        })
    }
}

/// Makes a key on P-256.
pub(super) fn p256() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}
