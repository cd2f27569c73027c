//! The variables of the environment from which a client can be built: those of the program `d1`, which `d1-sandbox`
//! writes for its own clients.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::time::Duration;

use zeroize::Zeroizing;

use super::ClientBuilder;
use crate::auth::assertion::SigningKey;
use crate::client::Client;
use crate::config::Environment;
use crate::crypto::{EncryptionKey, Identity};
use crate::error::InvalidInput;

const BASE_URL: &str = "D1_BASE_URL";
const ISSUER_ID: &str = "D1_ISSUER_ID";
const AGGREGATOR_ID: &str = "D1_AGGREGATOR_ID";
const SIGNING_KEY: &str = "D1_SIGNING_KEY";
const SIGNING_KID: &str = "D1_SIGNING_KID";
const ENCRYPTION_JWK: &str = "D1_ENCRYPTION_JWK";
const ENCRYPTION_KID: &str = "D1_ENCRYPTION_KID";
const CLIENT_CERT: &str = "D1_CLIENT_CERT";
const CLIENT_KEY: &str = "D1_CLIENT_KEY";
const CA: &str = "D1_CA";
const PROXY: &str = "D1_PROXY";
const TIMEOUT: &str = "D1_TIMEOUT";
const IDLE_TIMEOUT: &str = "D1_IDLE_TIMEOUT";
const REQUIRE_FIPS: &str = "D1_REQUIRE_FIPS";

impl Client {
    /// Builds a client from the variables of the environment that [`ClientBuilder::from_env`] reads.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), d1_facade::InvalidInput> {
    /// let d1 = d1_facade::Client::from_env()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`ClientBuilder::from_env`] and [`ClientBuilder::build`].
    pub fn from_env() -> Result<Self, InvalidInput> {
        ClientBuilder::from_env()?.build()
    }
}

