//! Everything that the stack says at its most talkative, searched for card data, tokens and keys: in
//! clear, in base64 at every alignment, and in hex.
//!
//! The sandbox runs in the same process, so that its logs are searched as well.
#![allow(clippy::unwrap_used)]

use std::error::Error as StdError;
use std::fmt::{Debug, Write as _};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use d1_facade::auth::{AccessToken, TokenFuture, TokenSource};
use d1_facade::{Card, CardCredentials, Client, Error, Renewal, SigningKey};
use d1_sandbox::{Fault, Sandbox};
use d1_tests::fault_server::{Act, FaultServer, goaway};
use d1_tests::{
    CARD, answering, any_root, bare_builder_for, builder_for, http2_client, sandbox_builder,
    sandbox_builder_without_tokens,
};
use tracing_subscriber::fmt::MakeWriter;
use wiremock::ResponseTemplate;

const PAN: &str = "4111111111111111";
const AUXILIARY_PAN: &str = "5555555555554444";
const AMERICAN_EXPRESS: &str = "378282246310005";
const TOKEN: &str = "known-secret-access-token-0123456789";

/// All that was said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Said {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Listens to `tracing` and `log` at their most talkative, for the whole process.
fn listen() -> &'static Said {
    static SAID: OnceLock<Said> = OnceLock::new();
    SAID.get_or_init(|| {
        let said = Said::default();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(said.clone())
            .init();
        said
    })
}

/// The forms in which a secret could be hidden in a text.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").unwrap();
        out
    });
    let list = format!("{secret:?}");
    let list = list.trim_matches(['[', ']']).as_bytes().to_vec();
    let mut forms = vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        list,
    ];
    for before in 0..3 {
        let padded = [vec![0; before], secret.to_vec()].concat();
        for text in [
            STANDARD_NO_PAD.encode(&padded),
            URL_SAFE_NO_PAD.encode(&padded),
        ] {
            // The first and the last characters depend on what stands around the secret.
            let known = &text.as_bytes()[before.div_ceil(1).min(2) + 2..text.len() - 4];
            // So few characters stand in random text by chance.
            if known.len() >= 8 {
                forms.push(known.to_vec());
            }
        }
    }
    forms
}

