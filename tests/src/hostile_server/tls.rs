//! The server's side of TLS.

use std::sync::{Arc, LazyLock};

use openssl::symm::{Cipher, encrypt_aead};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ConnectionTrafficSecrets, DigitallySignedStruct, DistinguishedName, Error,
    ServerConfig, SignatureScheme,
};
use rustls_openssl::{cipher_suite, default_provider};
use tokio::io::AsyncWriteExt as _;

use super::{Tls, until_closed};
use crate::{certificate, foreign_identity};

/// The certificates that all hostile servers and their clients share.
pub struct Material {
    /// The certificate of the server, as PEM.
    pub root: Vec<u8>,
    /// A client certificate and its key, as PEM.
    pub identity: (Vec<u8>, Vec<u8>),
    certificate: Vec<u8>,
    key: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl Material {
    /// Makes them once.
    pub fn get() -> &'static Self {
        static MATERIAL: LazyLock<Material> = LazyLock::new(|| {
            let (certificate, key) = certificate("localhost", 1);
            Material {
                root: certificate.to_pem().unwrap(),
                identity: foreign_identity(),
                certificate: certificate.to_der().unwrap(),
                key: key.private_key_to_pkcs8().unwrap(),
                provider: Arc::new(CryptoProvider {
                    cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
                    ..default_provider()
                }),
            }
        });
        &MATERIAL
    }

    /// The configuration of a server that takes every client certificate, or none of them, for this reason.
    pub fn config(
        &'static self,
        alpn: &[u8],
        refusal: Option<CertificateError>,
    ) -> Arc<ServerConfig> {
        let clients = Clients {
            refusal,
            provider: self.provider.clone(),
        };
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(clients))
            .with_single_cert(
                vec![self.certificate.clone().into()],
                self.key.clone().try_into().unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        config.enable_secret_extraction = true;
        Arc::new(config)
    }
}

#[derive(Debug)]
struct Clients {
    refusal: Option<CertificateError>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.refusal {
            None => Ok(ClientCertVerified::assertion()),
            Some(why) => Err(Error::InvalidCertificate(why.clone())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Ends a connection of TLS 1.3 with an alert that rustls would send in a handshake alone: seals its record by hand
/// (RFC 8446, section 5.2).
pub async fn ends_with_alert(tls: Tls, description: u8) {
    let (mut tcp, connection) = tls.into_inner();
    let (sequence, secrets) = connection.dangerous_extract_secrets().unwrap().tx;
    let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else {
        unreachable!("the only cipher suite")
    };
    let mut nonce = iv.as_ref().to_vec();
    for (byte, counter) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
        *byte ^= counter;
    }
    // Fatal, the description, and the type of the record: an alert.
    let plain = [2, description, 21];
    let header = [23, 3, 3, 0, 3 + 16];
    let mut tag = [0; 16];
    let cipher = Cipher::aes_128_gcm();
    let sealed = encrypt_aead(
        cipher,
        key.as_ref(),
        Some(&nonce),
        &header,
        &plain,
        &mut tag,
    );
    let record = [&header[..], &sealed.unwrap(), &tag].concat();
    let _ = tcp.write_all(&record).await;
    let _ = tcp.shutdown().await;
    until_closed(tcp).await;
}