impl ClientBuilder {
    /// Lists the variables that [`from_env`](Self::from_env) reads.
    pub const VARIABLES: &'static [&'static str] = &[
        BASE_URL,
        ISSUER_ID,
        AGGREGATOR_ID,
        SIGNING_KEY,
        SIGNING_KID,
        ENCRYPTION_JWK,
        ENCRYPTION_KID,
        CLIENT_CERT,
        CLIENT_KEY,
        CA,
        PROXY,
        TIMEOUT,
        IDLE_TIMEOUT,
        REQUIRE_FIPS,
    ];

    /// Returns a builder with the settings of the environment, to which more can be added.
    ///
    /// | variable | setting |
    /// |---|---|
    /// | `D1_BASE_URL` | the address of D1, `https://host`; must be given |
    /// | `D1_ISSUER_ID` | the id of the issuer; must be given, unless [`build_aggregator`](Self::build_aggregator) is called |
    /// | `D1_AGGREGATOR_ID` | [`aggregator_id`](Self::aggregator_id) |
    /// | `D1_SIGNING_KEY`, `D1_SIGNING_KID` | [`signer`](Self::signer): a file, PEM or JWK, and its `kid` |
    /// | `D1_ENCRYPTION_JWK`, `D1_ENCRYPTION_KID` | [`encryption_key`](Self::encryption_key): a file, JWK or PEM, and its `kid` |
    /// | `D1_CLIENT_CERT`, `D1_CLIENT_KEY` | [`client_identity`](Self::client_identity): two files |
    /// | `D1_CA` | a file with the authorities that are trusted [instead of the system's](Self::without_system_roots) |
    /// | `D1_PROXY` | [`proxy`](Self::proxy) |
    /// | `D1_TIMEOUT`, `D1_IDLE_TIMEOUT` | [`timeout`](Self::timeout), [`pool_idle_timeout`](Self::pool_idle_timeout): whole seconds from 1 to 86400 |
    /// | `D1_REQUIRE_FIPS` | [`require_fips`](Self::require_fips), where it is `true`; `false` by default |
    ///
    /// They are those of the program `d1`, and the sandbox writes them into its `d1.env`. Profiles (`D1_PROFILE`) are
    /// `d1`'s alone, so that there is no default for the address. A variable that is empty counts as not given.
    ///
    /// ```no_run
    /// # fn f() -> Result<(), d1_facade::InvalidInput> {
    /// use d1_facade::ClientBuilder;
    ///
    /// let d1 = ClientBuilder::from_env()?.user_agent("card-service/1.0").build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a variable is missing, names a file that cannot be read, or has another value than it may have. The field of
    /// the error is the variable, or the setting where [`build`](Self::build) finds it. The error never has the value.
    pub fn from_env() -> Result<Self, InvalidInput> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Returns a builder with the settings that `value` returns for the [`VARIABLES`](Self::VARIABLES), for a service
    /// that has them elsewhere than in its environment. The rules are those of [`from_env`](Self::from_env).
    ///
    /// ```no_run
    /// # fn f(settings: std::collections::HashMap<String, String>) -> Result<(), d1_facade::InvalidInput> {
    /// use d1_facade::ClientBuilder;
    ///
    /// let builder = ClientBuilder::from_variables(|name| settings.get(name).map(Into::into))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`from_env`](Self::from_env).
    pub fn from_variables(value: impl Fn(&str) -> Option<OsString>) -> Result<Self, InvalidInput> {
        let given = Variables(&value);
        let aggregator = given.get(AGGREGATOR_ID)?;
        let issuer = given.get(ISSUER_ID)?.map(|id| id.parse()).transpose();
        let issuer = issuer.map_err(|e: InvalidInput| about(ISSUER_ID, &e))?;
        if issuer.is_none() && aggregator.is_none() {
            return Err(missing(ISSUER_ID));
        }
        let mut builder = Self::new(Environment::Custom(given.need(BASE_URL)?), issuer);
        if let Some(id) = aggregator {
            builder = builder.aggregator_id(id);
        }
        if let Some(bytes) = given.file(SIGNING_KEY)? {
            let kid = given.get(SIGNING_KID)?;
            let key = SigningKey::from_bytes(bytes, kid.as_deref());
            builder = builder.signer(key.map_err(of_key(SIGNING_KEY, SIGNING_KID))?);
        }
        if let Some(bytes) = given.file(ENCRYPTION_JWK)? {
            let kid = given.get(ENCRYPTION_KID)?;
            let key = EncryptionKey::from_bytes(bytes, kid.as_deref());
            builder = builder.encryption_key(key.map_err(of_key(ENCRYPTION_JWK, ENCRYPTION_KID))?);
        }
        match (given.file(CLIENT_CERT)?, given.file(CLIENT_KEY)?) {
            (Some(certificate), Some(key)) => {
                builder = builder.client_identity(Identity::from_pem(&*certificate, &*key)?);
            }
            (None, None) => {}
            (Some(_), None) => return Err(missing(CLIENT_KEY)),
            (None, Some(_)) => return Err(missing(CLIENT_CERT)),
        }
        if let Some(roots) = given.file(CA)? {
            builder = builder.root_certificate(&*roots).without_system_roots();
        }
        if let Some(url) = given.get(PROXY)? {
            builder = builder.proxy(url);
        }
        if let Some(time) = given.seconds(TIMEOUT)? {
            builder = builder.timeout(time);
        }
        if let Some(time) = given.seconds(IDLE_TIMEOUT)? {
            builder = builder.pool_idle_timeout(time);
        }
        match given.get(REQUIRE_FIPS)?.as_deref() {
            Some("true") => Ok(builder.require_fips()),
            Some("false") | None => Ok(builder),
            Some(_) => Err(InvalidInput::new(REQUIRE_FIPS, "must be true or false")),
        }
    }
}

/// The variables, by name.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<OsString>);

impl Variables<'_> {
    fn get(&self, name: &'static str) -> Result<Option<String>, InvalidInput> {
        let value = self.0(name).filter(|value| !value.is_empty());
        let text = value.map(OsString::into_string).transpose();
        text.map_err(|_| InvalidInput::new(name, "must be UTF-8"))
    }

    fn need(&self, name: &'static str) -> Result<String, InvalidInput> {
        self.get(name)?.ok_or_else(|| missing(name))
    }

    /// Reads the file that a variable names. It may be a key.
    fn file(&self, name: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, InvalidInput> {
        let bytes = self.get(name)?.map(fs::read).transpose();
        let unreadable = |e: io::Error| match e.kind() {
            io::ErrorKind::NotFound => "names a file that does not exist".to_owned(),
            kind => format!("names a file that cannot be read: {kind}"),
        };
        let bytes = bytes.map_err(|e| InvalidInput::new(name, unreadable(e)))?;
        Ok(bytes.map(Zeroizing::new))
    }

    fn seconds(&self, name: &'static str) -> Result<Option<Duration>, InvalidInput> {
        let Some(text) = self.get(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(seconds @ 1..=86_400) => Ok(Some(Duration::from_secs(seconds))),
            _ => {
                let rule = "must be a whole number of seconds from 1 to 86400";
                Err(InvalidInput::new(name, rule))
            }
        }
    }
}

