//! A server behind mutual TLS that does no more than answer: `null_server FOLDER [http1]`. It writes what clients
//! need into the folder, as the sandbox does: certificates, a key, and `d1.env`. Its first line says that it is
//! ready.
#![allow(clippy::unwrap_used)] // A tool of the benchmarks.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use d1_bench::{null, say};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(arguments.first().map_or(".", String::as_str));
    let http1_only = arguments.get(1).is_some_and(|protocol| protocol == "http1");
    let server = null::serve(http1_only).await;
    fs::create_dir_all(folder).unwrap();
    let mut environment = format!("export D1_BASE_URL='{}'\n", server.base_url);
    for (variable, name, content) in [
        ("D1_CA", "ca.pem", &server.ca),
        ("D1_CLIENT_CERT", "client.pem", &server.certificate),
        ("D1_CLIENT_KEY", "client.key", &server.key),
    ] {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        environment += &format!("export {variable}='{}'\n", path.display());
    }
    fs::write(folder.join("d1.env"), environment).unwrap();
    say!("{} until Ctrl-C", server.base_url);
    std::io::stdout().flush().unwrap();
    std::future::pending::<()>().await;
}
