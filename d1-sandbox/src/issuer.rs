//! Asks an issuer for the credentials of a card, as D1 does when a renewal brings none.

use crate::jwe::{self, Decrypter};
use crate::pan;
use crate::renewal::Credentials;
use crate::spec::Spec;
use crate::warnings::Warnings;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the issuer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How much of an answer is read.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// The address of an issuer's *Get Card Credentials*: a host and a port of plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    authority: String,
}

impl Endpoint {
    /// Reads `http://host:port`; nothing else is called, since it is a stand-in for an issuer.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let authority = url.strip_prefix("http://")?.trim_end_matches('/');
        let uri: http::uri::Authority = authority.parse().ok()?;
        (uri.port_u16().is_some() && !authority.contains('@')).then(|| Self {
            authority: authority.to_owned(),
        })
    }

    /// Asks for the credentials of a card; the error says what is wrong with the answer.
    pub(crate) async fn credentials(
        &self,
        issuer: &str,
        card: &str,
        decrypter: &Decrypter,
        spec: &Spec,
    ) -> Result<Credentials, String> {
        let path = format!("/cms/api/v1/issuers/{issuer}/cards/{card}/credentials");
        let answer = tokio::time::timeout(TIMEOUT, self.get(&path))
            .await
            .map_err(|_| "it does not answer in time".to_owned())?
            .map_err(|error| format!("it cannot be called: {}", error.kind()))?;
        let body = read_answer(&answer)?;
        let token = body
            .get("encryptedData")
            .and_then(Value::as_str)
            .ok_or("its answer has no encryptedData")?;
        open(token, decrypter, spec)
    }

    async fn get(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        let host = &self.authority;
        let request = format!(
            "GET {path} HTTP/1.0\r\nhost: {host}\r\naccept: application/json\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

/// The JSON of an HTTP/1 answer, which must be a success.
fn read_answer(answer: &[u8]) -> Result<Value, String> {
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or("its answer is not HTTP")?;
    let (head, body) = answer.split_at(end + 4);
    let status = head.split(|byte| *byte == b' ').nth(1);
    if status.is_none_or(|status| !status.starts_with(b"2")) {
        return Err("its answer is not a success".to_owned());
    }
    serde_json::from_slice(body).map_err(|_| "its answer is not JSON".to_owned())
}

/// Opens `encryptedData`, from an issuer or from a renewal.
pub(crate) fn open(token: &str, decrypter: &Decrypter, spec: &Spec) -> Result<Credentials, String> {
    let plaintext = decrypter
        .decrypt(token)
        .map_err(|error| error.to_string())?;
    let json = plaintext.json().ok_or("the plaintext is not JSON")?;
    spec.credentials
        .check(&json)
        .map_err(|rule| format!("the plaintext is not valid: {rule}"))?;
    Ok(Credentials::from_plaintext(&json)?)
}

/// Looks for what a renewal may have in its `encryptedData` and D1 may refuse.
pub(crate) fn look_over(
    token: &str,
    decrypter: &Decrypter,
    spec: &Spec,
    now: OffsetDateTime,
    warnings: &mut Warnings,
) {
    let unneeded = jwe::unneeded_members(token);
    warnings.add_unknown(
        "body: /encryptedData: header",
        unneeded.iter().map(String::as_str),
    );
    let plaintext = decrypter.decrypt(token).ok();
    let Some(json) = plaintext.and_then(|plaintext| plaintext.json()) else {
        return;
    };
    warnings.add_unknown("body: /encryptedData", spec.credentials.unknown(&json));
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    for name in ["pan", "auxiliaryPan"] {
        if text(name).is_some_and(|pan| !pan::luhn(pan)) {
            warnings.add(format!("body: /encryptedData/{name}: fails the Luhn check"));
        }
    }
    for name in ["exp", "auxiliaryExp"] {
        if text(name).is_some_and(|exp| has_passed(exp, now)) {
            warnings.add(format!("body: /encryptedData/{name}: has passed"));
        }
    }
}

/// Whether a card with this expiry, MMYY, has expired.
fn has_passed(exp: &str, now: OffsetDateTime) -> bool {
    let number = |digits: Option<&str>| digits.and_then(|digits| digits.parse::<i32>().ok());
    let (month, year) = (number(exp.get(..2)), number(exp.get(2..)));
    let end = year.zip(month).map(|(year, month)| (2000 + year, month));
    end.is_some_and(|end| end < (now.year(), i32::from(u8::from(now.month()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_host_and_port_is_an_endpoint() {
        for url in ["http://127.0.0.1:1", "http://localhost:80/"] {
            assert!(Endpoint::parse(url).is_some(), "{url}");
        }
        for url in [
            "https://127.0.0.1:1",
            "http://host",
            "http://a@b:1",
            "http://b:1/x",
            "127.0.0.1:1",
            "",
        ] {
            assert!(Endpoint::parse(url).is_none(), "{url}");
        }
    }

    #[test]
    fn an_answer_is_read_only_if_it_is_one() {
        assert!(read_answer(b"HTTP/1.1 200 OK\r\na: b\r\n\r\n{}").is_ok());
        for answer in [
            &b"HTTP/1.1 500 No\r\n\r\n{}"[..],
            b"HTTP/1.1 200 OK\r\n\r\n{",
            b"HTTP/1.1 200 OK\r\n",
            b"",
        ] {
            assert!(read_answer(answer).is_err());
        }
    }
}