/// The names of the secrets that are in `text`.
fn leaks(text: &[u8], secrets: &[(&'static str, Vec<u8>)]) -> Vec<&'static str> {
    let holds = |form: &Vec<u8>| memchr::memmem::find(text, form).is_some();
    secrets
        .iter()
        .filter(|(_, secret)| forms(secret).iter().any(holds))
        .map(|(name, _)| *name)
        .collect()
}

/// Everything that must not be said in this process.
fn secrets(signing_key_pem: &str, client_key_pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    let scalar = |pem: &str| {
        let key = openssl::pkey::PKey::private_key_from_pem(pem.as_bytes()).unwrap();
        key.ec_key()
            .unwrap()
            .private_key()
            .to_vec_padded(32)
            .unwrap()
    };
    vec![
        ("PAN", PAN.into()),
        ("auxiliary PAN", AUXILIARY_PAN.into()),
        ("American Express PAN", AMERICAN_EXPRESS.into()),
        ("expiry", b"\"exp\":\"0737\"".to_vec()),
        ("psn", b"\"psn\":\"07\"".to_vec()),
        ("access token", TOKEN.into()),
        ("bearer token", b"Bearer ".to_vec()),
        ("assertion", b"assertion=ey".to_vec()),
        ("token answer", b"\"access_token\":\"".to_vec()),
        ("signing key", scalar(signing_key_pem)),
        ("client key", scalar(client_key_pem)),
    ]
}

#[test]
fn a_planted_leak_is_found_in_every_form() {
    let secrets = [("PAN", PAN.into()), ("token", TOKEN.as_bytes().to_vec())];
    for (name, secret) in &secrets {
        let text = String::from_utf8(secret.clone()).unwrap();
        let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
        for before in ["", "a", "ab", "abc"] {
            let around = format!("{before}{text}z");
            for planted in [
                around.clone(),
                STANDARD_NO_PAD.encode(&around),
                URL_SAFE_NO_PAD.encode(&around),
                format!("x{hex}y"),
                hex.to_uppercase(),
                format!("{:?}", around.as_bytes()),
            ] {
                assert_eq!(leaks(planted.as_bytes(), &secrets), [*name], "{planted}");
            }
        }
    }
    assert!(leaks(b"nothing of the kind", &secrets).is_empty());
}

#[test]
fn a_planted_leak_in_a_log_is_heard() {
    let said = listen();
    tracing::trace!(target: "planted", "a leak: {}", "6011000990139424");
    let planted = [("planted", b"6011000990139424".to_vec())];
    assert_eq!(leaks(&said.0.lock().unwrap(), &planted), ["planted"]);
}

#[test]
fn no_snapshot_holds_a_card_number() {
    let folder = xtask::spec::workspace_root().join("tests/tests/snapshots");
    let secrets = [
        ("PAN", PAN.into()),
        ("auxiliary PAN", AUXILIARY_PAN.as_bytes().to_vec()),
    ];
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        assert!(leaks(&text, &secrets).is_empty(), "{}", path.display());
        read += 1;
    }
    assert!(read > 10);
}

/// Everything that a value or an error shows, with its sources.
fn shown<T: Debug>(result: &Result<T, Error>) -> String {
    let mut out = format!("{result:?} {result:#?}");
    if let Err(error) = result {
        write!(
            out,
            " {error} {error:#} {} {:?}",
            error.advice(),
            error.troubleshooting_text()
        )
        .unwrap();
        let mut source = error.source();
        while let Some(e) = source {
            write!(out, " {e} {e:?}").unwrap();
            source = e.source();
        }
    }
    out
}

/// Makes every call once, and shows what comes of it.
async fn every_call(card: &Card) -> String {
    let visa = CardCredentials::new(PAN, "0737").unwrap();
    let visa = visa.with_auxiliary(AUXILIARY_PAN, "0737").unwrap();
    let american_express = CardCredentials::new(AMERICAN_EXPRESS, "0737").unwrap();
    let american_express = american_express.with_psn("07").unwrap();
    let id = "op-000001".parse().unwrap();
    let renew = card.renew(Renewal::same_card().credentials(visa));
    [
        format!("{renew:?}"),
        shown(&renew.await),
        shown(
            &card
                .renew(Renewal::same_card().credentials(american_express))
                .await,
        ),
        shown(&card.suspend().await),
        shown(&card.resume().await),
        shown(&card.operations().await),
        shown(&card.operation(&id).with_digital_card().await),
        // A caller's mistake: a card number where none belongs.
        shown(&card.suspend().header("x-note", PAN).await),
        shown(&card.suspend().body_field("note", PAN).await),
        shown(&card.delete().await),
    ]
    .concat()
}

struct KnownToken;

impl TokenSource for KnownToken {
    fn fetch(&self) -> TokenFuture<'_> {
        Box::pin(async { Ok(AccessToken::new(TOKEN, Duration::from_secs(900)).unwrap()) })
    }
}

fn card_of(client: &Client) -> Card {
    client.card(CARD.parse().unwrap())
}

/// Every call at servers that break, each in the middle of saying back what it was told.
async fn broken_connections() -> String {
    let echo = format!("{PAN} Bearer {TOKEN}");
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}");
    let truncated = head(&format!(
        "content-length: 9999\r\n\r\n{{\"error\": \"{echo}"
    ));
    let mut acts = vec![
        Act::ResetBeforeRequest,
        Act::ResetAfterRequest,
        Act::StallBeforeRequest,
        Act::Say(echo.clone().into_bytes()),
        Act::Say(head(&format!("x-echo: {echo}\u{0}\r\n\r\n")).into_bytes()),
        Act::Say(head(&format!("content-length: {PAN}\r\n\r\n{echo}")).into_bytes()),
        Act::Say(format!("HTTP/1.1 {PAN} {TOKEN}\r\n\r\n").into_bytes()),
        Act::Say(head(&format!("transfer-encoding: chunked\r\n\r\n{echo}")).into_bytes()),
    ];
    for said in [head(&format!("x-echo: {echo}")), truncated] {
        acts.push(Act::SayAndReset(said.clone().into_bytes()));
        acts.push(Act::SayAndStall(said.into_bytes()));
    }
    let mut shown = String::new();
    for act in acts {
        let server = FaultServer::start(move |_, _| act.clone()).await;
        let builder = bare_builder_for(&server.url()).timeout(Duration::from_millis(300));
        let builder = builder
            .token_source(KnownToken)
            .root_certificate(any_root());
        let client = builder.without_system_roots().build().unwrap();
        shown += &every_call(&card_of(&client)).await;
    }
    // The crate h2 itself logs what a server says in a GOAWAY: that is beyond our reach, so that here
    // only what we show is searched.
    let unheard = tracing::subscriber::NoSubscriber::default();
    let _unheard = tracing::subscriber::set_default(unheard);
    for reason in [0, 1, 11] {
        let said = goaway(0, reason, &echo);
        let server = FaultServer::start(move |_, _| Act::Say(said.clone())).await;
        let builder = bare_builder_for(&server.url()).token_source(KnownToken);
        let client = builder.http_client(http2_client()).build().unwrap();
        shown += &every_call(&card_of(&client)).await;
    }
    shown
}

