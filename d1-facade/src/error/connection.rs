//! Why a connection was not made, or broke: from the kinds of errors of the HTTP and TLS stack to a [`Fault`].
//!
//! Only types and kinds of errors are looked at, with one exception ([`CertificateError::Other`]), whose texts are those
//! of a library and are compared with known ones. The alerts of TLS are distinguished since most of them mean that D1
//! does not accept the client certificate, which the operator of a service must know.

use std::io;

use d1_transport::Cause;
use http::StatusCode;
use rustls::{AlertDescription as Alert, CertificateError, Error as Tls};

use super::Fault;

const ADDRESS: &str = "Check the address and the port, and what firewalls allow.";
const BETWEEN: &str =
    "Check the host, and what stands between this machine and it; D1 speaks TLS 1.2 and 1.3.";

/// The proxy asks for a user and a password, or for others.
pub(super) const PROXY_WANTS_PASSWORD: Fault = Fault::new(
    "the proxy asks for a user and a password",
    "Put the user and the password into the URL of the proxy.",
);
const PROXY_TLS: Fault = Fault::new(
    "TLS to the proxy failed",
    "Check the URL of the proxy, and the trusted roots.",
);
const NO_TLS_SETTINGS: Fault = Fault::new(
    "the server and this client have no TLS settings in common",
    BETWEEN,
);
const TLS_FAILED: Fault = Fault::new("the TLS handshake failed", BETWEEN);
const SERVER_CERTIFICATE: Fault = Fault::new(
    "the certificate of the server",
    "Check the host name, the trusted roots and this machine's clock, and that no proxy opens TLS.",
);
const CLIENT_CERTIFICATE: Fault = Fault::new(
    "the server refuses the client certificate:",
    "Check that the client certificate is the one of this issuer and this environment.",
);

/// The alerts that are about the client's certificate, and what each of them says.
const CERTIFICATE_ALERTS: [(Alert, &str); 9] = [
    (Alert::CertificateRequired, "it was not shown"),
    (Alert::BadCertificate, "it is damaged"),
    (
        Alert::UnsupportedCertificate,
        "it is of an unsupported type",
    ),
    (Alert::CertificateRevoked, "it was revoked"),
    (Alert::CertificateExpired, "it has expired"),
    (Alert::CertificateUnknown, "it is not accepted"),
    (Alert::AccessDenied, "it has no access"),
    (
        Alert::DecryptError,
        "its signature, or that of its key, does not fit",
    ),
    (
        Alert::UnknownCA,
        "it is from an authority that it does not trust",
    ),
];

/// What is said of a machine that was to be connected to.
struct Peer {
    is_proxy: bool,
    unknown_name: &'static str,
    closed_port: &'static str,
    no_route: &'static str,
    too_late: &'static str,
    closed: Fault,
}

const HOST: Peer = Peer {
    is_proxy: false,
    unknown_name: "the name of the host cannot be resolved (DNS)",
    closed_port: "the host refuses connections to this port",
    no_route: "there is no route to the host",
    too_late: "the host did not respond in time",
    closed: Fault::new(
        "the connection was closed",
        "Send it again; if this happens often, check the network and the proxy.",
    ),
};

const PROXY: Peer = Peer {
    is_proxy: true,
    unknown_name: "the name of the proxy cannot be resolved (DNS)",
    closed_port: "the proxy refuses connections to its port",
    no_route: "there is no route to the proxy",
    too_late: "the proxy did not respond in time",
    closed: Fault::new(
        "the proxy does not respond as a proxy",
        "Check that the proxy is an HTTP proxy and takes CONNECT.",
    ),
};

impl Fault {
    /// Returns what is known of a failed connection; `None` where the kind of the error says everything.
    pub(crate) fn of_connection(cause: &Cause) -> Option<Self> {
        of(cause, &HOST)
    }
}

fn of(cause: &Cause, peer: &Peer) -> Option<Fault> {
    Some(match cause {
        Cause::Dns => Fault::new(
            peer.unknown_name,
            "Check the name, and that this machine can resolve it.",
        ),
        Cause::Connect(kind) => of_system(*kind, peer)?,
        Cause::ConnectTimedOut => Fault::new(peer.too_late, ADDRESS),
        Cause::Tls(_) | Cause::NotAsked | Cause::Alert(_) if peer.is_proxy => PROXY_TLS,
        Cause::Tls(error) => of_tls(error),
        Cause::NotAsked => Fault::new(
            "the server did not ask for the client certificate, so it is not D1",
            "Check the host, and that no proxy opens TLS.",
        ),
        Cause::KeyFailed => Fault::new(
            "the key of the client certificate could not sign",
            "Check the HSM or the KMS that has the key, and this service's access to it.",
        ),
        Cause::Alert(alert) => of_alert(*alert),
        Cause::Proxy(cause) => of(cause, &PROXY)?,
        Cause::ProxyRefused(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => PROXY_WANTS_PASSWORD,
        Cause::ProxyRefused(_) => Fault::new(
            "the proxy refuses to connect to the host",
            "Ask the proxy's operator to allow the host of D1.",
        ),
        Cause::ProxyUnreadable => PROXY.closed,
        Cause::NoStream => Fault::new(
            "too many calls were under way, and none ended in time for this one",
            "Send fewer calls at a time, or give each more time.",
        ),
        // The server refused the stream, or closed the connection before it read the request.
        Cause::Unprocessed => {
            Fault::new("the server did not process the request", "Send it again.")
        }
        Cause::Closed(kind) => of_system(*kind, peer).unwrap_or(peer.closed),
        Cause::Protocol => Fault::new(
            "the response is not HTTP, or its headers are too long",
            "Check the host and the port.",
        ),
        Cause::TimedOut | Cause::Silent | Cause::BadRequest => return None,
    })
}

/// Returns the fault of an error of the operating system.
fn of_system(kind: io::ErrorKind, peer: &Peer) -> Option<Fault> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => Fault::new(peer.closed_port, ADDRESS),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Fault::new(peer.no_route, ADDRESS),
        io::ErrorKind::TimedOut => Fault::new(peer.too_late, ADDRESS),
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected
        | io::ErrorKind::UnexpectedEof => peer.closed,
        _ => return None,
    })
}

