//! The suite `jose`: tokens between the facade, the sandbox and JOSE libraries that others wrote.

use std::process::Command;

use super::Row;
use super::tools::Tools;
use crate::error::Error;

/// How many tokens go each way between the facade, or the sandbox, and each JOSE library.
const TOKENS: &str = "1000";

pub(super) fn run(tools: &Tools) -> Result<Vec<Row>, Error> {
    let python = tools.python_path();
    let script = tools.sources.join("jwcrypto_peer.py");
    let mut peers = Command::new(tools.build("jose_peers")?);
    peers
        .args([TOKENS, "node jose.mjs", "node node-jose.cjs"])
        .arg(format!("{} {}", python.display(), script.display()))
        .current_dir(&tools.folder);
    let mut rows = tools.rows("jose", &mut peers)?;

    let mut vectors = Command::new(tools.build("jose_vectors")?);
    vectors
        .arg(python)
        .arg(tools.sources.join("jwe_cases.py"))
        .current_dir(&tools.folder);
    rows.extend(tools.rows("jose", &mut vectors)?);
    Ok(rows)
}