#[tokio::test]
async fn nothing_that_is_said_or_shown_holds_a_secret() {
    let said = listen();
    let mut shown = String::new();

    // Successes, and refusals for real reasons.
    let sandbox = Sandbox::start().await.unwrap();
    let client = sandbox_builder(&sandbox).build().unwrap();
    shown += &format!("{client:?} {sandbox:?}");
    shown += &every_call(&card_of(&client)).await;
    shown += &every_call(&card_of(&client)).await; // The card is deleted now.
    // A token that D1 never gave out; an assertion that it refuses.
    let other = Sandbox::start().await.unwrap();
    let client = sandbox_builder_without_tokens(&other)
        .token_source(KnownToken)
        .build()
        .unwrap();
    shown += &every_call(&card_of(&client)).await;
    let key = SigningKey::from_pem(other.signing_key_pem(), "unregistered").unwrap();
    let client = sandbox_builder(&other)
        .signing_key(key)
        .sign_with("unregistered")
        .build()
        .unwrap();
    shown += &every_call(&card_of(&client)).await;
    // A connection that breaks, before and after.
    let client = sandbox_builder(&other).build().unwrap();
    for _ in 0..5 {
        other.fail_next(Fault::disconnect());
        other.fail_next(Fault::disconnect().after_effect());
    }
    shown += &every_call(&card_of(&client)).await;
    // A server that says back everything that it was told, as one who means ill would.
    let echo = format!("{{\"error\":\"{PAN} {TOKEN}\",\"errorCode\":\"{PAN}\",\"exp\":\"0737\"}}");
    for status in [200, 302, 400, 401, 403, 404, 429, 500, 503] {
        let template = ResponseTemplate::new(status)
            .set_body_raw(echo.clone(), "application/json")
            .insert_header("location", format!("https://else.example/{PAN}"));
        let server = answering(template).await;
        let client = builder_for(&server)
            .token_source(KnownToken)
            .build()
            .unwrap();
        let text = every_call(&card_of(&client)).await;
        // What D1 answers to a read is the caller's to see; it is in no error.
        if status != 200 {
            shown += &text;
        }
    }
    shown += &broken_connections().await;

    let secrets = secrets(sandbox.signing_key_pem(), sandbox.client_key_pem());
    assert_eq!(leaks(shown.as_bytes(), &secrets), [""; 0], "shown");
    let said = said.0.lock().unwrap();
    for talker in [
        "reqwest",
        "hyper",
        "rustls",
        "h2::",
        "d1_facade",
        "d1_sandbox",
    ] {
        let heard = memchr::memmem::find(&said, talker.as_bytes()).is_some();
        assert!(
            heard,
            "{talker} said nothing: the search would prove nothing"
        );
    }
    assert_eq!(leaks(&said, &secrets), [""; 0], "said");
}
