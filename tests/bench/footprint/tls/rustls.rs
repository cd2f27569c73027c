//! An HTTP client with a client certificate, over rustls and the provider that `footprint.py` names.

mod provider;

use std::error::Error;

use reqwest::{Certificate, Client, Identity};

pub fn client(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Client, Box<dyn Error>> {
    let installed = provider::default_provider().install_default();
    installed.map_err(|_| "there is a provider already")?;
    let identity = Identity::from_pem(&[certificate, key].concat())?;
    let client = Client::builder()
        .tls_certs_only([Certificate::from_pem(ca)?])
        .identity(identity)
        .no_proxy();
    Ok(client.build()?)
}
