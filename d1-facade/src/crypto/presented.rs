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

/// How many days before the end of a certificate warnings begin.
const WARNING_DAYS: i64 = 30;
const DAY: i64 = 24 * 60 * 60;

/// The certificate that is presented, which may be another one at any time.
pub(crate) struct Presented {
    resolver: Arc<dyn ResolvesClientCert>,
    newest: Mutex<Option<Newest>>,
}

/// The newest certificate with its dates, which are read once.
struct Newest {
    certified: Arc<CertifiedKey>,
    validity: Option<Validity>,
    /// From when on the next warning of its end is due.
    warn_at: i64,
}

impl Newest {
    fn new(certified: Arc<CertifiedKey>) -> Self {
        let validity = Validity::of(&certified);
        let first = validity.map(|validity| validity.until - WARNING_DAYS * DAY);
        Self {
            certified,
            validity,
            warn_at: first.unwrap_or(i64::MAX),
        }
    }

    fn warn(&mut self, now: i64) {
        if let Some(validity) = self.validity.filter(|_| now >= self.warn_at) {
            let days_left = (validity.until - now).div_euclid(DAY);
            tracing::warn!(days_left, "the client certificate expires soon");
            self.warn_at = now + DAY;
        }
    }
}

impl Presented {
    pub(crate) fn by(resolver: Arc<dyn ResolvesClientCert>) -> Self {
        Self {
            resolver,
            newest: Mutex::new(None),
        }
    }

    /// Returns why nothing must be sent now: there is no certificate, or it is not valid. Where it is another one than
    /// before, `replaced` is called before any request can be sent.
    pub(crate) fn fault(&self, replaced: impl FnOnce()) -> Option<Fault> {
        let Some(certified) = present(&*self.resolver) else {
            return Some(Fault::NO_CERTIFICATE);
        };
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *newest {
            Some(known) if Arc::ptr_eq(&known.certified, &certified) => {}
            // A resolver may make the same one again for each handshake.
            Some(known) if known.certified.cert == certified.cert => known.certified = certified,
            Some(known) => {
                *known = Newest::new(certified);
                replaced();
            }
            None => *newest = Some(Newest::new(certified)),
        }
        let newest = newest.as_mut()?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        newest.warn(now);
        newest.validity.and_then(|validity| validity.fault(now))
    }

    /// Returns the end of the certificate that would be presented now, in seconds since 1970.
    pub(crate) fn expires_at(&self) -> Option<i64> {
        Some(Validity::of(&*present(&*self.resolver)?)?.until)
    }
}

/// The time in which the client certificate is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    from: i64,
    pub(super) until: i64,
}

impl Validity {
    /// Returns when a certificate is valid; `None` where it does not say so in a form that can be read.
    pub(super) fn of(certified: &CertifiedKey) -> Option<Self> {
        Self::of_der(certified.cert.first()?)
    }

    pub(super) fn of_der(certificate: &[u8]) -> Option<Self> {
        let certificate = X509::from_der(certificate).ok()?;
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

    /// Returns why the certificate must not be used at `now`, in seconds since 1970; `None` where it is valid.
    pub(super) fn fault(self, now: i64) -> Option<Fault> {
        if now > self.until {
            Some(Fault::certificate_expired(self.until))
        } else if now < self.from {
            Some(Fault::certificate_not_yet_valid(self.from))
        } else {
            None
        }
    }
}
