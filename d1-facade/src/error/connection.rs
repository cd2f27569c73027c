//! Why a connection was not made, or broke, in words of our own.
//!
//! The errors of the HTTP stack may quote what a server sent, and a server may send back what it was sent. So none of
//! them is passed on: only kinds.

use std::fmt;
use std::io;

use d1_transport::Cause;
use http::StatusCode;
use rustls::{AlertDescription as Alert, CertificateError, Error as Tls};
use time::OffsetDateTime;

/// Why a connection was not made, or broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    NameNotResolved(Peer),
    PortClosed(Peer),
    NoRoute(Peer),
    TimedOut(Peer),
    ProxyRefuses,
    ProxyWantsPassword,
    ProxyFails,
    ProxyTls,
    NotTls,
    TlsVersion,
    TlsSettings,
    TlsFails,
    ServerCertificate(CertificateFault),
    /// The server did not ask for the client certificate.
    NotAsked,
    ClientCertificateExpired(i64),
    ClientCertificateNotYetValid(i64),
    /// The server said so with this alert.
    ClientCertificateRefused(&'static str),
    /// No stream of the connection became free in time.
    NoStream,
    /// The server refused the stream, or closed the connection before it read the request.
    Unprocessed,
    Closed,
    NotHttp,
}

/// Who was to be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Host,
    Proxy,
}

/// What is wrong with the certificate of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateFault {
    Expired,
    NotYetValid,
    Revoked,
    Untrusted,
    OtherName,
    OtherPurpose,
    Unreadable,
    BadSignature,
    OtherAlgorithm,
    OfAuthority,
    OfNoAuthority,
    OldVersion,
    OutOfBounds,
    UnknownExtension,
    Other,
}

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

impl ConnectionFault {
    /// Names a cause in our words; `None` where there is nothing more to say than the kind of the error.
    pub(crate) fn of(cause: &Cause) -> Option<Self> {
        Self::of_peer(cause, Peer::Host)
    }

