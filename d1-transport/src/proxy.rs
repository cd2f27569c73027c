//! The proxy on the way to the server: its address, and the tunnel through it.
//!
//! hyper-util's tunnel does not return the status of the proxy's response, which says whether it asks for a password.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;
use zeroize::Zeroizing;

use crate::connection::Stream;
use crate::failure::Cause;

/// How long the head of a response to CONNECT may be, in bytes.
const LONGEST_ANSWER: usize = 16 * 1024;

/// An HTTP proxy that opens tunnels with CONNECT.
pub struct Proxy {
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    authorization: Option<Zeroizing<String>>,
}

debug_fields!(Proxy, host, port);

impl Proxy {
    /// Reads the URL of a proxy: `http://` or `https://`, a host, a port, and a user and password if need be,
    /// percent-encoded.
    ///
    /// # Errors
    /// The rule that the URL breaks. It holds nothing of the URL, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be a URL such as http://host:port or https://host:port";
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err("must begin with http:// or https://: other proxies cannot be used"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '\\']) || rest.matches('@').count() > 1 {
            return Err("must have no path, and a user and password that are percent-encoded");
        }
        let url = Url::parse(text).map_err(|_| FORM)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(basic(user, password.unwrap_or(""))?),
        };
        Ok(Self {
            is_tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default().ok_or(FORM)?,
            authorization,
        })
    }

    /// Opens a tunnel to `authority` through a connection to the proxy.
    pub(crate) async fn open_tunnel(
        &self,
        stream: &mut Box<dyn Stream>,
        authority: &str,
    ) -> Result<(), Cause> {
        let closed = |error: io::Error| Cause::Proxy(Box::new(Cause::Connect(error.kind())));
        let password = self.authorization.as_ref().map_or("", |text| text.as_str());
        // At its full size from the start: a text that outgrows its memory leaves a copy behind.
        let mut request = Zeroizing::new(String::with_capacity(
            2 * authority.len() + password.len() + 64,
        ));
        let head = [
            "CONNECT ",
            authority,
            " HTTP/1.1\r\nHost: ",
            authority,
            "\r\n",
        ];
        head.into_iter().for_each(|part| request.push_str(part));
        if !password.is_empty() {
            let header = ["Proxy-Authorization: ", password, "\r\n"];
            header.into_iter().for_each(|part| request.push_str(part));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.map_err(closed)?;
        stream.flush().await.map_err(closed)?;

        // One byte at a time: what follows the head is the server's.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == LONGEST_ANSWER {
                return Err(Cause::ProxyUnreadable);
            }
            head.push(stream.read_u8().await.map_err(closed)?);
        }
        match status(&head) {
            Some(status) if status.is_success() => Ok(()),
            Some(status) => Err(Cause::ProxyRefused(status)),
            None => Err(Cause::ProxyUnreadable),
        }
    }
}

/// Returns the status of the proxy's response, by its first line.
fn status(head: &[u8]) -> Option<StatusCode> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let rest = rest.strip_prefix(b"0 ").or(rest.strip_prefix(b"1 "))?;
    StatusCode::from_bytes(rest.get(..3)?).ok()
}

/// Returns the value of `Proxy-Authorization`.
fn basic(user: &str, password: &str) -> Result<Zeroizing<String>, &'static str> {
    let decoded = |text: &str| -> Zeroizing<Vec<u8>> {
        Zeroizing::new(percent_decode_str(text).collect::<Vec<u8>>())
    };
    let (user, password) = (decoded(user), decoded(password));
    // RFC 7617, section 2.
    if user.contains(&b':') {
        return Err("must have a user without a colon");
    }
    let pair = Zeroizing::new([&user[..], b":", &password[..]].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    Ok(Zeroizing::new(["Basic ", encoded.as_str()].concat()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_no_connection_can_be_made_through_is_refused() {
        for (text, why) in [
            ("htp://h:1", "http:// or https://"),
            ("socks5://h:1", "http:// or https://"),
            ("h:1", "must be a URL"),
            ("http://", "must be a URL"),
            ("http://u:p@ss@h:1", "percent-encoded"),
            ("http://u:p/ss@h:1", "percent-encoded"),
            ("http://u:p#ss@h:1", "percent-encoded"),
            ("http://h:1/path", "no path"),
            ("http://h:1?query", "no path"),
            ("http://h:port", "must be a URL"),
            ("http://us%3Aer:p@h:1", "colon"),
        ] {
            let refused = Proxy::parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    #[test]
    fn user_and_password_are_decoded_and_not_shown() {
        let proxy = Proxy::parse("HTTP://us%40er:p%3A%2Fss@h/").unwrap();
        assert_eq!(
            (proxy.host.as_str(), proxy.port, proxy.is_tls),
            ("h", 80, false)
        );
        let expected = format!("Basic {}", STANDARD.encode("us@er:p:/ss"));
        assert_eq!(proxy.authorization.as_deref(), Some(&expected));
        assert_eq!(format!("{proxy:?}"), r#"Proxy { host: "h", port: 80, .. }"#);
        let proxy = Proxy::parse("https://[::1]:8443").unwrap();
        assert_eq!(
            (proxy.host.as_str(), proxy.port, proxy.is_tls),
            ("::1", 8443, true)
        );
        assert!(proxy.authorization.is_none());
    }

    #[test]
    fn the_status_of_an_answer_is_read() {
        let code = |head: &[u8]| status(head).map(|status| status.as_u16());
        assert_eq!(
            code(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
            Some(407)
        );
        assert_eq!(code(b"HTTP/1.0 200\r\n\r\n"), Some(200));
        assert_eq!(code(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), None);
    }
}
