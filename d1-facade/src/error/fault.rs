//! Why a connection failed, in words of our own.
//!
//! The errors of the HTTP stack may quote what a server sent, such as the debug data of an HTTP/2
//! GOAWAY, and a server may send back what it was sent. So none of them is passed on: only kinds,
//! and texts that are known to be fixed.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::client_auth::NotAsked;
use rustls::{AlertDescription, CertificateError, Error as Tls};

/// What the HTTP stack says of a failure, without anything that came from the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TransportFault(String);

/// Texts of reqwest and hyper that hold nothing else, and say more than the kinds of errors do.
const FIXED_TEXTS: [&str; 9] = [
    "dns error",
    "tcp connect error",
    "tunnel error: unsuccessful",
    "tunnel error: proxy authorization required",
    "connection closed before message completed",
    "error reading a body from connection",
    "end of file before message length reached",
    "message head is too large",
    "operation timed out",
];

impl TransportFault {
    /// Reads an error and everything beneath it.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        let mut words: Vec<String> = vec![stage(error).to_owned()];
        let mut current: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(e) = current {
            if let Some(text) = FIXED_TEXTS.iter().find(|t| **t == e.to_string()) {
                words.push((*text).to_owned());
            }
            if let Some(tls) = e.downcast_ref::<Tls>() {
                words.push(tls_words(tls));
            }
            // An I/O error is a wrapper where it has an error inside, which is not its source.
            current = match e
                .downcast_ref::<io::Error>()
                .map(|io| (io.kind(), io.get_ref()))
            {
                Some((_, Some(inner))) => Some(inner),
                Some((kind, None)) => {
                    words.extend((kind != io::ErrorKind::Other).then(|| kind.to_string()));
                    None
                }
                None => e.source(),
            };
        }
        words.dedup();
        Self(words.join(": "))
    }
}

fn stage(error: &reqwest::Error) -> &'static str {
    if error.is_connect() {
        "no connection could be made"
    } else if error.is_timeout() {
        "time ran out"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the request broke off"
    }
}

fn tls_words(error: &Tls) -> String {
    match error {
        Tls::InvalidCertificate(CertificateError::Other(why)) if why.0.is::<NotAsked>() => {
            NotAsked.to_string()
        }
        Tls::AlertReceived(alert) => format!("TLS alert from the server: {}", alert_words(*alert)),
        Tls::InvalidCertificate(why) => {
            format!(
                "the server's certificate is refused: {}",
                certificate_words(why)
            )
        }
        Tls::PeerIncompatible(_) => "TLS: nothing in common with the server".to_owned(),
        Tls::PeerMisbehaved(_) => "TLS: the server breaks the protocol".to_owned(),
        Tls::NoCertificatesPresented => "TLS: the server shows no certificate".to_owned(),
        _ => "TLS failed".to_owned(),
    }
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::Unknown(number) => format!("number {number}"),
        // The name of a variant of ours, whatever the server sent.
        known => format!("{known:?}"),
    }
}

fn certificate_words(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::UnknownIssuer => "nobody who is trusted vouches for it",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host"
        }
        CertificateError::BadEncoding => "it cannot be read",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not for servers"
        }
        _ => "it breaks a rule",
    }
}

impl fmt::Display for TransportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for TransportFault {}
