//! The settings by name, and as options of the command line.

use std::ffi::OsString;

use clap::{Arg, ValueEnum, ValueHint, value_parser};

use crate::text::name_of;

/// A setting. Its comment is the help of its option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Name {
    /// The file with the profiles; without it ./d1.toml, then d1/d1.toml of the user's configuration
    Config,
    /// The profile of the file to use
    Profile,
    /// The address of D1, https://host; that of the profile by default
    BaseUrl,
    /// The id of the issuer, 10 characters
    IssuerId,
    /// The id of the aggregator that calls for the issuer
    AggregatorId,
    /// The private key that assertions are signed with: a file, PEM or JWK
    SigningKey,
    /// The id by which D1 knows the signing key
    SigningKid,
    /// D1's public key for card credentials: a file, JWK or PEM
    EncryptionJwk,
    /// The id of D1's public key, where it is a PEM
    EncryptionKid,
    /// The client certificate with its chain: a file, PEM
    ClientCert,
    /// The private key of the client certificate: a file, PEM
    ClientKey,
    /// The certificate authority to trust instead of the system's: a file, PEM
    Ca,
    /// The proxy to call through, http://host:port
    Proxy,
    /// How long a call may take, in seconds
    Timeout,
    /// How long an idle connection is kept, in seconds; less than what gateways on the way allow
    IdleTimeout,
    /// Calls only where a FIPS module carries out all cryptography: true or false
    RequireFips,
}

impl Name {
    /// Returns the settings that a profile can have.
    pub(crate) fn of_profiles() -> impl Iterator<Item = Self> {
        let all = Self::value_variants().iter().copied();
        all.filter(|name| !matches!(name, Self::Config | Self::Profile))
    }

    /// Returns its name in `d1.toml`; with two hyphens before it, the option.
    pub(crate) fn name(self) -> String {
        name_of(&self)
    }

    /// Returns its name in the environment, which is the one that the sandbox writes into `d1.env`.
    pub(crate) fn variable(self) -> String {
        format!("D1_{}", self.name().to_ascii_uppercase().replace('-', "_"))
    }

    /// Returns the setting with this name in the environment.
    pub(crate) fn of_variable(variable: &str) -> Option<Self> {
        Self::of_profiles().find(|name| name.variable() == variable)
    }

    /// Returns whether it is the path of a file that a profile names.
    pub(crate) fn is_file(self) -> bool {
        matches!(
            self,
            Self::SigningKey | Self::EncryptionJwk | Self::ClientCert | Self::ClientKey | Self::Ca
        )
    }

    /// Returns the option, which takes its value from the environment where it is not given.
    pub(super) fn option(self) -> Arg {
        let value_name = match self {
            Self::BaseUrl | Self::Proxy => "URL",
            Self::IssuerId | Self::AggregatorId => "ID",
            Self::SigningKid | Self::EncryptionKid => "KID",
            Self::Timeout | Self::IdleTimeout => "SECONDS",
            Self::Profile => "NAME",
            Self::RequireFips => "BOOL",
            Self::Config
            | Self::SigningKey
            | Self::EncryptionJwk
            | Self::ClientCert
            | Self::ClientKey
            | Self::Ca => "FILE",
        };
        let hint = match value_name {
            "FILE" => ValueHint::FilePath,
            _ => ValueHint::Other,
        };
        let help = self.to_possible_value();
        let help = help.and_then(|value| value.get_help().cloned());
        let option = Arg::new(self.name())
            .long(self.name())
            .env(self.variable())
            .hide_env_values(true)
            .global(true)
            .value_name(value_name)
            .value_hint(hint)
            .value_parser(value_parser!(OsString))
            .help(help.unwrap_or_default())
            .help_heading("Settings");
        match self {
            Self::RequireFips => option
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
            _ => option,
        }
    }
}

#[cfg(test)]
mod tests {
    use d1_facade::ClientBuilder;

    use super::*;

    #[test]
    fn a_client_of_a_service_reads_the_same_variables() {
        let own: Vec<_> = Name::of_profiles().map(Name::variable).collect();
        assert_eq!(own, ClientBuilder::VARIABLES);
    }
}