/// Returns the fault of an error of TLS.
fn of_tls(error: &Tls) -> Fault {
    match error {
        Tls::InvalidMessage(_) => Fault::new(
            "the server does not speak TLS on this port",
            "Check the host and the port.",
        ),
        Tls::InvalidCertificate(why) => SERVER_CERTIFICATE.with_words(of_certificate(why)),
        Tls::NoCertificatesPresented => {
            SERVER_CERTIFICATE.with_words("is missing or cannot be read")
        }
        Tls::AlertReceived(alert) => of_alert(*alert),
        Tls::PeerIncompatible(_) => NO_TLS_SETTINGS,
        _ => TLS_FAILED,
    }
}

/// Returns the fault of an alert by which the server ended the handshake.
fn of_alert(alert: Alert) -> Fault {
    let about_certificate = CERTIFICATE_ALERTS.iter().find(|(known, _)| *known == alert);
    match (about_certificate, alert) {
        (Some((_, why)), _) => CLIENT_CERTIFICATE.with_words(why),
        (None, Alert::ProtocolVersion) => Fault::new(
            "the server speaks no version of TLS that this client allows",
            BETWEEN,
        ),
        (None, Alert::HandshakeFailure | Alert::InsufficientSecurity) => NO_TLS_SETTINGS,
        (None, _) => TLS_FAILED,
    }
}

/// Returns whether an alert is about the client's certificate.
pub(crate) fn is_about_client_certificate(alert: Alert) -> bool {
    CERTIFICATE_ALERTS.iter().any(|(known, _)| *known == alert)
}

/// Returns what is wrong with the certificate of the server.
fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::Revoked => "was revoked",
        CertificateError::UnknownIssuer => "is from an authority that is not trusted",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host name"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for servers"
        }
        CertificateError::BadEncoding => "is missing or cannot be read",
        CertificateError::BadSignature => "is not signed by the trusted authority that it names",
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that this client does not take"
        }
        CertificateError::UnhandledCriticalExtension => UNKNOWN_EXTENSION,
        // What rustls has no type for is an error of webpki, of which it passes on the text alone.
        CertificateError::Other(why) => match why.0.to_string().as_str() {
            "CaUsedAsEndEntity" => "is that of an authority, which no server may use",
            "EndEntityUsedAsCa" => "is signed by a certificate that is not an authority's",
            "UnsupportedCertVersion" => "is of an X.509 version before 3",
            "NameConstraintViolation" | "PathLenConstraintViolated" => {
                "is signed by an authority that may not sign it"
            }
            "UnsupportedCriticalExtension" => UNKNOWN_EXTENSION,
            _ => OTHER_RULE,
        },
        _ => OTHER_RULE,
    }
}

const UNKNOWN_EXTENSION: &str = "has a critical extension that this client does not know";
const OTHER_RULE: &str = "breaks a rule for certificates";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_one_of_our_causes() {
        for (kind, words) in [
            (io::ErrorKind::ConnectionRefused, "the host refuses"),
            (io::ErrorKind::HostUnreachable, "there is no route"),
            (io::ErrorKind::NetworkUnreachable, "there is no route"),
            (io::ErrorKind::TimedOut, "did not respond in time"),
            (io::ErrorKind::ConnectionReset, "was closed"),
        ] {
            let fault = Fault::of_connection(&Cause::Connect(kind));
            let line = fault.map(|fault| fault.to_string()).unwrap_or_default();
            assert!(line.contains(words), "{kind:?}: {line}");
        }
        assert_eq!(
            Fault::of_connection(&Cause::Connect(io::ErrorKind::Other)),
            None
        );
    }

    #[test]
    fn an_alert_about_the_client_certificate_says_what_is_wrong_with_it() {
        for (alert, why) in CERTIFICATE_ALERTS {
            let expected = CLIENT_CERTIFICATE.with_words(why);
            assert_eq!(Fault::of_connection(&Cause::Alert(alert)), Some(expected));
            assert!(is_about_client_certificate(alert));
        }
        assert!(!is_about_client_certificate(Alert::InternalError));
    }
}
