//! What to do on a machine, by what is on it. Nothing is run here.

/// What a command is about to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The example of a card's life.
    Demo,
    /// All tests.
    Test,
}

/// Something that is needed and not part of Rust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// OpenSSL's headers, and pkg-config to find them.
    OpenSslHeaders,
    /// The program `curl`, which commands of the guide call.
    Curl,
    /// The program `openssl`, likewise.
    OpenSslProgram,
    /// A store of certificate authorities, as each machine has that calls others.
    Certificates,
}

impl Need {
    /// Returns its name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenSslHeaders => "pkg-config and OpenSSL's headers",
            Self::Curl => "the program curl",
            Self::OpenSslProgram => "the program openssl",
            Self::Certificates => "the system's certificate authorities",
        }
    }
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Installer {
    /// Debian and Ubuntu.
    Apt,
    /// Fedora.
    Dnf,
    /// Alpine.
    Apk,
    /// Homebrew.
    Brew,
}

impl Installer {
    /// All of them, each with its program.
    pub(crate) const ALL: [(Self, &'static str); 4] = [
        (Self::Apt, "apt-get"),
        (Self::Dnf, "dnf"),
        (Self::Apk, "apk"),
        (Self::Brew, "brew"),
    ];

    fn packages(self, need: Need) -> &'static [&'static str] {
        match (need, self) {
            (Need::OpenSslHeaders, Self::Apt) => &["pkg-config", "libssl-dev"],
            (Need::OpenSslHeaders, Self::Dnf) => &["pkgconf-pkg-config", "openssl-devel"],
            (Need::OpenSslHeaders, Self::Apk) => &["pkgconf", "openssl-dev"],
            (Need::OpenSslHeaders, Self::Brew) => &["pkgconf", "openssl@3"],
            (Need::Curl, _) => &["curl"],
            (Need::Certificates, _) => &["ca-certificates"],
            (Need::OpenSslProgram, Self::Brew) => &["openssl@3"],
            (Need::OpenSslProgram, _) => &["openssl"],
        }
    }

    /// Returns the commands that install what is needed, one after the other.
    fn commands(self, needs: &[Need], as_root: AsRoot) -> Vec<Vec<&'static str>> {
        let install: &[&[&str]] = match self {
            Self::Apt => &[
                &["apt-get", "update"],
                &["apt-get", "install", "--yes", "--no-install-recommends"],
            ],
            Self::Dnf => &[&["dnf", "install", "--assumeyes"]],
            Self::Apk => &[&["apk", "add"]],
            Self::Brew => &[&["brew", "install"]],
        };
        let before: &[&str] = match (self, as_root) {
            (Self::Brew, _) | (_, AsRoot::Already) => &[],
            (_, AsRoot::BySudo | AsRoot::Never) => &["sudo"],
        };
        let mut commands: Vec<Vec<&str>> = install
            .iter()
            .map(|words| [before, words].concat())
            .collect();
        let packages = needs.iter().flat_map(|need| self.packages(*need));
        if let Some(last) = commands.last_mut() {
            last.extend(packages);
        }
        commands
    }
}

/// How system packages can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AsRoot {
    /// This process is root.
    Already,
    /// There is `sudo`.
    BySudo,
    /// Neither.
    Never,
}

/// What was found on a machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) missing: Vec<Need>,
    /// Whether there are perl and make, which build OpenSSL from source.
    pub(crate) can_build_openssl: bool,
    pub(crate) installer: Option<Installer>,
    pub(crate) as_root: AsRoot,
}

/// What is to be done before the goal is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing.
    Run,
    /// These commands, if a person or an option agrees.
    Install(Vec<Vec<&'static str>>),
    /// OpenSSL is built from source.
    BuildOpenSsl,
    /// It cannot be run, and this is why.
    GiveUp(String),
}

