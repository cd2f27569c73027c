//! Builds the facade's client from the settings, and names the setting that is wrong.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use d1_facade::{Client, ClientBuilder, EncryptionKey, InvalidInput};

use crate::config::{Config, Name};
use crate::failure::Failure;

/// Why no client can be built, and by which setting.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) name: Name,
    pub(crate) failure: Failure,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        refused.failure
    }
}

/// The settings that every call needs. A key in PEM needs its kid as well.
const NEEDED: [Name; 4] = [
    Name::IssuerId,
    Name::SigningKey,
    Name::ClientCert,
    Name::ClientKey,
];

/// Builds the client of the settings.
pub(crate) fn client(config: &Config) -> Result<Client, Refused> {
    finish(config, builder(config)?)
}

/// Returns the builder of the client of the settings.
pub(crate) fn builder(config: &Config) -> Result<ClientBuilder, Refused> {
    let by = |name| move |failure| Refused { name, failure };
    config.check_production().map_err(by(Name::Profile))?;
    config.need(&NEEDED).map_err(by(Name::Config))?;
    let value = |variable: &str| {
        let setting = config.get(Name::of_variable(variable)?)?;
        Some(OsString::from(&setting.text))
    };
    let builder = ClientBuilder::from_variables(value).map_err(|error| refused(config, &error))?;
    Ok(builder.user_agent(concat!("d1-cli/", env!("CARGO_PKG_VERSION"))))
}

/// Builds the client. An error names the setting that is wrong.
pub(crate) fn finish(config: &Config, builder: ClientBuilder) -> Result<Client, Refused> {
    builder.build().map_err(|error| refused(config, &error))
}

/// Returns a lifetime in whole seconds, rounded: a part of a second has passed since the token was obtained.
pub(crate) fn whole_seconds(lifetime: Duration) -> u64 {
    (lifetime + Duration::from_millis(500)).as_secs()
}

/// Reads D1's key for card credentials.
pub(crate) fn encryption_key(config: &Config) -> Result<EncryptionKey, Failure> {
    config.need(&[Name::EncryptionJwk])?;
    let text = |name| config.get(name).map(|setting| setting.text.as_str());
    let bytes = fs::read(text(Name::EncryptionJwk).unwrap_or_default());
    let unreadable = |error| Failure::unreadable(config.place(Name::EncryptionJwk), &error);
    let key = EncryptionKey::from_bytes(bytes.map_err(unreadable)?, text(Name::EncryptionKid));
    key.map_err(|error| refused(config, &error).failure)
}

/// Names the setting that an error is about: by its variable, or by the method of the builder that it is passed to.
fn refused(config: &Config, error: &InvalidInput) -> Refused {
    let name = match error.field() {
        // Each of them can be read, and they do not belong together.
        "client_identity" => {
            let certificate = config.place(Name::ClientCert);
            let place = format!("{certificate} and {}", config.place(Name::ClientKey));
            let rule = "are not a pair: the key is not that of the certificate";
            return Refused {
                name: Name::ClientKey,
                failure: Failure::input(place, rule),
            };
        }
        "environment" => Name::BaseUrl,
        "encryption_key" => Name::EncryptionJwk,
        "signer" => Name::SigningKey,
        "client_identity_certificate" => Name::ClientCert,
        "client_identity_key" => Name::ClientKey,
        "root_certificate" => Name::Ca,
        field => {
            let variable = format!("D1_{}", field.to_ascii_uppercase());
            let named = Name::of_variable(field).or_else(|| Name::of_variable(&variable));
            named.unwrap_or(Name::Config)
        }
    };
    Refused {
        name,
        failure: Failure::input(config.place(name), error.rule()),
    }
}
