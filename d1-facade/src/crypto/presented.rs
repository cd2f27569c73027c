//! The client certificate that is presented now, and whether it is valid.

use std::sync::{Arc, Mutex, PoisonError};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::X509;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use crate::error::Fault;

/// Every scheme that a server may take for the client's signature.
const SCHEMES: [SignatureScheme; 10] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// Returns what a resolver would present in a handshake now.
pub(super) fn present(resolver: &dyn ResolvesClientCert) -> Option<Arc<CertifiedKey>> {
    resolver.resolve(&[], &SCHEMES)
}

/// The certificate that is presented, which may be another one at any time.
pub(crate) struct Presented {
    resolver: Arc<dyn ResolvesClientCert>,
    /// The newest one with its dates, which are read once.
    newest: Mutex<Option<(Arc<CertifiedKey>, Option<Validity>)>>,
}

impl Presented {
    pub(crate) fn by(resolver: Arc<dyn ResolvesClientCert>) -> Self {
        Self {
            resolver,
            newest: Mutex::new(None),
        }
    }

    /// Returns why nothing must be sent now: there is no certificate, or it is not valid.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let Some(certified) = present(&*self.resolver) else {
            return Some(Fault::NO_CERTIFICATE);
        };
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        // A resolver may make a new one each time.
        let is_same = |known: &CertifiedKey| known.cert.first() == certified.cert.first();
        let known = newest.as_ref();
        let known = known.filter(|(known, _)| Arc::ptr_eq(known, &certified) || is_same(known));
        let validity = match known {
            Some((_, validity)) => *validity,
            None => {
                let validity = Validity::of(&certified);
                *newest = Some((certified, validity));
                validity
            }
        };
        validity.and_then(Validity::fault)
    }
}

/// The time in which the client certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Validity {
    from: i64,
    until: i64,
}

impl Validity {
    /// Returns when a certificate is valid; `None` where it does not say so in a form that can be read.
    fn of(certified: &CertifiedKey) -> Option<Self> {
        let certificate = X509::from_der(certified.cert.first()?).ok()?;
        let epoch = Asn1Time::from_unix(0).ok()?;
        let seconds = |time: &Asn1TimeRef| {
            let since = epoch.diff(time).ok()?;
            Some(i64::from(since.days) * 86_400 + i64::from(since.secs))
        };
        Some(Self {
            from: seconds(certificate.not_before())?,
            until: seconds(certificate.not_after())?,
        })
    }

    /// Returns why the certificate must not be used now; `None` where it is valid.
    fn fault(self) -> Option<Fault> {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if now > self.until {
            Some(Fault::certificate_expired(self.until))
        } else if now < self.from {
            Some(Fault::certificate_not_yet_valid(self.from))
        } else {
            None
        }
    }
}
