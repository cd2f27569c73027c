//! What is different on a terminal: questions, colours, the bar.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::world::{PAN, World, wait};

/// A terminal, seen from the side of the person at it.
struct Terminal {
    ours: File,
    /// Until a command runs at it: it alone holds this side then, so that reading ends when it does.
    theirs: Option<File>,
}

impl Terminal {
    /// A new one; none where the machine has none to give.
    fn open() -> Option<Self> {
        let Ok(ours) = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY) else {
            let _ = writeln!(
                std::io::stderr(),
                "not run: there are no terminals (/dev/pts)"
            );
            return None;
        };
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        Some(Self {
            ours: ours.into(),
            theirs: Some(theirs),
        })
    }

    /// Makes it this wide.
    fn resize(&self, columns: u16) {
        let size = rustix::termios::Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.ours, size).unwrap();
    }

    /// Runs a command at it; standard output goes elsewhere unless `all`.
    fn run(&mut self, mut command: Command, all: bool) -> Child {
        let side = self.theirs.take().unwrap();
        let theirs = || Stdio::from(side.try_clone().unwrap());
        command
            .stdin(theirs())
            .stderr(theirs())
            .env("TERM", "xterm");
        if all {
            command.stdout(theirs());
        }
        command.spawn().unwrap()
    }

    /// What was shown up to `end`.
    fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        let mut bytes = [0; 1024];
        while !text.contains(end) {
            let length = self.ours.read(&mut bytes);
            let length =
                length.unwrap_or_else(|_| unreachable!("it ended without {end:?}: {text}"));
            text += &String::from_utf8_lossy(&bytes[..length]);
        }
        text
    }

    /// What was shown until the command ended.
    fn read_to_end(&mut self) -> String {
        let mut text = Vec::new();
        // Linux ends the reading with an error.
        let _ = self.ours.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn type_in(&mut self, text: &str) {
        self.ours.write_all(text.as_bytes()).unwrap();
    }
}

