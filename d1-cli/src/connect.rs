//! Builds the facade's client from the settings, and names the setting that is wrong.

use std::fs;
use std::time::Duration;

use d1_facade::{
    Client, ClientBuilder, EncryptionKey, Environment, Identity, InvalidInput, IssuerId,
    SigningKey, probe,
};
use zeroize::Zeroizing;

use crate::config::{Config, Name, Setting};
use crate::failure::Failure;
use crate::text::{masked, printable};

/// Builds the client of the settings.
pub(crate) fn client(config: &Config) -> Result<Client, Failure> {
    finish(config, builder(config)?)
}

/// Returns the builder of the client of the settings.
pub(crate) fn builder(config: &Config) -> Result<ClientBuilder, Failure> {
    config.check_production()?;
    let mut builder = to_host(config)?;
    if let Some(setting) = config.get(Name::EncryptionJwk) {
        builder = builder.encryption_key(encryption_key(config, setting)?);
    }
    with_identity(config, builder.signer(signing_key(config)?))
}

/// Returns a builder with all settings but the keys.
pub(crate) fn without_keys(config: &Config) -> Result<ClientBuilder, Failure> {
    with_identity(config, to_host(config)?)
}

/// Adds the client certificate and the proxy.
fn with_identity(config: &Config, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
    let certificate = read(config.need(Name::ClientCert)?)?;
    let key = read(config.need(Name::ClientKey)?)?;
    let identity = Identity::from_pem(&*certificate, &*key);
    let identity = identity.map_err(|error| of_setting(config, error))?;
    let builder = builder.client_identity(identity);
    Ok(match config.get(Name::Proxy) {
        Some(setting) => builder.proxy(&setting.text),
        None => builder,
    })
}

/// Returns a builder with the address, the authorities to trust for it, and the times.
fn to_host(config: &Config) -> Result<ClientBuilder, Failure> {
    let environment = Environment::Custom(base_url(config)?.to_owned());
    let mut builder = Client::builder(environment, issuer(config)?)
        .timeout(seconds(config.need(Name::Timeout)?)?)
        .user_agent(concat!("d1-cli/", env!("CARGO_PKG_VERSION")));
    if let Some(setting) = config.get(Name::IdleTimeout) {
        builder = builder.pool_idle_timeout(seconds(setting)?);
    }
    if let Some(setting) = config.get(Name::AggregatorId) {
        builder = builder.aggregator_id(&setting.text);
    }
    if let Some(setting) = config.get(Name::Ca) {
        builder = builder
            .root_certificate(&*read(setting)?)
            .without_system_roots();
    }
    Ok(builder)
}

/// Returns the address of D1.
pub(crate) fn base_url(config: &Config) -> Result<&str, Failure> {
    Ok(&config.need(Name::BaseUrl)?.text)
}

/// Returns the issuer of the cards.
pub(crate) fn issuer(config: &Config) -> Result<IssuerId, Failure> {
    let setting = config.need(Name::IssuerId)?;
    let issuer = setting.text.parse();
    issuer.map_err(|error: InvalidInput| Failure::input(&setting.source, error))
}

/// Returns a lifetime in whole seconds, rounded: a part of a second has passed since the token was obtained.
pub(crate) fn whole_seconds(lifetime: Duration) -> u64 {
    (lifetime + Duration::from_millis(500)).as_secs()
}

/// Reads a number of seconds.
fn seconds(setting: &Setting) -> Result<Duration, Failure> {
    match setting.text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => {
            let rule = "must be a whole number of seconds from 1 to 86400";
            Err(Failure::input(&setting.source, rule))
        }
    }
}

/// Reads the key that assertions are signed with.
pub(crate) fn signing_key(config: &Config) -> Result<SigningKey, Failure> {
    let setting = config.need(Name::SigningKey)?;
    key_file(config, setting, Name::SigningKid, SigningKey::from_bytes)
}

/// Reads D1's key for card credentials.
pub(crate) fn encryption_key(config: &Config, setting: &Setting) -> Result<EncryptionKey, Failure> {
    let kid = Name::EncryptionKid;
    key_file(config, setting, kid, EncryptionKey::from_bytes)
}

type KeyReader<K> = fn(Zeroizing<Vec<u8>>, Option<&str>) -> Result<K, InvalidInput>;

/// Reads a key file. An error names the setting that is wrong: the file, or the kid that belongs to it.
fn key_file<K>(
    config: &Config,
    setting: &Setting,
    kid_name: Name,
    parse: KeyReader<K>,
) -> Result<K, Failure> {
    let kid = config.get(kid_name);
    parse(read(setting)?, kid.map(|kid| kid.text.as_str())).map_err(|error| {
        let about_kid = error.field().ends_with("_kid");
        match kid {
            Some(kid) if about_kid => Failure::input(&kid.source, error),
            None if about_kid => Failure::input(kid_name.name(), error),
            _ => Failure::input(&setting.source, error),
        }
    })
}

/// Returns the client certificate, in DER.
pub(crate) fn client_certificate(config: &Config) -> Result<Option<Vec<u8>>, Failure> {
    Ok(probe::client_certificate(&without_keys(config)?))
}

/// Returns what carries out the cryptography, in words.
pub(crate) fn cryptography(config: &Config) -> Result<String, Failure> {
    let found = probe::cryptography(to_host(config)?);
    let found = found.map_err(|error| of_setting(config, error))?;
    Ok(found.map_or_else(String::new, |found| found.to_string()))
}

/// Checks the address of D1, and the authorities that are trusted for it.
pub(crate) fn check_host(config: &Config) -> Result<(), Failure> {
    cryptography(config).map(drop)
}

/// Builds the client. An error names the setting that is wrong.
pub(crate) fn finish(config: &Config, builder: ClientBuilder) -> Result<Client, Failure> {
    builder.build().map_err(|error| of_setting(config, error))
}

/// Names the setting that an error is about.
pub(crate) fn of_setting(config: &Config, error: InvalidInput) -> Failure {
    let names: &[Name] = match error.field() {
        "environment" => &[Name::BaseUrl],
        // They do not belong together.
        "client_identity" => &[Name::ClientCert, Name::ClientKey],
        "client_identity_certificate" => &[Name::ClientCert],
        "client_identity_key" => &[Name::ClientKey],
        "root_certificate" => &[Name::Ca],
        "signing_key" | "signer" => &[Name::SigningKey],
        "encryption_key" => &[Name::EncryptionJwk],
        "aggregator_id" => &[Name::AggregatorId],
        "proxy" => &[Name::Proxy],
        "timeout" => &[Name::Timeout],
        "pool_idle_timeout" => &[Name::IdleTimeout],
        _ => return Failure::input("settings", error),
    };
    let places = names.iter().map(|name| match config.get(*name) {
        Some(setting) => setting.source.to_string(),
        None => name.name(),
    });
    Failure::input(places.collect::<Vec<_>>().join(" and "), error)
}

/// Reads a file. It may be a key, so its content is wiped when it is dropped.
pub(crate) fn read(setting: &Setting) -> Result<Zeroizing<Vec<u8>>, Failure> {
    fs::read(&setting.text)
        .map(Zeroizing::new)
        .map_err(|error| {
            let place = format!("{} {}", setting.source, printable(&masked(&setting.text)));
            Failure::unreadable(place, &error)
        })
}
