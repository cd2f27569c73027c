//! An HTTP client with a client certificate, over the TLS of OpenSSL.

use std::error::Error;

use reqwest::{Certificate, Client, Identity, tls::Version};

pub fn client(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Client, Box<dyn Error>> {
    let identity = Identity::from_pkcs8_pem(certificate, key)?;
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(ca)?])
        .tls_version_min(Version::TLS_1_2)
        .identity(identity)
        .no_proxy();
    Ok(client.build()?)
}
