//! The settings by name.

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    BaseUrl,
    IssuerId,
    AggregatorId,
    SigningKey,
    SigningKid,
    EncryptionJwk,
    EncryptionKid,
    ClientCert,
    ClientKey,
    Ca,
    Proxy,
    Timeout,
    IdleTimeout,
}

impl Name {
    pub(crate) const ALL: [Self; 13] = [
        Self::BaseUrl,
        Self::IssuerId,
        Self::AggregatorId,
        Self::SigningKey,
        Self::SigningKid,
        Self::EncryptionJwk,
        Self::EncryptionKid,
        Self::ClientCert,
        Self::ClientKey,
        Self::Ca,
        Self::Proxy,
        Self::Timeout,
        Self::IdleTimeout,
    ];

    /// Its name in `d1.toml`; with two hyphens before it, the flag.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BaseUrl => "base-url",
            Self::IssuerId => "issuer-id",
            Self::AggregatorId => "aggregator-id",
            Self::SigningKey => "signing-key",
            Self::SigningKid => "signing-kid",
            Self::EncryptionJwk => "encryption-jwk",
            Self::EncryptionKid => "encryption-kid",
            Self::ClientCert => "client-cert",
            Self::ClientKey => "client-key",
            Self::Ca => "ca",
            Self::Proxy => "proxy",
            Self::Timeout => "timeout",
            Self::IdleTimeout => "idle-timeout",
        }
    }

    /// Its name in the environment: what the sandbox writes into `d1.env`.
    pub(crate) fn variable(self) -> String {
        format!("D1_{}", self.name().to_ascii_uppercase().replace('-', "_"))
    }

    /// Whether it is the path of a file.
    pub(crate) fn is_file(self) -> bool {
        matches!(
            self,
            Self::SigningKey | Self::EncryptionJwk | Self::ClientCert | Self::ClientKey | Self::Ca
        )
    }
}
