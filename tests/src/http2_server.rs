//! A server that speaks HTTP/2 over TLS and asks for a client certificate, as D1 does, and says what it is
//! told to in the places that HTTP/2 has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Response};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_openssl::default_provider;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{certificate, foreign_identity};

/// What the server does with a connection.
#[derive(Debug, Clone)]
pub enum Http2Act {
    /// Answers each request with this, after a body the trailers.
    Answer(Box<(Response<String>, HeaderMap)>),
    /// Resets the stream of each request, for this reason.
    Reset(u32),
    /// Reads the first request, says these bytes, and closes.
    Frames(Vec<u8>),
}

/// The server. It ends when it is dropped.
pub struct Http2Server {
    address: SocketAddr,
    /// The certificate of the server, as PEM.
    pub root: Vec<u8>,
    /// A client certificate that it takes, and its key, as PEM.
    pub identity: (Vec<u8>, Vec<u8>),
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Http2Server {
    /// Starts a server that does the same with each connection.
    pub async fn start(act: Http2Act) -> Self {
        let (certificate, key) = certificate("localhost", 1);
        let identity = foreign_identity();
        let mut clients = RootCertStore::empty();
        let trusted = openssl::x509::X509::from_pem(&identity.0).unwrap();
        clients.add(trusted.to_der().unwrap().into()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
        let key = key.private_key_to_pkcs8().unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![certificate.to_der().unwrap().into()],
                key.try_into().unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<AtomicUsize>::default();
        let seen = requests.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, act, seen) = (acceptor.clone(), act.clone(), seen.clone());
                tokio::spawn(async move {
                    // A client that leaves is none of its business.
                    if let Ok(stream) = Box::pin(acceptor.accept(stream)).await {
                        let _ = Box::pin(serve(stream, act, &seen)).await;
                    }
                });
            }
        });
        Self {
            address,
            root: certificate.to_pem().unwrap(),
            identity,
            requests,
            task,
        }
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Its address, as a base URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

impl Drop for Http2Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TlsStream<TcpStream>,
    act: Http2Act,
    seen: &AtomicUsize,
) -> Result<(), h2::Error> {
    if let Http2Act::Frames(frames) = &act {
        // What a client sends first fits into one read, or is not waited for.
        let _ = stream.read(&mut [0; 16 * 1024]).await;
        seen.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(frames).await;
        let _ = stream.shutdown().await;
        return Ok(());
    }
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(accepted) = connection.accept().await {
        let (request, mut respond) = accepted?;
        seen.fetch_add(1, Ordering::SeqCst);
        let mut body = request.into_body();
        tokio::spawn({
            let act = act.clone();
            async move {
                while let Some(Ok(data)) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.len());
                }
                match act {
                    Http2Act::Answer(answer) => {
                        let (answer, trailers) = *answer;
                        let (head, body) = answer.into_parts();
                        let head = Response::from_parts(head, ());
                        let mut send = respond.send_response(head, false)?;
                        send.send_data(Bytes::from(body), false)?;
                        send.send_trailers(trailers)?;
                    }
                    Http2Act::Reset(reason) => respond.send_reset(reason.into()),
                    Http2Act::Frames(_) => {}
                }
                Ok::<_, h2::Error>(())
            }
        });
    }
    Ok(())
}
