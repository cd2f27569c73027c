//! What the fuzz targets call: the sandbox without its network, and the inputs of its control API, with what must
//! hold for every input.
//!
//! It is compiled as a module of d1-sandbox, whose inner application is not public: for the fuzz targets, and for
//! the tests, which run it on the seeds.
#![allow(missing_docs)] // Only the fuzz targets see this module.

use crate::Sandbox;
use crate::app::{App, BREACH};
use crate::auth::{Access, ShownCertificate};
use crate::crypto::jwe::Decrypter;
use crate::crypto::key_folder::KeyFolder;
use crate::crypto::pki::Pki;
use crate::outbound::Outbound;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;
use crate::wire::spec::Call;
use futures_util::FutureExt as _;
use http::Request;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::sync::{Arc, LazyLock};

const TOKEN: &str = "fuzzing";

static APP: LazyLock<Option<(App, ShownCertificate)>> = LazyLock::new(|| {
    let settings = Sandbox::builder().card(crate::Card::new("A").past_operations(20));
    let folder = KeyFolder::new(None);
    let pki = Pki::new(&folder, "", "").ok()?;
    let outbound = Outbound::new(&settings, &pki).ok()?;
    let (mut accesses, callers) = Access::of_issuers(&settings, &pki, &folder).ok()?;
    let (decrypter, _) = Decrypter::of(&settings, &folder).ok()?;
    let access = Arc::new(accesses.pop()?);
    let app = App::new(
        &settings,
        Arc::clone(&access),
        callers,
        decrypter,
        outbound,
        String::new(),
    )
    .ok()?;
    let end = app.clock.now().saturating_add(time::Duration::WEEK);
    app.authority.allow(TOKEN, access.issuer_id(), end);
    let pem = access.client_certificate_pem().as_bytes();
    let certificate = CertificateDer::from_pem_slice(pem).ok()?;
    Some((app, ShownCertificate(Arc::new(certificate))))
});

/// A request: a byte that chooses the operation, the rest of the path and the query up to a line's end,
/// the content type up to the next one, and the body.
pub fn request(input: &[u8]) {
    let (Some((app, certificate)), [choice, rest @ ..]) = (&*APP, input) else {
        return;
    };
    let mut parts = rest.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (tail, content_type) = (text(), text());
    let body = parts.next().unwrap_or_default();
    let card = "/banking/v1/issuers/ISSUER_A-1/cards/A/operations";
    let (method, path) = match Call::ALL.get(usize::from(*choice) % 8) {
        Some(Call::Suspend) => ("POST", format!("{card}:suspend{tail}")),
        Some(Call::Resume) => ("POST", format!("{card}:resume{tail}")),
        // The card must stay: what is deleted is another one.
        Some(Call::Delete) => ("POST", card.replace("/A/", "/B/") + ":delete" + &tail),
        Some(Call::Renew) => ("POST", format!("{card}:renew{tail}")),
        Some(Call::List) => ("GET", format!("{card}{tail}")),
        Some(Call::Get) => ("GET", format!("{card}/{tail}")),
        Some(Call::Token) => ("POST", "/authz/v1/oauth2/token".to_owned() + &tail),
        None => ("GET", format!("/{tail}")),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", content_type)
        .body(());
    let Ok(request) = request else {
        return; // It is not HTTP: the server would not hand it on.
    };
    let (mut request, ()) = request.into_parts();
    request.extensions.insert(Some(certificate.clone()));
    // Nothing in it waits: there is no issuer to be asked.
    let reply = app.handle(&request, Some(body)).now_or_never();
    assert!(reply.is_some_and(|reply| is_in_order(&reply)));
}

fn is_in_order(reply: &Reply) -> bool {
    let breach = reply.headers.iter().any(|(name, _)| name == BREACH);
    !breach && reply.status < 500
}

/// A file of fixtures, or a fault for the control API.
pub fn control(input: &str) {
    if let Err(error) = Sandbox::builder().fixtures(input) {
        assert!(!error.to_string().contains('\n'));
    }
    if let Ok(fault) = serde_json::from_str::<Fault>(input)
        && fault.check().is_ok()
        && fault.bytes.is_some_and(|bytes| bytes < 1_024)
        && let Some((app, _)) = &*APP
    {
        let id = app.faults.push(fault);
        let armed = app.faults.take(Call::Suspend, Some("A"));
        if let Some(armed) = armed {
            let _ = Reply::new(200, None).under(armed);
        }
        app.faults.remove(Some(id));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    /// Every seed, and every input that once broke something.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = format!(
            "{}/../tests/fuzz/seeds/{target}",
            env!("CARGO_MANIFEST_DIR")
        );
        let files = std::fs::read_dir(folder).unwrap();
        let seeds: Vec<_> = files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        assert!(seeds.len() > 2, "{target} has seeds");
        seeds
    }

    #[test]
    fn seeds_of_the_sandbox() {
        for seed in seeds("sandbox_request") {
            super::request(&seed);
        }
        for seed in seeds("sandbox_control") {
            super::control(std::str::from_utf8(&seed).unwrap());
        }
    }
}
