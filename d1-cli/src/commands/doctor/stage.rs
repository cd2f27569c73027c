//! The stages of the doctor, and what is found in each.

use crate::failure::Failure;

/// What is checked, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Config,
    Key,
    Certificate,
    Host,
    Tls,
    ClientCertificate,
    Clock,
    Token,
    Read,
}

impl Stage {
    const ALL: [Self; 9] = [
        Self::Config,
        Self::Key,
        Self::Certificate,
        Self::Host,
        Self::Tls,
        Self::ClientCertificate,
        Self::Clock,
        Self::Token,
        Self::Read,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Key => "key",
            Self::Certificate => "certificate",
            Self::Host => "host",
            Self::Tls => "tls",
            Self::ClientCertificate => "client-certificate",
            Self::Clock => "clock",
            Self::Token => "token",
            Self::Read => "read",
        }
    }

    /// The exit code where it is the first that failed.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Config => 10,
            Self::Key => 11,
            Self::Certificate => 12,
            Self::Host => 13,
            Self::Tls => 14,
            Self::ClientCertificate => 15,
            Self::Clock => 16,
            Self::Token => 17,
            Self::Read => 18,
        }
    }
}

/// What was found in a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    Passed(String),
    Failed {
        why: String,
        mend: String,
        /// Whether the later stages can pass nevertheless.
        goes_on: bool,
    },
    Skipped(String),
}

impl Finding {
    /// A failure that the later stages cannot do without.
    pub(super) fn failed(why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Failed {
            why: why.into(),
            mend: mend.into(),
            goes_on: false,
        }
    }

    /// A failure that the later stages may not feel.
    pub(super) fn warned(why: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Failed {
            why: why.into(),
            mend: mend.into(),
            goes_on: true,
        }
    }

    pub(super) fn detail(&self) -> &str {
        match self {
            Self::Passed(text) | Self::Skipped(text) | Self::Failed { why: text, .. } => text,
        }
    }

    fn stops(&self) -> bool {
        matches!(self, Self::Failed { goes_on: false, .. })
    }
}

/// What a failure of another command would have said.
pub(super) fn words(failure: &Failure) -> String {
    match failure {
        Failure::Input(line) => line.clone(),
        Failure::Output(error) | Failure::Journal(error) => error.kind().to_string(),
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<(Stage, Finding)>);

/// What is said of a stage that nobody came to.
static NOT_REACHED: std::sync::LazyLock<Finding> =
    std::sync::LazyLock::new(|| Finding::Skipped("an earlier stage failed".to_owned()));

impl Report {
    /// Takes a finding down; `None` where going on is of no use.
    pub(super) fn add(&mut self, stage: Stage, finding: Finding) -> Option<()> {
        let stops = finding.stops();
        self.0.push((stage, finding));
        (!stops).then_some(())
    }

    /// The first stage that failed.
    pub(super) fn failed(&self) -> Option<Stage> {
        let failed = |finding: &Finding| matches!(finding, Finding::Failed { .. });
        self.rows()
            .find(|(_, finding)| failed(finding))
            .map(|(stage, _)| stage)
    }

    /// All stages in their order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Stage, &Finding)> {
        Stage::ALL.into_iter().map(|stage| {
            let found = self.0.iter().find(|(other, _)| *other == stage);
            (stage, found.map_or(&*NOT_REACHED, |(_, finding)| finding))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_a_code_of_its_own_and_the_first_failure_counts() {
        let codes = Stage::ALL.map(Stage::code);
        assert_eq!(codes, [10, 11, 12, 13, 14, 15, 16, 17, 18]);
        let mut report = Report::default();
        assert!(
            report
                .add(Stage::Config, Finding::Passed(String::new()))
                .is_some()
        );
        assert!(
            report
                .add(Stage::Certificate, Finding::warned("", ""))
                .is_some()
        );
        assert!(report.add(Stage::Token, Finding::failed("", "")).is_none());
        assert_eq!(report.failed(), Some(Stage::Certificate));
    }
}
