//! The sandbox as its users have it: over the network, and as a program.
#![allow(clippy::unwrap_used)]

#[cfg(all(unix, feature = "cli"))]
mod binary;
mod common;
mod connections;
mod control;
mod control_guard;
mod faults;
mod issuer;
mod issuers;
mod kept_keys;
mod kept_state;
mod life_cycle;
mod onboarding;
mod records;
mod requests;
#[cfg(all(unix, feature = "cli"))]
mod standard_error;
mod warnings;