    fn of_peer(cause: &Cause, peer: Peer) -> Option<Self> {
        Some(match cause {
            Cause::Dns => Self::NameNotResolved(peer),
            Cause::Connect(kind) => Self::of_connect(*kind, peer)?,
            Cause::ConnectTimedOut => Self::TimedOut(peer),
            Cause::Tls(_) | Cause::NotAsked | Cause::Alert(_) if peer == Peer::Proxy => {
                Self::ProxyTls
            }
            Cause::Tls(error) => Self::of_tls(error),
            Cause::NotAsked => Self::NotAsked,
            Cause::Alert(alert) => Self::of_alert(*alert),
            Cause::Proxy(cause) => match Self::of_peer(cause, Peer::Proxy)? {
                Self::Closed => Self::ProxyFails,
                fault => fault,
            },
            Cause::ProxyRefused(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => {
                Self::ProxyWantsPassword
            }
            Cause::ProxyRefused(_) => Self::ProxyRefuses,
            Cause::ProxyUnreadable => Self::ProxyFails,
            Cause::NoStream => Self::NoStream,
            Cause::Unprocessed => Self::Unprocessed,
            Cause::Closed(kind) => Self::of_connect(*kind, peer).unwrap_or(Self::Closed),
            Cause::Protocol => Self::NotHttp,
            Cause::TimedOut | Cause::Silent | Cause::BadRequest => return None,
        })
    }

    fn of_connect(kind: io::ErrorKind, peer: Peer) -> Option<Self> {
        Some(match kind {
            io::ErrorKind::ConnectionRefused => Self::PortClosed(peer),
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::NoRoute(peer),
            io::ErrorKind::TimedOut => Self::TimedOut(peer),
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => return None,
        })
    }

    fn of_tls(error: &Tls) -> Self {
        match error {
            Tls::InvalidMessage(_) => Self::NotTls,
            Tls::InvalidCertificate(CertificateError::Other(why)) => {
                Self::ServerCertificate(CertificateFault::of_text(&why.0.to_string()))
            }
            Tls::InvalidCertificate(why) => Self::ServerCertificate(CertificateFault::of(why)),
            Tls::AlertReceived(alert) => Self::of_alert(*alert),
            Tls::PeerIncompatible(_) => Self::TlsSettings,
            Tls::NoCertificatesPresented => Self::ServerCertificate(CertificateFault::Unreadable),
            _ => Self::TlsFails,
        }
    }

    fn of_alert(alert: Alert) -> Self {
        let about_certificate = CERTIFICATE_ALERTS.iter().find(|(known, _)| *known == alert);
        match (about_certificate, alert) {
            (Some((_, why)), _) => Self::ClientCertificateRefused(why),
            (None, Alert::ProtocolVersion) => Self::TlsVersion,
            (None, Alert::HandshakeFailure | Alert::InsufficientSecurity) => Self::TlsSettings,
            (None, _) => Self::TlsFails,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::NameNotResolved(_) => "Check the name, and that this machine can resolve it.",
            Self::PortClosed(_) | Self::NoRoute(_) | Self::TimedOut(_) => {
                "Check the address and the port, and what firewalls allow."
            }
            Self::ProxyRefuses => "Ask the proxy's operator to allow the host of D1.",
            Self::ProxyWantsPassword => "Put the user and the password into the URL of the proxy.",
            Self::ProxyFails => "Check that the proxy is an HTTP proxy and takes CONNECT.",
            Self::ProxyTls => "Check the URL of the proxy, and the trusted roots.",
            Self::NotTls | Self::NotHttp => "Check the host and the port.",
            Self::TlsVersion | Self::TlsSettings | Self::TlsFails => {
                "Check the host, and what stands between this machine and it; D1 speaks TLS 1.2 and 1.3."
            }
            Self::ServerCertificate(_) => {
                "Check the host name, the trusted roots and this machine's clock, and that no proxy opens TLS."
            }
            Self::NotAsked => "Check the host, and that no proxy opens TLS.",
            Self::ClientCertificateExpired(_) => "Configure a client certificate that is valid.",
            Self::ClientCertificateNotYetValid(_) => {
                "Check this machine's clock, or configure a client certificate that is valid."
            }
            Self::ClientCertificateRefused(_) => {
                "Check that the client certificate is the one of this issuer and this environment."
            }
            Self::NoStream => "Send fewer calls at a time, or give each more time.",
            Self::Unprocessed => "Send it again.",
            Self::Closed => "Ask again; if it stays so, check the network and the proxy.",
        }
    }
}

impl CertificateFault {
    fn of(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownIssuer => Self::Untrusted,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::OtherPurpose
            }
            CertificateError::BadEncoding => Self::Unreadable,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Self::OtherAlgorithm
            }
            CertificateError::UnhandledCriticalExtension => Self::UnknownExtension,
            _ => Self::Other,
        }
    }

    /// What rustls has no type for is an error of webpki, of which it passes on the text alone.
    fn of_text(text: &str) -> Self {
        match text {
            "CaUsedAsEndEntity" => Self::OfAuthority,
            "EndEntityUsedAsCa" => Self::OfNoAuthority,
            "UnsupportedCertVersion" => Self::OldVersion,
            "NameConstraintViolation" | "PathLenConstraintViolated" => Self::OutOfBounds,
            "UnsupportedCriticalExtension" => Self::UnknownExtension,
            _ => Self::Other,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Expired => "has expired",
            Self::NotYetValid => "is not valid yet",
            Self::Revoked => "was revoked",
            Self::Untrusted => "is from an authority that is not trusted",
            Self::OtherName => "is for another host name",
            Self::OtherPurpose => "is not for servers",
            Self::Unreadable => "is missing or cannot be read",
            Self::BadSignature => "is not signed by the trusted authority that it names",
            Self::OtherAlgorithm => "is signed in a way that this client does not take",
            Self::OfAuthority => "is that of an authority, which no server may use",
            Self::OfNoAuthority => "is signed by a certificate that is not an authority's",
            Self::OldVersion => "is of an X.509 version before 3",
            Self::OutOfBounds => "is signed by an authority that may not sign it",
            Self::UnknownExtension => "has a critical extension that this client does not know",
            Self::Other => "breaks a rule for certificates",
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Proxy => "proxy",
        })
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameNotResolved(peer) => {
                return write!(f, "the name of the {peer} cannot be resolved (DNS)");
            }
            Self::PortClosed(Peer::Host) => "the host refuses connections to this port",
            Self::PortClosed(Peer::Proxy) => "the proxy refuses connections to its port",
            Self::NoRoute(peer) => return write!(f, "there is no route to the {peer}"),
            Self::TimedOut(peer) => return write!(f, "the {peer} did not answer in time"),
            Self::ProxyRefuses => "the proxy refuses to connect to the host",
            Self::ProxyWantsPassword => "the proxy asks for a user and a password",
            Self::ProxyFails => "the proxy does not answer as a proxy does",
            Self::ProxyTls => "TLS to the proxy failed",
            Self::NotTls => "the server does not speak TLS on this port",
            Self::TlsVersion => "the server speaks no version of TLS that this client allows",
            Self::TlsSettings => "the server and this client have no TLS settings in common",
            Self::TlsFails => "the TLS handshake failed",
            Self::ServerCertificate(fault) => {
                return write!(f, "the certificate of the server {}", fault.words());
            }
            Self::NotAsked => "the server did not ask for the client certificate, so it is not D1",
            Self::ClientCertificateExpired(until) => {
                let until = Day(*until);
                return write!(
                    f,
                    "the client certificate has expired: it was valid until {until}"
                );
            }
            Self::ClientCertificateNotYetValid(from) => {
                let from = Day(*from);
                return write!(
                    f,
                    "the client certificate is not valid yet: it is valid from {from}"
                );
            }
            Self::ClientCertificateRefused(why) => {
                return write!(f, "the server refuses the client certificate: {why}");
            }
            Self::NoStream => "too many calls were under way, and none ended in time for this one",
            Self::Unprocessed => "the server did not process the request",
            Self::Closed => "the connection was closed",
            Self::NotHttp => "the answer is not HTTP, or its headers are too long",
        })
    }
}

/// A moment in seconds since 1970, written as its day in UTC.
struct Day(i64);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match OffsetDateTime::from_unix_timestamp(self.0) {
            Ok(time) => write!(f, "{} (UTC)", time.date()),
            Err(_) => f.write_str("an unknown day"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_one_of_our_causes() {
        for (kind, words) in [
            (io::ErrorKind::ConnectionRefused, "the host refuses"),
            (io::ErrorKind::HostUnreachable, "there is no route"),
            (io::ErrorKind::NetworkUnreachable, "there is no route"),
            (io::ErrorKind::TimedOut, "did not answer in time"),
            (io::ErrorKind::ConnectionReset, "was closed"),
        ] {
            let fault = ConnectionFault::of(&Cause::Connect(kind));
            let line = fault.map(|fault| fault.to_string()).unwrap_or_default();
            assert!(line.contains(words), "{kind:?}: {line}");
        }
        assert_eq!(
            ConnectionFault::of(&Cause::Connect(io::ErrorKind::Other)),
            None
        );
    }

    #[test]
    fn an_alert_about_the_client_certificate_says_what_is_wrong_with_it() {
        for (alert, why) in CERTIFICATE_ALERTS {
            let expected = ConnectionFault::ClientCertificateRefused(why);
            assert_eq!(ConnectionFault::of(&Cause::Alert(alert)), Some(expected));
        }
    }
}
