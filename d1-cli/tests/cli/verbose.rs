//! What `--verbose` and a failed call say about the way to D1.

use d1_sandbox::Fault;

use crate::world::{World, closed_port};

#[test]
fn verbose_shows_each_step_as_curl_does() {
    let world = World::start();
    world
        .sandbox
        .fail_next(Fault::status(429).operation("suspendCard"));
    let run = world
        .d1(&["card", "suspend", "ReplaceMe01", "-v"])
        .expect(0);
    // What differs from run to run is cut off.
    let steps: Vec<_> = run
        .err
        .lines()
        .map(|line| {
            line.split([':', '='])
                .next()
                .unwrap()
                .trim_end_matches(" correlation_id")
        })
        .collect();
    let expected = [
        "> POST /authz/v1/oauth2/token",
        "* localhost is 127.0.0.1",
        "* connected to 127.0.0.1",
        "* the server asks for the client certificate",
        "* the server's certificate is trusted; TLSv1_3 with TLS13_AES_256_GCM_SHA384, HTTP/2",
        "< 200 OK",
        "* the token is valid for 900 s",
        "> POST /banking/v1/issuers/{issuerId}/cards/{cardId}/operations",
        "< 429 Too Many Requests",
        "* the call is made again error.kind",
        "> POST /banking/v1/issuers/{issuerId}/cards/{cardId}/operations",
        "< 200 OK",
    ];
    assert_eq!(steps, expected);
}

#[test]
fn a_failed_connection_says_its_cause_and_that_the_doctor_can_help() {
    let world = World::start();
    let (_socket, closed) = closed_port();
    let cases = [
        (vec![("D1_BASE_URL", closed.as_str())], "refuses"),
        (
            vec![("D1_BASE_URL", "https://no.such.host.invalid")],
            "resolve",
        ),
        (vec![("D1_CA", "")], "not trusted"),
        (vec![("D1_SIGNING_KID", "nobodys")], "no access token"),
    ];
    for (variables, cause) in cases {
        let run = world.d1_where(&variables, &["card", "suspend", "ReplaceMe01"]);
        assert!(matches!(run.code, 4 | 6), "{run:#?}");
        let mut lines = run.err.lines();
        assert!(lines.next().unwrap().contains(cause), "{}", run.err);
        let advice = "  Run d1 doctor: it finds the step that fails.";
        assert_eq!(
            lines.filter(|line| *line == advice).count(),
            1,
            "{}",
            run.err
        );
    }
    // An answer of D1 needs no doctor.
    let run = world.d1(&["card", "suspend", "Other"]).expect(3);
    assert!(!run.err.contains("doctor"), "{}", run.err);
}
