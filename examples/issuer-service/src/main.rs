//! Runs the service until it gets SIGTERM or Ctrl-C.

use clap::Parser as _;
use issuer_service::settings::{Error, Settings};
use issuer_service::{log_as_json, server};

#[tokio::main]
async fn main() -> Result<(), Error> {
    log_as_json();
    server::run(&Settings::parse()).await
}
