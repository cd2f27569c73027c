//! HTTP/1.1.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::plan::{Act, Body, Ending, Plan};
use super::{Ledger, Tls, ends_with_alert, is_whole, reset, until_closed};

pub(super) async fn serve(mut tls: Tls, mut plan: Plan, ledger: Ledger) {
    let mut read = Vec::new();
    while let Some((id, length)) = head(&mut tls, &mut read).await {
        ledger.note(&id, |seen| seen.arrived += 1);
        let act = plan.act(false);
        if act == Act::BreakAtHead {
            return reset(tls.get_ref().0);
        }
        let Some(body) = body(&mut tls, &mut read, length).await else {
            return;
        };
        let note = |is_perhaps: bool, is_processed: bool| {
            let is_whole = is_whole(&body);
            ledger.note(&id, |seen| {
                seen.perhaps += u32::from(is_perhaps && is_whole);
                seen.processed += u32::from(is_processed && is_whole);
            });
        };
        let (status, form) = match act {
            Act::Succeed(form) => {
                note(true, true);
                ledger.note(&id, |seen| seen.answered += 1);
                (200, form)
            }
            Act::Refuse(status, form) => {
                note(false, false);
                (status, form)
            }
            Act::Answer(status, form) => {
                note(true, plan.processes());
                (status, form)
            }
            Act::End(ending) => {
                // Without an answer, that an alert comes after the handshake is shown by the tickets alone.
                note(true, plan.processes());
                return end(tls, ending).await;
            }
            other => unreachable!("{other:?} is HTTP/2's"),
        };
        if tls.write_all(&answer(status, form)).await.is_err() || tls.flush().await.is_err() {
            return;
        }
        match form {
            Body::None | Body::Whole => {}
            Body::Cut => return reset(tls.get_ref().0),
            Body::ThenClose => {
                let _ = tls.shutdown().await;
                return;
            }
        }
    }
}

async fn end(mut tls: Tls, ending: Ending) {
    match ending {
        Ending::Reset => reset(tls.get_ref().0),
        Ending::Close => drop(tls.shutdown().await),
        Ending::Silence => until_closed(tls).await,
        Ending::Alert(description) => ends_with_alert(tls, description).await,
    }
}

fn answer(status: u16, form: Body) -> Vec<u8> {
    let (length, body) = match form {
        Body::None => (0, ""),
        Body::Whole | Body::ThenClose => (2, "{}"),
        Body::Cut => (100, "{"),
    };
    let close = if form == Body::ThenClose {
        "connection: close\r\n"
    } else {
        ""
    };
    format!(
        "HTTP/1.1 {status} Status\r\n{close}location: /elsewhere\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

async fn more(tls: &mut Tls, read: &mut Vec<u8>) -> Option<()> {
    let mut space = [0; 4096];
    match tls.read(&mut space).await {
        Ok(count @ 1..) => {
            read.extend_from_slice(&space[..count]);
            Some(())
        }
        _ => None,
    }
}

/// Reads the head of the next request: its correlation id, and the length of its body.
async fn head(tls: &mut Tls, read: &mut Vec<u8>) -> Option<(String, usize)> {
    loop {
        if let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") {
            let head: Vec<u8> = read.drain(..end + 4).collect();
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let value = |name: &str| {
                let mut lines = head.lines();
                lines.find_map(|l| Some(l.strip_prefix(name)?.trim().to_owned()))
            };
            let length = value("content-length:").map_or(0, |v| v.parse().unwrap());
            return Some((value("x-correlation-id:").unwrap(), length));
        }
        more(tls, read).await?;
    }
}

async fn body(tls: &mut Tls, read: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while read.len() < length {
        more(tls, read).await?;
    }
    Some(read.drain(..length).collect())
}
