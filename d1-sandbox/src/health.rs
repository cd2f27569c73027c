//! Finds out whether a sandbox in another process works, for the health check of a container.

use crate::crypto::key_folder::{CA, CLIENT_CERTIFICATE, CLIENT_KEY};
use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
use std::error::Error;
use std::fs;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

/// How long the sandbox may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes a TLS handshake as the client whose files are in a directory. It sends no request, so that none is recorded.
pub(crate) fn check(directory: &Path) -> Result<(), Box<dyn Error>> {
    let environment = fs::read_to_string(directory.join("d1.env"))?;
    let url = environment.lines().find_map(|line| {
        let url = line.strip_prefix("export D1_BASE_URL='https://")?;
        url.strip_suffix('\'')
    });
    let address = url.and_then(|url| url.rsplit_once(':'));
    let (host, port) = address.ok_or("d1.env has no address")?;
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_ca_file(directory.join(CA))?;
    builder.set_certificate_chain_file(directory.join(CLIENT_CERTIFICATE))?;
    builder.set_private_key_file(directory.join(CLIENT_KEY), SslFiletype::PEM)?;
    let connector = builder.build();
    // The names of --san may be those of other machines' resolvers alone.
    let names = [host.trim_matches(['[', ']']), "127.0.0.1", "::1"];
    let addresses = names.map(|name| (name, port.parse().unwrap_or(0)).to_socket_addrs());
    let mut addresses = addresses.into_iter().flatten().flatten();
    let stream = addresses.find_map(|address| TcpStream::connect_timeout(&address, TIMEOUT).ok());
    let stream = stream.ok_or("it does not listen")?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    // The certificate has this name in any case.
    connector
        .connect("localhost", stream)
        .map_err(|_| "the TLS handshake fails")?;
    Ok(())
}
