//! `d1 bulk --format csv`: what spreadsheets write.

use d1_sandbox::{Card, Sandbox};

use crate::bulk::summary;
use crate::world::{CREDENTIALS, PAN, Run, World};

fn read_csv(world: &World, text: &[u8]) -> Run {
    std::fs::write(world.folder.path().join("in.csv"), text).unwrap();
    let csv = ["bulk", "in.csv", "--format", "csv", "--no-journal"];
    world.d1(&[&csv[..], &["--yes", "-o", "json"]].concat())
}

#[test]
fn a_csv_is_read_as_each_spreadsheet_writes_it() {
    for (separator, end, mark) in [
        (",", "\n", ""),
        (";", "\r\n", "\u{feff}"),
        ("\t", "\r\n", ""),
        (";", "\n", ""),
    ] {
        let cards = ["A", "B", "C"].into_iter().map(Card::new);
        let world = World::with(cards.fold(Sandbox::builder(), d1_sandbox::Builder::card));
        let rows = [
            "operation|\"cardId\"|reasonCode|reason|newCardId|state|pan|exp|americanExpress||",
            "suspend|A|FRAUD|\"a b\"|||||||",
            "||||||||||",
            "renew|\"B\"|||B2|ACTIVE|4111111111111111|1230|FALSE||",
            "",
            "delete|C|||||||||",
        ];
        let text = mark.to_owned() + &rows.join(end).replace('|', separator);
        let run = read_csv(&world, text.as_bytes()).expect(0);
        assert_eq!(summary(&run)["done"], 3, "{separator:?}");
        let card = |id: &str| world.sandbox.card(id);
        assert_eq!(card("A").unwrap().suspended_by.as_deref(), Some("FRAUD"));
        assert!(card("B2").unwrap().has_credentials(PAN, "1230"));
        assert!(card("C").is_none());
    }
}

#[test]
fn a_bad_row_is_named_by_its_number_in_the_spreadsheet_and_repeats_no_card_data() {
    let header = "operation;cardId;americanExpress;pan;exp;psn;state;;";
    for (row, rule) in [
        ("suspend;;;;;;;;", "cardId is missing"),
        (";A;;;;;;;", "operation is missing"),
        ("renew;A;;4111111111111111;;;;;", "exp is missing"),
        ("renew;A;;;1230;;;;", "pan is missing"),
        ("renew;A;;;;01;;;", "pan is missing"),
        (
            "renew;A;;4111111111111112;1230;;;;",
            "credentials: pan must pass",
        ),
        ("renew;A;;4,11111E+15;1230;;;;", "credentials: pan must"),
        (
            "renew;A;perhaps;4111111111111111;1230;;;;",
            "americanExpress must be true or false",
        ),
        (
            "suspend;A;;4111111111111111;1230;;;;",
            "credentials is for operation renew only",
        ),
        (
            "renew;A;;;;;;4111111111111111;",
            "column 8 must be empty: it has no name",
        ),
        (
            "renew;A;;;;;;;;4111111111111111",
            "column 10 must be empty: it has no name",
        ),
        (
            "renew;A;;\"4111111111111111;1230;;;;",
            "has a quote that is not closed",
        ),
        (
            "renew;A;;4111111111111111\r1230;;;;",
            "must end with LF or CRLF",
        ),
        ("suspend;4111111111111111;;;;;;;", "cardId must not hold"),
    ] {
        let world = World::with(Sandbox::builder().card(Card::new("A")));
        let run = read_csv(&world, format!("{header}\n\n{row}\n").as_bytes()).expect(2);
        let expected = format!("d1: in.csv, line 3: {rule}");
        assert!(run.err.starts_with(&expected), "{row}: {}", run.err);
        let shown = format!("{}{}", run.out, run.err);
        assert!(
            !shown.contains("4111") && !shown.contains("1230"),
            "{shown}"
        );
        world.assert_untouched();
    }
    let world = World::with(Sandbox::builder().card(Card::new("A")));
    let run = read_csv(&world, b"operation;cardId\nsuspend;\xe4\n").expect(2);
    assert!(
        run.err.contains("line 2: column 2 must be UTF-8"),
        "{}",
        run.err
    );
}

#[test]
fn a_bad_row_that_is_skipped_holds_back_the_rest_of_its_card() {
    let world = World::with(Sandbox::builder().card(Card::new("A")));
    let rows = "americanExpress;operation;cardId\nperhaps;renew;A\n;suspend;A\n";
    world.file("in.csv", rows);
    let csv = ["bulk", "in.csv", "--format", "csv", "--skip-bad-lines"];
    let run = world.d1(&[&csv[..], &["-o", "json"]].concat()).expect(4);
    assert_eq!(summary(&run)["heldBack"], 1);
    world.sandbox.assert_requests("suspendCard", "A", 0);
}

