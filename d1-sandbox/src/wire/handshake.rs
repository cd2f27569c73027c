//! Connections that ended before a request: what was wrong, and how to fix it.

use crate::clock::timestamp;
use crate::pan;
use rustls::{AlertDescription, CertificateError, Error};
use serde::{Serialize, Serializer};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use time::OffsetDateTime;

/// A TLS handshake that failed, with the reason and the fix.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RefusedHandshake {
    /// When it failed, by the sandbox's clock.
    #[serde(serialize_with = "as_timestamp")]
    pub received_at: OffsetDateTime,
    /// The address of the client.
    pub client: Option<SocketAddr>,
    /// Why it failed.
    pub reason: String,
}

pub(super) fn as_timestamp<S: Serializer>(
    time: &OffsetDateTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp(*time))
}

impl RefusedHandshake {
    pub(crate) fn new(
        received_at: OffsetDateTime,
        client: Option<SocketAddr>,
        error: &io::Error,
    ) -> Self {
        Self {
            received_at,
            client,
            reason: pan::masked_text(&reason(error)),
        }
    }
}

fn reason(error: &io::Error) -> String {
    const OTHER_CA: &str = "the CA of this sandbox has not signed the client certificate: load client.pem and client.key \
                            again, which each sandbox without an earlier --dir makes anew";
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    let text = match (error.kind(), inner) {
        (_, Some(Error::NoCertificatesPresented)) => {
            "the client has shown no certificate: give it client.pem and client.key"
        }
        (
            _,
            Some(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )),
        ) => OTHER_CA,
        (
            _,
            Some(Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown,
            )),
        ) => {
            "the client does not trust the certificate of the sandbox: give it ca.pem, and call a name of --san"
        }
        (_, Some(Error::PeerIncompatible(_))) => {
            return format!("{error}: the sandbox takes TLS 1.2 and 1.3");
        }
        (_, Some(Error::InvalidMessage(_))) => {
            "the client does not speak TLS: the address begins with https://"
        }
        (ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset, _) => {
            "the client has closed the connection before the handshake was complete"
        }
        (ErrorKind::TimedOut, _) => "the client has not completed the handshake in time",
        _ => return error.to_string(),
    };
    text.to_owned()
}
