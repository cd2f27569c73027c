//! Lets every value begin with a hyphen.
//!
//! D1's patterns allow ids such as `-P4x`, which clap takes for options. Arguments that clap refuses are therefore parsed
//! again with values that may begin with a hyphen. This applies to all commands.
//!
//! Two kinds of words stay options, so that a mistyped or misplaced one is reported: a word that begins with
//! two hyphens (as the value of an option: one that is an option of the command), and a group of short options
//! that the command has. As values they need `--option=--value`, or a `--` before them.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, Error};

/// Parses the arguments. `root` must be built.
pub(crate) fn parse(root: Command, words: &[OsString]) -> Result<ArgMatches, Error> {
    let refused = match root.clone().try_get_matches_from(words) {
        Err(error) if error.use_stderr() => error,
        other => return other,
    };
    let lenient = with_hyphens(root);
    match lenient.clone().try_get_matches_from(words) {
        Ok(matches) => match swallowed(&lenient, &matches, words) {
            // It has a suggestion.
            Some(_) if names_long_option(&refused) => Err(refused),
            Some(error) => Err(error),
            None => Ok(matches),
        },
        // One value too many: one of those before it is a mistyped option.
        Err(error) if error.kind() == ErrorKind::UnknownArgument && !names_long_option(&error) => {
            Err(refused)
        }
        // The rule of a value refuses what is a mistyped option.
        Err(error) if error.kind() == ErrorKind::ValueValidation && is_long_option(&error) => {
            Err(refused)
        }
        Err(error) => Err(error),
    }
}

/// Returns the command with values that may begin with a hyphen.
fn with_hyphens(command: Command) -> Command {
    let command = command.mut_args(|argument| {
        let takes_values = argument.get_action().takes_values();
        argument.allow_hyphen_values(takes_values)
    });
    command.mut_subcommands(with_hyphens)
}

/// Returns whether the value that was refused is written as a long option is.
fn is_long_option(error: &Error) -> bool {
    let value = error.get(ContextKind::InvalidValue);
    value.is_some_and(|value| value.to_string().starts_with("--"))
}

fn names_long_option(error: &Error) -> bool {
    let name = error.get(ContextKind::InvalidArg);
    let is_long = |name: &ContextValue| name.to_string().starts_with("--");
    error.kind() == ErrorKind::UnknownArgument && name.is_some_and(is_long)
}

/// Refuses an option that was taken for a value.
fn swallowed(root: &Command, matches: &ArgMatches, words: &[OsString]) -> Option<Error> {
    let (mut command, mut matches) = (root, matches);
    while let Some((name, inner)) = matches.subcommand() {
        (command, matches) = (command.find_subcommand(name)?, inner);
    }
    let words = || words.iter().take_while(|word| *word != "--");
    let is_option = |name: &str| {
        command
            .get_arguments()
            .any(|one| one.get_long() == Some(name))
    };
    command.get_arguments().find_map(|argument| {
        let values = matches.try_get_raw(argument.get_id().as_str()).ok()??;
        let mut values = values.filter(|value| words().any(|word| word == value));
        let swallowed = values.find_map(|value| {
            let value = value.to_str()?;
            let name = value.strip_prefix("--")?.split('=').next()?;
            (argument.is_positional() || is_option(name)).then_some(value)
        })?;
        let (kind, name) = if argument.is_positional() {
            (ErrorKind::UnknownArgument, swallowed.to_owned())
        } else {
            (ErrorKind::InvalidValue, argument.to_string())
        };
        let mut error = Error::new(kind);
        error.insert(ContextKind::InvalidArg, ContextValue::String(name));
        Some(error)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Arg;

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

    fn parsed(words: &[String]) -> Result<ArgMatches, Error> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        parse(arguments::command(), &words)
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
                    // The next word is no value of an option that needs none.
                    if !option.is_require_equals_set() {
                        assert_taken(&with(&[&long, "-x1"]), &long);
                    }
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
            // A value that breaks the rule of its argument is named before what comes after it.
            let alone = parsed(&[&path[..], &values].concat());
            let is_bad = alone.is_err_and(|error| error.kind() == ErrorKind::ValueValidation);
            let values = if is_bad { Vec::new() } else { values };
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
