//! The settings that are also options of the command line.

use super::{ErrorBodies, Mode, SuccessStyle};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What [`Builder`](super::Builder) and the command line set alike.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "options", derive(clap::Args))]
pub(crate) struct Options {
    /// The port to listen on; 0 takes a free one
    #[cfg_attr(feature = "options", arg(long, default_value_t = 0, value_parser = parse::port))]
    pub(crate) port: u16,
    /// The address to listen on
    #[cfg_attr(feature = "options", arg(long, default_value_t = LOOPBACK))]
    pub(crate) bind: IpAddr,
    /// A name that clients call the sandbox by, a DNS name or an IP address; the first one stands in
    /// D1_BASE_URL. Give it again for others
    #[cfg_attr(feature = "options", arg(long = "san", value_name = "NAME"))]
    pub(crate) server_names: Vec<String>,
    /// Opens the control API and its page on this port; 0 takes a free one
    #[cfg_attr(feature = "options", arg(long, value_name = "PORT", value_parser = parse::port))]
    pub(crate) control_port: Option<u16>,
    /// The address of the control port. On one that other machines can reach, each request needs a token,
    /// which is printed at the start
    #[cfg_attr(feature = "options", arg(long, value_name = "ADDRESS", default_value_t = LOOPBACK))]
    pub(crate) control_bind: IpAddr,
    /// Whether the tenant was migrated to V2
    #[cfg_attr(feature = "options", arg(long, value_enum, default_value_t))]
    pub(crate) mode: Mode,
    /// The id of an aggregator that calls for the issuer
    #[cfg_attr(feature = "options", arg(long, value_name = "ID"))]
    pub(crate) aggregator: Option<String>,
    /// Refuses what is otherwise accepted with a warning, because D1 may refuse it
    #[cfg_attr(feature = "options", arg(long))]
    pub(crate) strict: bool,
    /// Makes ids and times of operations, and what chance decides, the same in every run
    #[cfg_attr(feature = "options", arg(long, value_parser = parse::number))]
    pub(crate) seed: Option<u64>,
    /// How long access tokens live, in seconds
    #[cfg_attr(feature = "options", arg(long, value_name = "SECONDS", default_value = "900", value_parser = parse::seconds))]
    pub(crate) token_lifetime: Duration,
    /// The response to a successful change
    #[cfg_attr(
        feature = "options",
        arg(long = "success", value_enum, default_value_t)
    )]
    pub(crate) success_style: SuccessStyle,
    /// What the body of an error holds
    #[cfg_attr(feature = "options", arg(long, value_enum, default_value_t))]
    pub(crate) error_bodies: ErrorBodies,
    /// Leaves remainingOperations out of lists
    #[cfg_attr(feature = "options", arg(long))]
    pub(crate) without_count: bool,
    /// Does not offer HTTP/2
    #[cfg_attr(feature = "options", arg(long))]
    pub(crate) http1_only: bool,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            bind: LOOPBACK,
            server_names: Vec::new(),
            control_port: None,
            control_bind: LOOPBACK,
            mode: Mode::default(),
            aggregator: None,
            strict: false,
            seed: None,
            token_lifetime: Duration::from_secs(900),
            success_style: SuccessStyle::default(),
            error_bodies: ErrorBodies::default(),
            without_count: false,
            http1_only: false,
        }
    }
}

/// The values of options. No error repeats what was given, which may be card data in the wrong place.
#[cfg(feature = "options")]
mod parse {
    use std::time::Duration;

    pub(super) fn port(text: &str) -> Result<u16, &'static str> {
        text.parse()
            .map_err(|_| "must be a whole number from 0 to 65535")
    }

    pub(super) fn number(text: &str) -> Result<u64, &'static str> {
        text.parse()
            .map_err(|_| "must be a whole number from 0 to 18446744073709551615")
    }

    pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
        number(text).map(Duration::from_secs)
    }
}
