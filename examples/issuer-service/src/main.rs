//! Runs the service until it gets SIGTERM or Ctrl-C.

use clap::Parser as _;
use issuer_service::settings::Settings;
use issuer_service::{server, telemetry};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    telemetry::log_as_json();
    let settings = Settings::parse();
    server::run(&settings).await
}
