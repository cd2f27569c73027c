//! The suites that are a program of their own: `schemathesis`, `tls` and `http`.

use std::process::Command;

use super::Row;
use super::tools::Tools;
use crate::error::Error;

/// How many cases schemathesis makes up for each operation, over 2,000 in all.
const CASES: &str = "260";

/// How many calls go through nginx.
const CALLS: &str = "10000";

/// Schemathesis against the sandbox.
pub(super) fn schemathesis(tools: &Tools) -> Result<Vec<Row>, Error> {
    let sandbox = tools.build("d1-sandbox")?;
    let mut peer = tools.python();
    peer.arg(tools.sources.join("schemathesis_peer.py"))
        .arg(sandbox)
        .arg(crate::spec::spec_path())
        .arg(CASES)
        .arg(tools.folder.join("schemathesis"));
    tools.rows("schemathesis", &mut peer)
}

/// OpenSSL's client against the sandbox, and its server against the facade.
pub(super) fn tls(tools: &Tools) -> Result<Vec<Row>, Error> {
    let mut peers = Command::new(tools.build("tls_peers")?);
    tools.rows("tls", peers.arg(tools.folder.join("tls")))
}

/// The facade through nginx.
pub(super) fn http(tools: &Tools) -> Result<Vec<Row>, Error> {
    let mut peers = Command::new(tools.build("http_peers")?);
    tools.rows("http", peers.arg(CALLS).arg(tools.folder.join("http")))
}