/// Decides what is to be done. `may_install` is false once that was refused.
pub(crate) fn plan(machine: &Machine, may_install: bool) -> Plan {
    let missing = &machine.missing;
    if missing.is_empty() {
        return Plan::Run;
    }
    if let Some(installer) = machine.installer.filter(|_| may_install)
        && (installer == Installer::Brew || machine.as_root != AsRoot::Never)
    {
        return Plan::Install(installer.commands(missing, machine.as_root));
    }
    if !missing.contains(&Need::OpenSslHeaders) {
        // Without the programs, the tests that call them say that they are not run.
        return Plan::Run;
    }
    if machine.can_build_openssl {
        return Plan::BuildOpenSsl;
    }
    let by_hand = machine.installer.map_or_else(
        || "Install them".to_owned(),
        |installer| {
            let commands = installer.commands(missing, machine.as_root);
            let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
            format!("Run `{}`, or this command with --yes", lines.join(" && "))
        },
    );
    Plan::GiveUp(format!(
        "{} are missing, and so are perl and make to build OpenSSL from source. {by_hand}.",
        Need::OpenSslHeaders.name()
    ))
}

/// Returns what a goal needs.
pub(crate) fn needs(goal: Goal) -> &'static [Need] {
    match goal {
        Goal::Demo => &[Need::OpenSslHeaders],
        Goal::Test => &[
            Need::OpenSslHeaders,
            Need::Curl,
            Need::OpenSslProgram,
            Need::Certificates,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(missing: &[Need]) -> Machine {
        Machine {
            missing: missing.to_vec(),
            can_build_openssl: false,
            installer: Some(Installer::Apt),
            as_root: AsRoot::Already,
        }
    }

    #[test]
    fn with_everything_there_nothing_is_done() {
        assert_eq!(plan(&machine(&[]), true), Plan::Run);
    }

    #[test]
    fn each_package_manager_has_its_command() {
        for (installer, as_root, expected) in [
            (
                Installer::Apt,
                AsRoot::Already,
                "apt-get update; apt-get install --yes --no-install-recommends pkg-config libssl-dev curl",
            ),
            (
                Installer::Dnf,
                AsRoot::BySudo,
                "sudo dnf install --assumeyes pkgconf-pkg-config openssl-devel curl",
            ),
            (
                Installer::Apk,
                AsRoot::Already,
                "apk add pkgconf openssl-dev curl",
            ),
            (
                Installer::Brew,
                AsRoot::Never,
                "brew install pkgconf openssl@3 curl",
            ),
        ] {
            let mut machine = machine(&[Need::OpenSslHeaders, Need::Curl]);
            (machine.installer, machine.as_root) = (Some(installer), as_root);
            let Plan::Install(commands) = plan(&machine, true) else {
                unreachable!("{installer:?}");
            };
            let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
            assert_eq!(lines.join("; "), expected);
        }
    }

    #[test]
    fn where_nothing_may_be_installed_openssl_is_built() {
        let mut refused = machine(&[Need::OpenSslHeaders]);
        refused.can_build_openssl = true;
        assert_eq!(plan(&refused, false), Plan::BuildOpenSsl);
        refused.as_root = AsRoot::Never;
        assert_eq!(plan(&refused, true), Plan::BuildOpenSsl);
        refused.installer = None;
        assert_eq!(plan(&refused, true), Plan::BuildOpenSsl);
    }

    #[test]
    fn without_perl_and_make_the_command_that_helps_is_named() {
        let Plan::GiveUp(why) = plan(&machine(&[Need::OpenSslHeaders]), false) else {
            unreachable!();
        };
        assert_eq!(
            why,
            "pkg-config and OpenSSL's headers are missing, and so are perl and make to build \
             OpenSSL from source. Run `apt-get update && apt-get install --yes \
             --no-install-recommends pkg-config libssl-dev`, or this command with --yes."
        );
        let mut elsewhere = machine(&[Need::OpenSslHeaders]);
        elsewhere.installer = None;
        assert!(matches!(plan(&elsewhere, true), Plan::GiveUp(_)));
    }

    #[test]
    fn programs_that_a_few_tests_call_hold_nothing_up() {
        let programs = machine(&[Need::Curl, Need::OpenSslProgram]);
        assert!(matches!(plan(&programs, true), Plan::Install(_)));
        assert_eq!(plan(&programs, false), Plan::Run);
    }
}
