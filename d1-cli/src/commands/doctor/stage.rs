//! The stages of the doctor, and what is found in each.

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::Failure;
use crate::text::name_of;

/// What is checked, in this order. The number of a stage is the exit code where it is the first that failed; its
/// comment stands in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[repr(u8)]
pub(super) enum Stage {
    /// the settings are found and complete
    Config = 10,
    /// the signing key is a P-256 key
    Key,
    /// it matches its key and is valid
    Certificate,
    /// its name resolves
    Host,
    /// a TLS connection can be made
    Tls,
    /// D1 asks for it and accepts it
    ClientCertificate,
    /// it is within a minute of D1's
    Clock,
    /// D1 gives one
    Token,
    /// D1 answers a harmless read
    Read,
}

impl Stage {
    pub(super) fn name(self) -> String {
        name_of(&self)
    }

    pub(super) fn code(self) -> u8 {
        self as u8
    }
}

/// Returns what is printed below the help.
pub(crate) fn exit_codes() -> String {
    let mut text = "Exit codes:\n  0   everything is in place\n".to_owned();
    for stage in Stage::value_variants() {
        let help = stage.to_possible_value();
        let help = help.and_then(|value| Some(value.get_help()?.to_string()));
        let (code, name) = (stage.code(), stage.name());
        text += &format!("  {code}  {name}: {}\n", help.unwrap_or_default());
    }
    text + "The code is that of the first stage that failed."
}

/// What was found in a stage.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) result: Found,
    pub(super) detail: String,
    /// What to do about a failure or a warning.
    pub(super) fix: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Found {
    Ok,
    /// Everything works, and will not for long.
    Warning,
    Failed,
    Skipped,
}

impl Finding {
    /// What to do about a setting that cannot be used.
    pub(super) const CHECK_SETTINGS: &'static str =
        "Correct what the line names; d1 config show says where a setting comes from.";

    fn new(result: Found, detail: impl Into<String>, fix: Option<&str>) -> Self {
        Self {
            result,
            detail: detail.into(),
            fix: fix.map(ToOwned::to_owned),
        }
    }

    pub(super) fn passed(detail: impl Into<String>) -> Self {
        Self::new(Found::Ok, detail, None)
    }

    pub(super) fn warning(what: impl Into<String>, fix: &str) -> Self {
        Self::new(Found::Warning, what, Some(fix))
    }

    pub(super) fn skipped(why: impl Into<String>) -> Self {
        Self::new(Found::Skipped, why, None)
    }

    pub(super) fn failed(why: impl Into<String>, fix: &str) -> Self {
        Self::new(Found::Failed, why, Some(fix))
    }

    /// Describes a failure in the words that another command would print.
    pub(super) fn of(failure: &Failure, fix: &str) -> Self {
        let why = match failure {
            Failure::Input(line) => line.clone(),
            Failure::Output(error) | Failure::Journal(error) => error.kind().to_string(),
        };
        Self::failed(why, fix)
    }
}

impl From<Failure> for Finding {
    fn from(failure: Failure) -> Self {
        Self::of(&failure, Self::CHECK_SETTINGS)
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(Stage, Finding)>);

/// A stage of the report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) stage: String,
    exit_code: u8,
    #[serde(flatten)]
    pub(super) finding: Finding,
}

impl Report {
    /// Adds a finding: as an error where the later stages cannot pass, which is `None` then.
    pub(super) fn add(&mut self, stage: Stage, found: Result<Finding, Finding>) -> Option<()> {
        let passes = found.is_ok().then_some(());
        let finding = found.unwrap_or_else(|finding| finding);
        self.0.push((stage, finding));
        passes
    }

    /// Returns the first stage that failed.
    pub(super) fn failed(&self) -> Option<Stage> {
        let mut rows = self.0.iter();
        let failed = rows.find(|(_, finding)| finding.result == Found::Failed);
        failed.map(|(stage, _)| *stage)
    }

    /// Returns all stages in their order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> {
        Stage::value_variants().iter().map(|stage| {
            let found = self.0.iter().find(|(other, _)| other == stage);
            let finding = found.map(|(_, finding)| finding.clone());
            Row {
                stage: stage.name(),
                exit_code: stage.code(),
                finding: finding.unwrap_or_else(|| Finding::skipped("an earlier stage failed")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_code_of_its_own_and_the_first_failure_counts() {
        let codes: Vec<_> = Stage::value_variants()
            .iter()
            .map(|stage| stage.code())
            .collect();
        assert_eq!(codes, [10, 11, 12, 13, 14, 15, 16, 17, 18]);
        let mut report = Report::default();
        let passed = Ok(Finding::passed(""));
        assert!(report.add(Stage::Config, passed).is_some());
        let warning = Ok(Finding::warning("", ""));
        assert!(report.add(Stage::Key, warning).is_some());
        let later = Ok(Finding::failed("", ""));
        assert!(report.add(Stage::Clock, later).is_some());
        let failed = Err(Finding::failed("", ""));
        assert!(report.add(Stage::Token, failed).is_none());
        assert_eq!(report.failed(), Some(Stage::Clock));
    }
}
