//! Makes assertions as a client does: for examples, and for a shell without a JOSE tool.

use josekit::jws::{ES256, JwsHeader};
use josekit::jwt::{self, JwtPayload};

/// The lifetime of an assertion, in seconds.
const LIFETIME: i64 = 300;

/// Signs an assertion with the private key (PEM) that D1 knows by `kid`; `now` is in seconds since 1970. The error says
/// what is wrong.
pub(crate) fn assertion(
    pem: &[u8],
    kid: &str,
    issuer: &str,
    now: i64,
) -> Result<String, &'static str> {
    const FAILED: &str = "the assertion cannot be signed";
    let signer = ES256.signer_from_pem(pem);
    let signer = signer.map_err(|_| "the signing key is not an EC P-256 key")?;
    let mut header = JwsHeader::new();
    header.set_key_id(kid);
    header.set_token_type("JWT");
    let mut claims = JwtPayload::new();
    claims.set_issuer(issuer);
    claims.set_subject(issuer);
    let end = now.saturating_add(LIFETIME);
    claims
        .set_claim("exp", Some(end.into()))
        .map_err(|_| FAILED)?;
    jwt::encode_with_signer(&claims, &header, &signer).map_err(|_| FAILED)
}