#[test]
fn deleting_asks_and_only_yes_is_a_yes() {
    let world = World::start();
    for answer in ["n\n", "\n", "nonsense\n"] {
        let Some(mut terminal) = Terminal::open() else {
            return;
        };
        let mut child = terminal.run(world.command(&["card", "delete", "ReplaceMe01"]), false);
        let question = terminal.read_until("[y/N] ");
        assert!(
            question.contains("Delete the card ReplaceMe01"),
            "{question}"
        );
        assert!(question.contains(world.sandbox.base_url()), "{question}");
        terminal.type_in(answer);
        assert_eq!(child.wait().unwrap().code(), Some(2));
        world.assert_untouched();
    }
    let Some(mut terminal) = Terminal::open() else {
        return;
    };
    let mut child = terminal.run(world.command(&["card", "delete", "ReplaceMe01"]), false);
    terminal.read_until("[y/N] ");
    terminal.type_in("y\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(world.sandbox.card("ReplaceMe01").is_none());
}

#[test]
fn a_reason_code_that_is_not_documented_is_asked_about() {
    let world = World::start();
    let suspend = ["card", "suspend", "ReplaceMe01", "--reason-code", "lost"];
    for (answer, code, sent) in [("n\n", 2, 0), ("\n", 2, 0), ("y\n", 0, 1)] {
        let Some(mut terminal) = Terminal::open() else {
            return;
        };
        let mut child = terminal.run(world.command(&suspend), false);
        let question = terminal.read_until("[y/N] ");
        assert!(
            question.contains("LOST is not documented for suspend"),
            "{question}"
        );
        terminal.type_in(answer);
        assert_eq!(child.wait().unwrap().code(), Some(code), "{answer:?}");
        let requests = world.sandbox.requests_for("suspendCard", "ReplaceMe01");
        assert_eq!(requests.len(), sent, "{answer:?}");
    }
}

#[test]
fn lines_that_delete_are_asked_about_once() {
    let world = World::with_cards(2);
    let line = |n| format!("{{\"operation\":\"delete\",\"cardId\":\"Bulk{n}\"}}\n");
    world.file("in.ndjson", &(line(1) + &line(2)));
    let Some(mut terminal) = Terminal::open() else {
        return;
    };
    let mut child = terminal.run(world.command(&["bulk", "in.ndjson"]), false);
    assert!(
        terminal
            .read_until("[y/N] ")
            .contains("2 lines delete a card")
    );
    terminal.type_in("yes\n");
    terminal.read_until("\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(world.sandbox.card("Bulk1").is_none());
}

#[test]
fn colours_are_for_terminals_and_for_those_who_want_them() {
    let world = World::start();
    let shown = |variables: &[(&str, &str)]| {
        let mut terminal = Terminal::open()?;
        let mut command = world.command(&["card", "suspend", "ReplaceMe01"]);
        command.envs(variables.iter().copied());
        let mut child = terminal.run(command, true);
        let text = terminal.read_until("attempts");
        assert_eq!(child.wait().unwrap().code(), Some(0));
        Some(text)
    };
    let Some(coloured) = shown(&[]) else { return };
    assert!(coloured.contains("\u{1b}[32mdone\u{1b}[0m"));
    assert!(shown(&[("NO_COLOR", "1")]).is_some_and(|text| !text.contains('\u{1b}')));
    // Set and empty is not set: https://no-color.org.
    assert!(shown(&[("NO_COLOR", "")]).is_some_and(|text| text.contains('\u{1b}')));
}

#[test]
fn a_bulk_shows_a_bar_on_a_terminal() {
    let world = World::with_cards(3);
    let line = |n| format!("{{\"operation\":\"suspend\",\"cardId\":\"Bulk{n}\"}}\n");
    world.file("in.ndjson", &(1..=3).map(line).collect::<String>());
    let Some(mut terminal) = Terminal::open() else {
        return;
    };
    let mut child = terminal.run(world.command(&["bulk", "in.ndjson"]), true);
    let text = terminal.read_until("seconds");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(text.contains("/3: "), "{text}");
    assert!(text.contains(" done, 0 refused, 0 unknown"), "{text}");
}

/// What a terminal shows on its lines, without what moves its cursor.
fn lines(text: &str) -> Vec<String> {
    let plain = console::strip_ansi_codes(text);
    let lines = plain
        .split(['\r', '\n'])
        .map(|line| line.trim_end().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_bar_of_a_bulk_fits_twenty_columns() {
    let world = World::with_cards(2);
    let line = |card: &str| format!("{{\"operation\":\"suspend\",\"cardId\":\"{card}\"}}\n");
    world.file("in.ndjson", &["Bulk1", "Bulk2", "Other"].map(line).concat());
    let Some(mut terminal) = Terminal::open() else {
        return;
    };
    terminal.resize(20);
    let mut child = terminal.run(world.command(&["bulk", "in.ndjson", "-o", "ndjson"]), false);
    let text = terminal.read_to_end();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    let bars: Vec<_> = lines(&text)
        .into_iter()
        .filter(|line| line.contains('%'))
        .collect();
    assert!(bars.iter().any(|bar| bar == "100% d2 r1 u0"), "{text}");
    assert!(bars.iter().all(|bar| bar.len() <= 20), "{bars:?}");
}

#[test]
fn a_table_fits_the_terminal() {
    let world = World::start();
    let reason = "a reason that is as long as a reason can be at all";
    world
        .d1(&["card", "suspend", "ReplaceMe01", "--reason", reason])
        .expect(0);
    let list = ["operations", "list", "ReplaceMe01"];
    for columns in [60, 80, 100] {
        let Some(mut terminal) = Terminal::open() else {
            return;
        };
        terminal.resize(columns);
        let mut child = terminal.run(world.command(&list), true);
        let text = terminal.read_to_end();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let (end, table) = lines(&text)
            .split_last()
            .map(|(end, table)| (end.clone(), table.to_vec()))
            .unwrap();
        assert!(end.starts_with("at https://"), "{end}");
        assert!(
            table.iter().all(|line| line.len() <= usize::from(columns)),
            "{table:#?}"
        );
        // Each value stays in one piece.
        assert!(
            table.iter().any(|line| line.ends_with(reason)),
            "{table:#?}"
        );
    }
    // Elsewhere a row is a line.
    let run = world.d1(&list).expect(0);
    assert!(run.out.contains(reason), "{}", run.out);
}

#[test]
fn a_card_number_is_asked_for_and_not_shown() {
    let world = World::start();
    for (arguments, is_result) in [
        (&["encrypt"][..], |text: &str| text.split('.').count() == 5),
        (
            &[
                "card",
                "renew",
                "ReplaceMe01",
                "--credentials-from",
                "-",
                "-o",
                "json",
            ],
            |text: &str| text.contains("\"done\""),
        ),
    ] as [(&[&str], fn(&str) -> bool); 2]
    {
        let Some(mut terminal) = Terminal::open() else {
            return;
        };
        let child = terminal.run(world.command(arguments), false);
        let mut shown = terminal.read_until("Card number (PAN): ");
        // Both lines at once, as from the clipboard.
        terminal.type_in(&format!("{PAN}\n1230\n"));
        shown += &terminal.read_until("Expiry (MMYY): ");
        let run = wait(child).expect(0);
        assert!(is_result(&run.out), "{run:?}");
        assert!(!shown.contains(PAN) && !run.out.contains(PAN), "{shown}");
    }
    let renewed = world.sandbox.card("ReplaceMe01").unwrap();
    assert!(renewed.has_credentials(PAN, "1230"));
}

#[test]
fn the_terminal_shows_what_is_typed_again_after_ctrl_c() {
    let world = World::start();
    let Some(mut terminal) = Terminal::open() else {
        return;
    };
    let shows = |terminal: &Terminal| {
        let modes = tcgetattr(&terminal.ours).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    };
    let child = terminal.run(world.command(&["encrypt"]), false);
    terminal.read_until("Card number (PAN): ");
    assert!(!shows(&terminal));
    terminal.type_in("4111\u{3}");
    let said = terminal.read_until("interrupted");
    assert!(!said.contains("4111"), "{said}");
    wait(child).expect(2);
    assert!(shows(&terminal));
}