#[test]
fn a_header_row_that_cannot_be_used_is_one_message() {
    let rows = "suspend,A\n".repeat(200);
    for (header, rule) in [
        (
            "operation;card_id",
            "column 2, card_id, is not a field; did you mean cardId?",
        ),
        (
            "renew;A;4111111111111111;1230",
            "column 1, renew, is not a field",
        ),
        (
            "operation;cardId;4111111111111111",
            "column 3 is not a field",
        ),
        (
            "operation;cardId;operation",
            "operation is the name of two columns",
        ),
        (
            "cardId;key",
            "must be a header row with the column operation",
        ),
        (
            "{\"operation\":\"suspend\"}",
            "this looks like NDJSON; leave out --format csv",
        ),
    ] {
        let world = World::start();
        let run = read_csv(&world, format!("{header}\n{rows}").as_bytes()).expect(2);
        let expected = format!("d1: in.csv, line 1: {rule}");
        assert!(run.err.starts_with(&expected), "{}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
        assert!(!run.err.contains("4111"), "{}", run.err);
    }
}

#[test]
fn a_csv_that_is_taken_for_ndjson_is_one_message() {
    let rows = "suspend,A\n".repeat(200);
    for header in [
        "operation,cardId\n",
        "\u{feff}\"CardId\";\"Operation\"\r\n",
        "",
    ] {
        let world = World::start();
        world.file("in.csv", &format!("\n{header}{rows}"));
        for more in [&[][..], &["--skip-bad-lines"], &["--dry-run"]] {
            let run = world.d1(&[&["bulk", "in.csv"], more].concat()).expect(2);
            let rule = "d1: in.csv, line 2: this looks like CSV; use --format csv\n";
            assert_eq!(run.err, rule);
        }
        world.assert_untouched();
    }
    // What PowerShell redirects to a file, and what a spreadsheet calls Unicode text.
    let world = World::start();
    let wide: Vec<u8> = rows.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(world.folder.path().join("in.csv"), wide).unwrap();
    for format in ["csv", "ndjson"] {
        let run = world.d1(&["bulk", "in.csv", "--format", format]).expect(2);
        let rule = "d1: in.csv, line 1: must be UTF-8; this looks like UTF-16\n";
        assert_eq!(run.err, rule);
    }
    // A line that is no JSON either, and no row.
    let world = World::start();
    world.file("in.ndjson", "# for Bob, and others\n");
    let run = world.d1(&["bulk", "in.ndjson"]).expect(2);
    assert!(!run.err.contains("CSV"), "{}", run.err);
}

#[test]
fn an_input_without_lines_is_said_to_have_none() {
    let world = World::start();
    for (text, more) in [
        ("", &[][..]),
        ("\n\r\n", &["-q"]),
        ("\u{feff}", &["--dry-run"]),
        ("operation;cardId\r\n;\r\n", &["--format", "csv"]),
        ("", &["--format", "csv", "-o", "json"]),
    ] {
        let all = [&["bulk", "-", "--no-journal"], more].concat();
        let run = world.d1_reading(&all, text).expect(0);
        let said = "d1: standard input: has no lines; nothing is sent\n";
        assert_eq!(run.err, said, "{text:?}");
    }
    world.assert_untouched();
}

#[test]
fn a_byte_order_mark_is_skipped_everywhere() {
    let world = World::start();
    let marked = |name: &str| {
        let path = world.folder.path().join(name);
        let content = std::fs::read(&path).unwrap();
        std::fs::write(path, [&b"\xEF\xBB\xBF"[..], &content].concat()).unwrap();
    };
    let d1_toml = "[profiles.staging]\ntimeout = 20\n";
    world.file("d1.toml", d1_toml);
    let line = "{\"operation\":\"suspend\",\"cardId\":\"ReplaceMe01\"}\r\n";
    world.file("in.ndjson", line);
    marked("d1.toml");
    marked("in.ndjson");
    for entry in std::fs::read_dir(world.folder.path().join("sandbox")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|ending| ending == "pem" || ending == "json")
        {
            marked(path.to_str().unwrap());
        }
    }
    world.d1(&["bulk", "in.ndjson"]).expect(0);
    let journal = world.read("in.ndjson.journal");
    let begun = journal.lines().find(|line| line.contains("begun")).unwrap();
    let reconcile = ["reconcile", "--from", "-", "--wait", "1"];
    world
        .d1_reading(&reconcile, &format!("\u{feff}{begun}"))
        .expect(0);
    let renew = ["card", "renew", "ReplaceMe01", "--credentials-from", "-"];
    let credentials = format!("\u{feff}{CREDENTIALS}");
    world.d1_reading(&renew, &credentials).expect(0);
}
