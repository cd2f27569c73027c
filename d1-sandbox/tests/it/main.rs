//! The sandbox as its users have it: over the network, and as a program.
#![allow(clippy::unwrap_used)]

#[cfg(all(unix, feature = "cli"))]
mod binary;
mod common;
mod connections;
mod control;
mod faults;
mod issuer;
mod issuers;
mod life_cycle;
mod onboarding;
mod requests;
mod warnings;
