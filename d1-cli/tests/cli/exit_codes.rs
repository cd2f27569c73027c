//! Each exit code, and what comes with it.

use d1_sandbox::Fault;

use crate::world::{PAN, World, hangup, until};

const SUSPEND: [&str; 3] = ["card", "suspend", "ReplaceMe01"];

fn suspending<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SUSPEND[..], more].concat()
}

#[test]
fn done_is_0_and_refused_is_3() {
    let world = World::start();
    world.d1(&SUSPEND).expect(0);
    let refused = world.d1(&["card", "suspend", "Nobody"]).expect(3);
    assert!(
        refused.err.contains("refused, nothing was changed"),
        "{}",
        refused.err
    );
    assert!(
        refused.err.contains("Check the issuer id and the card id."),
        "{}",
        refused.err
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_1() {
    let world = World::start();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = world.command(&["explain", "403"]);
    command.stdout(full);
    let run = crate::world::finish(command, "").expect(1);
    assert!(run.err.starts_with("d1: cannot write"), "{}", run.err);
}

#[cfg(unix)]
#[test]
fn an_interrupted_change_is_5_and_says_what_is_left_to_do() {
    use rustix::process::{Pid, Signal, kill_process};

    let keys = |document: &serde_json::Value| -> Vec<String> {
        document.as_object().unwrap().keys().cloned().collect()
    };
    let world = World::start();
    let stall = || Fault::stall().operation("suspendCard").after_effect();
    world
        .sandbox
        .fail_next(Fault::disconnect().operation("suspendCard"));
    let lost = world.d1(&suspending(&["-o", "json"])).expect(5);
    let known = keys(&lost.json());
    for (before, signal) in [
        (1, Signal::INT),
        (2, Signal::TERM),
        (3, Signal::QUIT),
        (4, hangup()),
    ] {
        world.sandbox.fail_next(stall());
        let mut command = world.command(&suspending(&["--timeout", "600", "-o", "json"]));
        let mut child = command.spawn().unwrap();
        let sent = || world.sandbox.requests_for("suspendCard", "ReplaceMe01");
        until(&mut child, || sent().len() > before);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let run = crate::world::wait(child).expect(5);
        assert!(
            run.err.starts_with("d1: interrupted: it is not known"),
            "{run:?}"
        );
        let document = run.json();
        assert_eq!(keys(&document), known);
        assert_eq!(document["outcome"], "unknown");
        let advice = document["advice"].as_str().unwrap();
        assert!(
            advice.contains("d1 reconcile ReplaceMe01 --operation suspend --since"),
            "{advice}"
        );
    }
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 5);
}

/// `nohup` starts a program so, and it is to outlive the session.
#[cfg(target_os = "linux")]
#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    use rustix::process::{Pid, Signal, kill_process};

    let world = World::start();
    let stall = Fault::stall().operation("suspendCard").after_effect();
    world.sandbox.fail_next(stall);
    let script = format!(
        "trap '' HUP; exec {} card suspend ReplaceMe01 --timeout 1",
        env!("CARGO_BIN_EXE_d1")
    );
    let mut command = std::process::Command::new("/bin/sh");
    let like = world.command(&[]);
    command
        .args(["-c", &script])
        .current_dir(world.folder.path());
    command.envs(
        like.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let sent = || world.sandbox.requests_for("suspendCard", "ReplaceMe01");
    until(&mut child, || !sent().is_empty());
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    // The time of the call runs out, and the verification finds the change.
    let run = crate::world::wait(child).expect(0);
    assert!(!run.err.contains("interrupted"), "{}", run.err);
}

#[cfg(unix)]
#[test]
fn an_interrupted_verification_leaves_the_outcome_unknown() {
    use rustix::process::{Pid, Signal, kill_process};

    let world = World::start();
    world
        .sandbox
        .fail_next(Fault::disconnect().operation("suspendCard"));
    let arguments = suspending(&["--verify", "--wait", "3600", "-o", "json"]);
    let mut child = world.command(&arguments).spawn().unwrap();
    let verified = || world.sandbox.requests_for("listOperations", "ReplaceMe01");
    until(&mut child, || !verified().is_empty());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let run = crate::world::wait(child).expect(5);
    assert_eq!(run.json()["verification"]["result"], "interrupted");
}

#[test]
fn what_cannot_be_sent_is_4() {
    let world = World::start();
    let (_socket, url) = crate::world::closed_port();
    let run = world.d1(&suspending(&["--base-url", &url])).expect(4);
    assert!(run.err.contains("not sent"), "{}", run.err);
    world.assert_untouched();
}

#[test]
fn no_access_is_6() {
    let world = World::start();
    world
        .d1(&suspending(&["--signing-kid", "nobodys"]))
        .expect(6);
    world
        .d1(&["token", "--signing-kid", "nobodys", "-o", "json"])
        .expect(6);
    world.sandbox.fail_next(Fault::status(401).times(2));
    let run = world.d1(&suspending(&["-o", "json"])).expect(6);
    assert_eq!(run.json()["kind"], "tokenRejected");
    // An answer without a token that can be read is none either.
    for body in ["{}", "<html>", "[]", ""] {
        let odd = Fault::status(200).body("application/json", body);
        world.sandbox.fail_next(odd.operation("getToken"));
        let run = world.d1(&suspending(&["-o", "json"])).expect(6);
        assert_eq!(run.json()["kind"], "tokenUnavailable", "{body}");
    }
    let change = |r: &d1_sandbox::RecordedRequest| r.operation_id == Some("suspendCard");
    let sent = world
        .sandbox
        .requests()
        .iter()
        .filter(|r| change(r))
        .count();
    assert_eq!(sent, 2, "only with the token that was refused");
}

#[test]
fn a_token_answer_that_cannot_be_read_is_no_access() {
    for (content_type, body) in [
        ("text/html", "<html>blocked</html>"),
        ("application/json", "{"),
        ("application/json", "{}"),
        ("application/json", r#"{"access_token":""}"#),
        ("application/json", "[]"),
    ] {
        let world = World::start();
        let answer = || {
            let fault = Fault::status(200).body(content_type, body);
            fault.operation("getToken").times(9)
        };
        world.sandbox.fail_next(answer());
        world.d1(&SUSPEND).expect(6);
        world.d1(&["token"]).expect(6);
        world.d1(&["operations", "list", "ReplaceMe01"]).expect(6);
        world.file("in.ndjson", &crate::bulk::suspensions(200));
        let run = world.d1(&["bulk", "in.ndjson", "-o", "json", "--concurrency", "1"]);
        let summary = crate::bulk::summary(&run.expect(6));
        assert_eq!(summary["endedEarly"], true, "{body}: {summary}");
    }
}

#[test]
fn what_d1_says_of_a_failure_is_told_unasked() {
    let world = World::start();
    let body =
        r#"{"errorCode":"CONSUMER_BLOCKED","error":"the consumer 4111111111111111 is blocked"}"#;
    let refusal = || Fault::status(403).body("application/json", body);
    for arguments in [
        &["card", "suspend", "ReplaceMe01"][..],
        &["operations", "list", "ReplaceMe01"],
    ] {
        world.sandbox.fail_next(refusal());
        let run = world.d1(&[arguments, &["-o", "json"]].concat()).expect(3);
        let document = run.json();
        assert_eq!(document["code"], "CONSUMER_BLOCKED");
        let text = document["troubleshootingText"].as_str().unwrap();
        assert!(
            text.starts_with("the consumer") && !text.contains(PAN),
            "{text}"
        );
    }
    world
        .sandbox
        .fail_next(refusal().operation("listOperations"));
    let run = world.d1(&["doctor"]).expect(18);
    for part in ["CONSUMER_BLOCKED", "the consumer"] {
        assert!(
            run.out.contains(part) && !run.out.contains(PAN),
            "{}",
            run.out
        );
    }
}

#[test]
fn an_unknown_outcome_is_verified_once_by_default() {
    let world = World::start();
    let before = world.operations("ReplaceMe01");
    world
        .sandbox
        .fail_next(Fault::disconnect().after_effect().operation("suspendCard"));
    let run = world.d1(&suspending(&["-o", "json"])).expect(0);
    let result = run.json();
    assert_eq!(result["outcome"], "unknown");
    assert_eq!(result["verification"]["result"], "done");
    assert!(result["verification"]["operationId"].is_string());
    assert_eq!(world.operations("ReplaceMe01"), before + 1);
}

#[test]
fn an_outcome_that_stays_unknown_is_5_and_says_what_to_do() {
    let world = World::start();
    let fault = || Fault::disconnect().operation("suspendCard");
    world.sandbox.fail_next(fault());
    let run = world.d1(&SUSPEND).expect(5);
    for words in [
        "the outcome is unknown",
        "do not repeat it",
        "d1 reconcile ReplaceMe01 --operation suspend --since",
        "--verify",
    ] {
        assert!(run.err.contains(words), "{words}: {}", run.err);
    }
    world
        .sandbox
        .assert_requests("suspendCard", "ReplaceMe01", 1);

    // With D1's list out of reach as well there is nothing to tell it by.
    world.sandbox.fail_next(fault());
    world
        .sandbox
        .fail_next(Fault::status(500).operation("listOperations").times(9));
    let run = world.d1(&suspending(&["-o", "json"])).expect(5);
    assert_eq!(run.json()["verification"]["result"], "failed");
}

#[test]
fn a_change_that_is_verified_not_to_have_been_made_is_4() {
    let world = World::start();
    world
        .sandbox
        .fail_next(Fault::disconnect().operation("suspendCard"));
    let run = world
        .d1(&suspending(&["--verify", "--wait", "1", "-o", "json"]))
        .expect(4);
    assert_eq!(run.json()["verification"]["result"], "notDone");
    assert!(run.err.contains("it can be asked for again"), "{}", run.err);
}

#[test]
fn a_read_that_fails_says_so_by_its_outcome() {
    let world = World::start();
    world.d1(&["operations", "list", "Nobody"]).expect(3);
    world
        .d1(&["operations", "get", "ReplaceMe01", "op-none"])
        .expect(3);
    world.sandbox.fail_next(Fault::status(500).times(9));
    world.d1(&["operations", "list", "ReplaceMe01"]).expect(5);
}

#[test]
fn deleting_needs_a_yes_where_nobody_can_be_asked() {
    let world = World::start();
    let run = world.d1(&["card", "delete", "ReplaceMe01"]).expect(2);
    assert!(
        run.err.starts_with("d1: --yes: must be given"),
        "{}",
        run.err
    );
    world.assert_untouched();
    world.d1(&["card", "delete", "ReplaceMe01", "-y"]).expect(0);
}
