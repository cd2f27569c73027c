//! Lets every value begin with a hyphen.
//!
//! D1's patterns allow ids such as `-P4x`, which clap takes for options. The arguments are rewritten before
//! clap reads them: `--option -value` becomes `--option=-value`, and the positional arguments of a command
//! move behind `--` where one of them begins with a hyphen. This applies to all commands.
//!
//! Two kinds of words stay options, so that a mistyped or misplaced one is reported: a word that begins with
//! two hyphens (as the value of an option: one that is an option of the command), and a group of short options
//! that the command has. As values they need `--option=--value`, or a `--` before them.

use std::ffi::OsString;

use clap::{Arg, Command};

/// Returns the arguments in the form in which clap takes values that begin with a hyphen. `root` must be built.
pub(crate) fn rewritten(
    root: &Command,
    arguments: impl IntoIterator<Item = OsString>,
) -> Vec<OsString> {
    let mut arguments = arguments.into_iter().peekable();
    let mut command = root;
    // The same arguments twice: in their order, and with the values of the command taken out.
    let mut in_order: Vec<OsString> = arguments.next().into_iter().collect();
    let (mut options, mut values) = (in_order.clone(), Vec::new());
    while let Some(mut argument) = arguments.next_if(|argument| argument != "--") {
        let text = argument.to_string_lossy();
        match meaning(command, &text) {
            Meaning::Value if leads_on(command, &text, &values) => {
                command = command.find_subcommand(&*text).unwrap_or(command);
            }
            Meaning::Value => {
                in_order.push(argument.clone());
                values.push(argument);
                continue;
            }
            Meaning::Complete => {}
            Meaning::NeedsValue => {
                let takes = |next: &OsString| {
                    let next = next.to_string_lossy();
                    next != "--" && long(command, &next).is_none()
                };
                if let Some(value) = arguments.next_if(takes) {
                    argument.push("=");
                    argument.push(value);
                }
            }
        }
        in_order.push(argument.clone());
        options.push(argument);
    }
    let after: Vec<OsString> = arguments.collect();
    let given = values.len() + after.len().saturating_sub(1);
    // With one value too many, one of them is a mistyped option: clap names it where it stands, unless an unknown
    // option explains it.
    let fits = given <= command.get_positionals().count();
    let is_unknown = |word: &OsString| {
        let word = word.to_string_lossy();
        word.starts_with("--") && long(command, &word).is_none()
    };
    if (fits || options.iter().any(is_unknown)) && values.iter().any(is_hyphenated) {
        options.push("--".into());
        options.extend(values);
        options.extend(after.into_iter().skip(1));
        return options;
    }
    in_order.extend(after);
    in_order
}

/// Returns whether a word names a subcommand of a command, rather than being a value of it.
fn leads_on(command: &Command, word: &str, values: &[OsString]) -> bool {
    let is_subcommand = values.is_empty() && command.find_subcommand(word).is_some();
    command.has_subcommands() && (is_subcommand || command.get_positionals().next().is_none())
}

/// What a word on the command line is.
enum Meaning {
    /// A subcommand or a positional argument.
    Value,
    /// An option whose value, if it takes one, is in the same word; or one that clap refuses.
    Complete,
    /// An option whose value is the next word.
    NeedsValue,
}

fn meaning(command: &Command, word: &str) -> Meaning {
    let of_option = |option: &Arg, has_value: bool| {
        if option.get_action().takes_values() && !has_value {
            Meaning::NeedsValue
        } else {
            Meaning::Complete
        }
    };
    if word.starts_with("--") {
        return match long(command, word) {
            Some(option) => of_option(option, word.contains('=')),
            None => Meaning::Complete,
        };
    }
    let Some(mut letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
        return Meaning::Value;
    };
    while let Some(letter) = letters.chars().next() {
        letters = letters.get(letter.len_utf8()..).unwrap_or_default();
        let known = |option: &&Arg| option.get_short() == Some(letter);
        match command.get_arguments().find(known) {
            Some(option) if letters.is_empty() || takes(option, letters) => {
                return of_option(option, !letters.is_empty());
            }
            Some(option) if !option.get_action().takes_values() => {}
            _ if command.get_positionals().next().is_some() => return Meaning::Value,
            _ => return Meaning::Complete,
        }
    }
    Meaning::Complete
}

