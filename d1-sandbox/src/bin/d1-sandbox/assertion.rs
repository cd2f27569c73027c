//! `d1-sandbox assertion`: what a shell without a JOSE tool needs to get a token.

use josekit::jws::{ES256, JwsHeader};
use josekit::jwt::{self, JwtPayload};
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The lifetime of the assertion, in seconds.
const LIFETIME: u64 = 300;

#[derive(Debug, clap::Args)]
pub(crate) struct Assertion {
    /// The issuer id
    #[arg(long, env = "D1_ISSUER_ID")]
    issuer: String,
    /// The private key, a PEM file
    #[arg(long, env = "D1_SIGNING_KEY", value_name = "FILE")]
    key: PathBuf,
    /// The id of the key
    #[arg(long, env = "D1_SIGNING_KID")]
    kid: String,
    /// The time to sign by, in seconds since 1970, as /api/clock has it; by default that of this machine
    #[arg(long, value_name = "SECONDS")]
    now: Option<u64>,
}

impl Assertion {
    /// Prints an assertion.
    pub(crate) fn run(&self) -> Result<(), Box<dyn Error>> {
        let pem = fs::read(&self.key)
            .map_err(|error| format!("cannot read {}: {}", self.key.display(), error.kind()))?;
        let signer = ES256
            .signer_from_pem(pem)
            .map_err(|_| format!("{} is not an EC P-256 key", self.key.display()))?;
        let mut header = JwsHeader::new();
        header.set_key_id(&self.kid);
        header.set_token_type("JWT");
        let now = match self.now {
            Some(now) => now,
            None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        let mut claims = JwtPayload::new();
        claims.set_issuer(&self.issuer);
        claims.set_subject(&self.issuer);
        claims.set_claim("exp", Some(now.saturating_add(LIFETIME).into()))?;
        let token = jwt::encode_with_signer(&claims, &header, &signer)
            .map_err(|_| "the assertion cannot be signed")?;
        writeln!(io::stdout(), "{token}")?;
        Ok(())
    }
}
