//! Signs assertions, with a key that may be in an HSM or a KMS.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use openssl::bn::BigNumRef;
use openssl::ecdsa::EcdsaSig;

use crate::crypto::keys;
use crate::error::{Error, ErrorKind, Fault, InvalidInput, Outcome, Unavailable};
use crate::values::ApiOperation;

/// Signs assertions with a P-256 key (ES256), wherever the key is.
///
/// [`SigningKey`](crate::SigningKey) is one whose key is in memory. A key in an HSM or a KMS needs an implementation of
/// your own, which only signs: claims, encoding, clock correction, retries and errors stay the client's.
/// [`ClientBuilder::signer`](crate::ClientBuilder::signer) takes it.
///
/// ```
/// use std::time::Duration;
/// use d1_facade::auth::{Signer, Unavailable};
///
/// struct Kms;
///
/// # struct Reply { throttled: bool, signature: Vec<u8> }
/// # async fn sign_in_kms(_: &[u8]) -> std::io::Result<Reply> { Err(std::io::ErrorKind::Other.into()) }
/// impl Signer for Kms {
///     fn kid(&self) -> &str {
///         "bank-2026"
///     }
///
///     async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Unavailable> {
///         let reply = sign_in_kms(input).await.map_err(Unavailable::transient)?;
///         if reply.throttled {
///             let busy = Unavailable::transient(std::io::Error::other("throttled"));
///             return Err(busy.retry_after(Duration::from_secs(2)));
///         }
///         Ok(reply.signature)
///     }
/// }
///
/// # fn f(builder: d1_facade::ClientBuilder) {
/// let builder = builder.signer(Kms);
/// # }
/// ```
pub trait Signer: Send + Sync + 'static {
    /// Returns the id by which D1 knows the key (JOSE: `kid`). It is read once, when the client is built.
    fn kid(&self) -> &str;

    /// Signs `input`, the encoded header and claims of an assertion (JOSE: JWS signing input), with ECDSA on P-256 and
    /// SHA-256.
    ///
    /// The signature is either r and s, 32 bytes each (JOSE, PKCS#11), or the DER of both (X9.62), as many KMS return
    /// it. The client signs once for all calls that wait for the same token. The time that it takes counts to the
    /// [timeout](crate::ClientBuilder::timeout) of each of these calls: one that ends first was not sent. Dropping the
    /// future gives the signature up. An implementation that blocks must do so on a thread of its own
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// An [`Unavailable`], which says whether the key can be used later. Every call that waits gets an error of kind
    /// [`Crypto`](ErrorKind::Crypto) with the outcome [`NotSent`](Outcome::NotSent). A signature of another form, and a
    /// panic, end in the same way.
    fn sign(&self, input: &[u8]) -> impl Future<Output = Result<Vec<u8>, Unavailable>> + Send;
}

/// A [`Signer`] of any type.
pub(crate) trait AnySigner: Send + Sync {
    fn kid(&self) -> &str;
    fn sign<'a>(&'a self, input: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Unavailable>>;
}

impl<S: Signer> AnySigner for S {
    fn kid(&self) -> &str {
        Signer::kid(self)
    }

    fn sign<'a>(&'a self, input: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Unavailable>> {
        Box::pin(Signer::sign(self, input))
    }
}

/// A signer and its `kid`, which was checked.
#[derive(Clone)]
pub(crate) struct NamedSigner {
    signer: Arc<dyn AnySigner>,
    kid: String,
}

impl NamedSigner {
    /// Checks the `kid` of a signer.
    pub(crate) fn new(signer: Arc<dyn AnySigner>) -> Result<Self, InvalidInput> {
        let kid = signer.kid().to_owned();
        keys::check_kid("signing_kid", &kid)?;
        Ok(Self { signer, kid })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs `input`. Returns r and s, 32 bytes each.
    pub(super) async fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |fault| {
            Error::new(ApiOperation::GetToken, ErrorKind::Crypto, Outcome::NotSent)
                .with_fault(fault)
        };
        // Calls that wait for the same token would all panic.
        let signed = AssertUnwindSafe(async { self.signer.sign(input).await });
        match signed.catch_unwind().await {
            Ok(Ok(signature)) => {
                jose_signature(&signature).ok_or_else(|| failed(Fault::BAD_SIGNATURE))
            }
            Ok(Err(unavailable)) if unavailable.is_transient() => {
                Err(unavailable.explain(failed(Fault::SIGNER_BUSY)))
            }
            Ok(Err(unavailable)) => Err(unavailable.explain(failed(Fault::SIGNING_FAILED))),
            Err(_) => Err(failed(Fault::SIGNER_PANICKED)),
        }
    }
}

