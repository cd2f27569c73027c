//! Passes TCP connections on and counts them: what a server, a NAT or a load balancer sees of a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Default)]
struct Counts {
    opened: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

/// A gate before a server on this machine; it ends with the runtime.
pub(crate) struct Gate {
    url: String,
    counts: Counts,
}

impl Gate {
    pub(crate) async fn before(server: &str) -> std::io::Result<Self> {
        let server = server.trim_start_matches("https://").to_owned();
        // The certificate has this name.
        let listener = TcpListener::bind("localhost:0").await?;
        let url = format!("https://localhost:{}", listener.local_addr()?.port());
        let counts = Counts::default();
        tokio::spawn(accept(listener, server, counts.clone()));
        Ok(Self { url, counts })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many connections there ever were.
    pub(crate) fn opened(&self) -> usize {
        self.counts.opened.load(Ordering::SeqCst)
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.opened() - self.counts.closed.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, server: String, counts: Counts) {
    while let Ok((mut client, _)) = listener.accept().await {
        counts.opened.fetch_add(1, Ordering::SeqCst);
        let (server, counts) = (server.clone(), counts.clone());
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect(server).await {
                // Whichever side ends it, and however, it has ended.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
            counts.closed.fetch_add(1, Ordering::SeqCst);
        });
    }
}
