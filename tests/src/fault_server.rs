//! A server on a bare socket that breaks wherever a plan says: before the request, within the answer,
//! or not at all but wrongly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What the server does with a connection.
#[derive(Debug, Clone)]
pub enum Act {
    /// Resets it before reading anything.
    ResetBeforeRequest,
    /// Reads the request, then resets it.
    ResetAfterRequest,
    /// Reads nothing and says nothing.
    StallBeforeRequest,
    /// Reads the request, says this, and closes.
    Say(Vec<u8>),
    /// Reads the request, says this, and resets.
    SayAndReset(Vec<u8>),
    /// Reads the request, says this, and then nothing more.
    SayAndStall(Vec<u8>),
    /// Reads the request, says this, and then continues with the other, a little at a time, for ever.
    SayAndDrip(Vec<u8>, Vec<u8>),
}

impl Act {
    /// An answer as it should be.
    pub fn answer(status: u16, content_type: &str, body: &str) -> Self {
        Self::Say(answer(status, content_type, body))
    }
}

/// The bytes of an HTTP/1.1 answer.
pub fn answer(status: u16, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The frames of a server that leaves: SETTINGS, then GOAWAY with `reason` and something to say.
pub fn goaway(last_stream: u32, reason: u32, said: &str) -> Vec<u8> {
    let frame = |kind: u8, payload: &[u8]| {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 0]);
        frame.extend(payload);
        frame
    };
    let mut payload = last_stream.to_be_bytes().to_vec();
    payload.extend(reason.to_be_bytes());
    payload.extend(said.as_bytes());
    [frame(4, &[]), frame(7, &payload)].concat()
}

/// From one drop to the next.
const DRIP: std::time::Duration = std::time::Duration::from_millis(5);

/// What is done with the n-th request to a path, counted from 0.
pub type Script = Arc<dyn Fn(&str, usize) -> Act + Send + Sync>;

/// The server. It ends when it is dropped.
pub struct FaultServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    stalled: Arc<Notify>,
    task: JoinHandle<()>,
}

impl FaultServer {
    /// Starts a server that follows `script` for each request.
    ///
    /// For acts that do not wait for a request, the script is asked with an empty path.
    pub async fn start(script: impl Fn(&str, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (seen, read) = (connections.clone(), requests.clone());
        let script: Script = Arc::new(script);
        let stalled = Arc::<Notify>::default();
        let tell = stalled.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let n = seen.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, n, script.clone(), read.clone(), tell.clone()));
            }
        });
        Self {
            address,
            connections,
            requests,
            stalled,
            task,
        }
    }

    /// Waits until it keeps a connection open without anything new to say on it.
    pub async fn stalled(&self) {
        self.stalled.notified().await;
    }

    /// Its address, as a base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests for a card it read to their end.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many connections it accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    n: usize,
    script: Script,
    requests: Arc<AtomicUsize>,
    stalled: Arc<Notify>,
) {
    match script("", n) {
        Act::ResetBeforeRequest => return reset(&stream),
        Act::StallBeforeRequest => return stall(stream, &stalled).await,
        _ => {}
    }
    let Some(path) = read_request(&mut stream).await else {
        return;
    };
    let is_token = path.starts_with("/authz/");
    let n = if is_token {
        0
    } else {
        requests.fetch_add(1, Ordering::SeqCst)
    };
    match script(&path, n) {
        Act::ResetBeforeRequest | Act::ResetAfterRequest => reset(&stream),
        Act::StallBeforeRequest => stall(stream, &stalled).await,
        Act::Say(bytes) => {
            // The client may have left already.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Act::SayAndReset(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            reset(&stream);
        }
        Act::SayAndStall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            stall(stream, &stalled).await;
        }
        Act::SayAndDrip(bytes, drop) => {
            let mut clock = tokio::time::interval(DRIP);
            let mut next = bytes;
            while stream.write_all(&next).await.is_ok() {
                stalled.notify_one();
                clock.tick().await;
                next.clone_from(&drop);
            }
        }
    }
}

/// Has the connection, which the caller is about to drop, closed the hard way.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// Keeps the connection open until the client gives it up.
async fn stall(mut stream: TcpStream, stalled: &Notify) {
    stalled.notify_one();
    let mut sink = [0; 4096];
    while let Ok(1..) = stream.read(&mut sink).await {}
}

/// Reads a request to the end of its body; its path, or nothing if the client left.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(path) = complete(&bytes) {
            return Some(path);
        }
        match stream.read(&mut chunk).await {
            Ok(n @ 1..) => bytes.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

/// The path of a request, once all of it is there.
fn complete(bytes: &[u8]) -> Option<String> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length:"))
        .map_or(0, |v| v.trim().parse().unwrap());
    let whole = String::from_utf8_lossy(&bytes[..end]);
    (bytes.len() >= end + length).then(|| whole.split(' ').nth(1).unwrap().to_owned())
}