/// The signer of a client, which all its clones share and which can be replaced.
#[derive(Clone)]
pub(crate) struct CurrentSigner(Arc<RwLock<NamedSigner>>);

impl CurrentSigner {
    pub(super) fn new(signer: NamedSigner) -> Self {
        Self(Arc::new(RwLock::new(signer)))
    }

    pub(crate) fn get(&self) -> NamedSigner {
        let signer = self.0.read();
        signer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Signs the assertions that follow with another signer.
    pub(crate) fn replace(&self, signer: Arc<dyn AnySigner>) -> Result<(), InvalidInput> {
        let signer = NamedSigner::new(signer)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = signer;
        Ok(())
    }
}

debug_fields!(NamedSigner, kid);

/// The length of a coordinate of P-256.
const LENGTH: usize = 32;

/// Returns a signature as JOSE has it (RFC 7518, section 3.4), from that form or from DER; `None` where it is neither.
///
/// DER has about 70 bytes. That of one signature in 10^14 has 64, and is taken for the other form: D1 refuses it, and
/// the next one is right.
fn jose_signature(signature: &[u8]) -> Option<Vec<u8>> {
    let is_zero = |number: &[u8]| number.iter().all(|byte| *byte == 0);
    if signature.len() == 2 * LENGTH {
        let (r, s) = signature.split_at(LENGTH);
        return (!is_zero(r) && !is_zero(s)).then(|| signature.to_owned());
    }
    let parsed = EcdsaSig::from_der(signature).ok()?;
    // OpenSSL ignores what follows.
    parsed.to_der().ok().filter(|der| der == signature)?;
    let number = |number: &BigNumRef| {
        let length = i32::try_from(LENGTH).ok()?;
        let is_usable = number.num_bits() > 0 && !number.is_negative();
        is_usable.then(|| number.to_vec_padded(length).ok())?
    };
    Some([number(parsed.r())?, number(parsed.s())?].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use openssl::bn::BigNum;

    use super::*;

    /// A signature of these numbers, as DER.
    fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
        let number = |bytes| BigNum::from_slice(bytes).unwrap();
        let signature = EcdsaSig::from_private_components(number(r), number(s)).unwrap();
        signature.to_der().unwrap()
    }

    #[test]
    fn a_signature_is_taken_in_both_forms_and_in_no_other() {
        let raw = [[0x81; 32], [0x7F; 32]].concat();
        assert_eq!(jose_signature(&raw).as_ref(), Some(&raw));
        assert_eq!(
            jose_signature(&der(&[0x81; 32], &[0x7F; 32])).as_ref(),
            Some(&raw)
        );
        // Short numbers are filled up.
        let short = [vec![0; 31], vec![5], vec![0x7F; 32]].concat();
        assert_eq!(
            jose_signature(&der(&[5], &[0x7F; 32])).as_ref(),
            Some(&short)
        );

        let ends_later = [der(&[0x81; 32], &[0x7F; 32]), vec![0]].concat();
        let negative = [
            &[0x30, 0x26, 0x02, 0x01, 0x81, 0x02, 0x21, 0x00][..],
            &[0x81; 32],
        ]
        .concat();
        for bad in [
            vec![],
            vec![0; 64],
            [vec![0; 32], vec![1; 32]].concat(),
            [vec![1; 32], vec![0; 32]].concat(),
            vec![1; 63],
            vec![1; 65],
            vec![1; 96],
            der(&[1; 33], &[1; 32]),
            der(&[], &[1; 32]),
            ends_later,
            negative,
        ] {
            assert_eq!(jose_signature(&bad), None, "{bad:02x?}");
        }
    }
}
