//! A host whose clock is wrong.

use base64::Engine as _;
use d1_facade::auth::{AccessToken, TokenExchange, TokenSource};
use d1_facade::{Client, Environment, Error, ErrorKind, SigningKey};
use d1_tests::{CARD, ISSUER};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// A D1 whose clock differs from ours by this number of seconds, and that checks `exp` by it. Its tokens are
/// good for a single call.
struct OtherClock(Arc<AtomicI64>);

fn exp_of(request: &Request) -> i64 {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let assertion = body
        .split("assertion=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let claims = assertion.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    serde_json::from_slice::<Value>(&claims).unwrap()["exp"]
        .as_i64()
        .unwrap()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

impl Respond for OtherClock {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let theirs = now() + self.0.load(Ordering::SeqCst);
        let date = UNIX_EPOCH + Duration::from_secs(theirs.unsigned_abs());
        let answer = match request.url.path() {
            "/authz/v1/oauth2/token" if (theirs..=theirs + 900).contains(&exp_of(request)) => {
                let token = json!({"access_token": "token", "expires_in": 900});
                ResponseTemplate::new(200).set_body_json(token)
            }
            "/authz/v1/oauth2/token" => ResponseTemplate::new(400),
            _ => ResponseTemplate::new(204),
        };
        answer.insert_header("date", httpdate::fmt_http_date(date).as_str())
    }
}

/// Obtains a token for each call.
struct EachTime(TokenExchange);

impl TokenSource for EachTime {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        let token = self.0.fetch().await?;
        Ok(AccessToken::new(token.expose_secret(), Duration::ZERO).unwrap())
    }
}

async fn client(server: &MockServer) -> Client {
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = openssl::ec::EcKey::generate(&group)
        .unwrap()
        .private_key_to_pem()
        .unwrap();
    Client::builder(Environment::Custom(server.uri()), ISSUER.parse().unwrap())
        .signer(SigningKey::from_pem(key, "my-kid").unwrap())
        .wrap_token_source(EachTime)
        .retry(d1_facade::retry::ExponentialBackoff::default().max_attempts(1))
        .allow_plain_loopback()
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_clock_that_is_wrong_either_way_is_survived() {
    for (difference, exchanges) in [(0, 1), (-240, 1), (240, 1), (-86_400, 2), (86_400, 2)] {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(OtherClock(Arc::new(difference.into())))
            .mount(&server)
            .await;
        let card = client(&server).await.card(CARD.parse().unwrap());
        card.suspend().await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.len(), exchanges + 1, "D1 is {difference} s ahead");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_right_is_believed_again() {
    let server = MockServer::start().await;
    let difference = Arc::new(AtomicI64::new(86_400));
    Mock::given(any())
        .respond_with(OtherClock(difference.clone()))
        .mount(&server)
        .await;
    let card = client(&server).await.card(CARD.parse().unwrap());
    let mut seen = 0;
    for (differs, exchanges) in [(86_400, 2), (86_400, 1), (0, 2), (0, 1), (-7_200, 2)] {
        difference.store(differs, Ordering::SeqCst);
        card.suspend().await.unwrap();
        let requests = server.received_requests().await.unwrap().len();
        assert_eq!(requests - seen, exchanges + 1, "{differs}");
        seen = requests;
    }
}

#[tokio::test]
async fn a_refusal_that_another_clock_may_explain_says_so() {
    let server = MockServer::start().await;
    let refusal = ResponseTemplate::new(400).insert_header("date", "Thu, 01 Jan 2026 12:00:00 GMT");
    Mock::given(any())
        .respond_with(refusal)
        .mount(&server)
        .await;
    let card = client(&server).await.card(CARD.parse().unwrap());
    let before = now();
    let error = card.suspend().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    let offset = error.clock_offset_seconds().unwrap();
    // D1's header has whole seconds.
    let possible = before - 1 - 1_767_268_800..=now() + 1 - 1_767_268_800;
    assert!(possible.contains(&offset), "{offset} {possible:?}");
    assert!(error.to_string().contains("s ahead of D1's"), "{error}");
}
