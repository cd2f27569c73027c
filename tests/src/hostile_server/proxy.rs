//! A proxy before the server that breaks as well.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::plan::{OnConnect, Plan};
use super::{reset, until_closed};

/// Opens a tunnel to the server, or does not.
pub(super) async fn serve(mut client: TcpStream, server: SocketAddr, mut plan: Plan) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match client.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let answer: &[u8] = match plan.on_connect() {
        OnConnect::Tunnel => {
            let Ok(mut tunnel) = TcpStream::connect(server).await else {
                return;
            };
            let opened = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n";
            let _ = client.write_all(opened).await;
            let passed = tokio::io::copy_bidirectional(&mut client, &mut tunnel).await;
            if passed.is_err() {
                // The other side is to see it as well.
                reset(&client);
                reset(&tunnel);
            }
            return;
        }
        OnConnect::Reset => return reset(&client),
        OnConnect::Silent => return until_closed(client).await,
        OnConnect::Refuse => b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
        OnConnect::WantPassword => b"HTTP/1.1 407 Who\r\nproxy-authenticate: Basic\r\n\r\n",
        OnConnect::Garbage => b"220 mail.example ESMTP\r\n\r\n",
    };
    let _ = client.write_all(answer).await;
    let _ = client.shutdown().await;
    until_closed(client).await;
}