fn missing(name: &'static str) -> InvalidInput {
    InvalidInput::new(name, "must be given")
}

/// Returns an error that names the variable.
fn about(name: &'static str, error: &InvalidInput) -> InvalidInput {
    InvalidInput::new(name, error.rule().to_owned())
}

/// Returns what names the variable of a key that cannot be read, or that of its `kid`.
fn of_key(key: &'static str, kid: &'static str) -> impl FnOnce(InvalidInput) -> InvalidInput {
    move |error| match error.field().ends_with("_kid") {
        true => about(kid, &error),
        false => about(key, &error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use super::*;

    fn build(variables: &BTreeMap<String, String>) -> Result<Client, InvalidInput> {
        let get = |name: &str| variables.get(name).map(OsString::from);
        ClientBuilder::from_variables(get)?.build()
    }

    #[tokio::test]
    async fn the_variables_of_the_sandbox_make_a_client() {
        let folder = std::env::temp_dir().join(format!("d1-from-env-{}", std::process::id()));
        let sandbox = d1_sandbox::Sandbox::start().await.unwrap();
        sandbox.write_files(&folder).unwrap();
        let text = fs::read_to_string(folder.join("d1.env")).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("export "));
        let pairs = lines.filter_map(|line| line.split_once('='));
        let mut written: BTreeMap<_, _> = pairs
            .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
            .collect();
        let d1 = build(&written).unwrap();
        d1.card("ReplaceMe01".parse().unwrap())
            .suspend()
            .await
            .unwrap();
        assert_eq!(d1.issuer().as_str(), sandbox.issuer_id());
        assert_eq!(d1.environment().url(), sandbox.base_url());

        let with = |name: &str, value: &str| {
            let mut changed = written.clone();
            changed.insert(name.to_owned(), value.to_owned());
            build(&changed).map(drop)
        };
        for (name, value, field) in [
            (BASE_URL, "", BASE_URL),
            (BASE_URL, "http://d1.example", "environment"),
            (ISSUER_ID, "short", ISSUER_ID),
            (SIGNING_KEY, "/no/such/file", SIGNING_KEY),
            (SIGNING_KID, "", SIGNING_KID),
            (CLIENT_KEY, "", CLIENT_KEY),
            (CLIENT_CERT, "", CLIENT_CERT),
            (TIMEOUT, "0", TIMEOUT),
            (IDLE_TIMEOUT, "1.5", IDLE_TIMEOUT),
            (AGGREGATOR_ID, "a b", "aggregator_id"),
            (PROXY, "nonsense", "proxy"),
            (REQUIRE_FIPS, "yes", REQUIRE_FIPS),
        ] {
            let refused = with(name, value).unwrap_err();
            assert_eq!(refused.field(), field, "{name}={value}: {refused}");
        }
        with(TIMEOUT, "20").unwrap();
        with(REQUIRE_FIPS, "false").unwrap();
        // Where OpenSSL has a FIPS module, the client is built.
        let required = with(REQUIRE_FIPS, "true").map_err(|refused| refused.field().to_owned());
        assert!(required.is_ok() || required == Err("require_fips".to_owned()));

        let aggregator = [(ISSUER_ID, ""), (AGGREGATOR_ID, "AGGREGATOR-1")];
        written.extend(aggregator.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let get = |name: &str| written.get(name).map(OsString::from);
        let builder = || ClientBuilder::from_variables(get).unwrap();
        assert_eq!(builder().build().unwrap_err().field(), "issuer");
        builder().build_aggregator().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }
}