/// Returns whether an option takes this text, as in `-ojson`.
fn takes(option: &Arg, text: &str) -> bool {
    let text = text.strip_prefix('=').unwrap_or(text);
    let values = option.get_possible_values();
    option.get_action().takes_values()
        && (values.is_empty() || values.iter().any(|value| value.matches(text, false)))
}

/// Returns the long option of the command that a word names.
fn long<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.strip_prefix("--")?.split('=').next();
    command
        .get_arguments()
        .find(|option| name == option.get_long())
}

fn is_hyphenated(word: &OsString) -> bool {
    let word = word.as_encoded_bytes();
    word.len() > 1 && word.starts_with(b"-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::error::{ContextKind, ContextValue, ErrorKind};

    use super::*;
    use crate::arguments;

    /// The commands that do something, each with the words that lead to it.
    fn leaves(command: &Command, path: &[String], out: &mut Vec<(Vec<String>, Command)>) {
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let path = [path, &[sub.get_name().to_owned()]].concat();
            leaves(sub, &path, out);
            if !sub.has_subcommands() || sub.get_positionals().next().is_some() {
                out.push((path, sub.clone()));
            }
        }
    }

    fn all() -> Vec<(Vec<String>, Command)> {
        let mut all = Vec::new();
        leaves(&arguments::command(), &["d1".to_owned()], &mut all);
        all
    }

    fn parsed(words: &[String]) -> Result<clap::ArgMatches, clap::Error> {
        let command = arguments::command();
        let words = rewritten(&command, words.iter().map(OsString::from));
        command.try_get_matches_from(words)
    }

    /// Asserts that the value got as far as the argument: it was taken, or its own rule refuses it.
    #[track_caller]
    fn assert_taken(words: &[String], id: &str) {
        let argument = match parsed(words) {
            Ok(_) => return,
            Err(error) => {
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::ValueValidation
                            | ErrorKind::InvalidValue
                            | ErrorKind::MissingRequiredArgument
                    ),
                    "{words:?}: {error}"
                );
                error
            }
        };
        if argument.kind() != ErrorKind::MissingRequiredArgument {
            let named = argument.get(ContextKind::InvalidArg).unwrap().to_string();
            assert!(named.contains(id), "{words:?}: {argument}");
            let value = argument.get(ContextKind::InvalidValue).unwrap();
            assert_eq!(value, &ContextValue::String("-x1".to_owned()), "{words:?}");
        }
    }

    #[test]
    fn every_value_of_every_command_may_begin_with_a_hyphen() {
        let mut options = 0;
        for (path, command) in all() {
            let with = |words: &[&str]| {
                let words = words.iter().map(|word| (*word).to_owned());
                path.iter().cloned().chain(words).collect::<Vec<_>>()
            };
            let takes = |arg: &&Arg| arg.get_action().takes_values();
            for option in command.get_arguments().filter(takes) {
                if let Some(long) = option.get_long() {
                    options += 1;
                    let long = format!("--{long}");
                    assert_taken(&with(&[&long, "-x1"]), &long);
                    assert_taken(&with(&[&format!("{long}=-x1")]), &long);
                }
                if let Some(short) = option.get_short() {
                    assert_taken(&with(&[&format!("-{short}"), "-x1"]), "--");
                }
            }
            let positionals: Vec<_> = command.get_positionals().collect();
            let values = vec!["-x1"; positionals.len()];
            assert_taken(&with(&values), "<");
            assert_taken(&with(&[&["--"], &*values].concat()), "<");
        }
        assert!(options > 100, "{options}");
    }

    #[test]
    fn an_unknown_option_of_every_command_is_named() {
        for (path, command) in all() {
            let values = vec!["-x1".to_owned(); command.get_positionals().count()];
            let unknown = ["--no-such-option".to_owned()];
            let its_value = ["x".to_owned()];
            for words in [
                [&path, &unknown[..], &values].concat(),
                [&path, &values[..], &unknown].concat(),
                [&path, &values[..], &unknown, &its_value].concat(),
            ] {
                let error = parsed(&words).unwrap_err();
                assert_eq!(
                    error.kind(),
                    ErrorKind::UnknownArgument,
                    "{words:?}: {error}"
                );
                let named = error.get(ContextKind::InvalidArg).unwrap().to_string();
                assert_eq!(named, "--no-such-option", "{words:?}");
            }
        }
    }
}
