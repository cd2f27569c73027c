//! HTTP/2.

mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::server::SendResponse;
use http::{Request, Response};
use tokio::sync::Notify;

use super::plan::{Act, Body, Ending, Last, Plan};
use super::{Ledger, Tls, ends_with_alert, is_whole, reset, until_closed};
pub use wire::Wire;

/// The largest id that a stream can have.
const LARGEST: u32 = (1 << 31) - 1;

/// What the requests of one connection share.
struct Shared {
    wire: Wire,
    ledger: Ledger,
    plan: Mutex<Plan>,
    streams: Mutex<Streams>,
    end: Notify,
    ending: Mutex<Option<Ending>>,
}

/// What has become of the streams, beside what was said of them.
struct Streams {
    /// The last one that a GOAWAY has included.
    last: u32,
    /// The last one that was carried out.
    processed: u32,
    /// Those that came whole, and may be carried out, with the ids of their changes.
    whole: HashMap<u32, String>,
}

pub(super) async fn serve(tls: Tls, mut plan: Plan, ledger: Ledger) {
    let wire = Wire::new(tls);
    let mut builder = h2::server::Builder::new();
    if let Some(limit) = plan.streams() {
        builder.max_concurrent_streams(limit);
    }
    if plan.is_silent() {
        wire.mute();
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(wire.clone()).await else {
        return;
    };
    let shared = Arc::new(Shared {
        wire,
        ledger,
        plan: Mutex::new(plan),
        streams: Mutex::new(Streams {
            last: LARGEST,
            processed: 0,
            whole: HashMap::new(),
        }),
        end: Notify::new(),
        ending: Mutex::new(None),
    });
    let mut requests = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = shared.end.notified() => break,
        };
        let Some(Ok((request, respond))) = accepted else {
            break;
        };
        let shared = shared.clone();
        requests.spawn(async move { shared.request(request, respond).await });
    }
    // What was decided stays so: a request that is cut off here is not carried out later.
    requests.shutdown().await;
    drop(connection);
    let ending = shared.ending.lock().unwrap().take();
    let Some(tls) = shared.wire.end() else {
        return;
    };
    match ending {
        Some(Ending::Reset) => reset(tls.get_ref().0),
        Some(Ending::Alert(description)) => ends_with_alert(tls, description).await,
        Some(Ending::Silence) => until_closed(tls).await,
        Some(Ending::Close) | None => {}
    }
}

impl Shared {
    async fn request(
        &self,
        request: Request<h2::RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Option<()> {
        let id = request.headers()["x-correlation-id"].to_str().unwrap();
        let id = id.to_owned();
        let stream = respond.stream_id().as_u32();
        self.ledger.note(&id, |seen| seen.arrived += 1);
        let (act, processes) = {
            let mut plan = self.plan.lock().unwrap();
            (plan.act(true), plan.processes())
        };
        match act {
            Act::BreakAtHead => {
                self.end(Ending::Reset);
                return None;
            }
            Act::RefuseStream => {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
                return None;
            }
            _ => {}
        }
        if !is_whole(&read_body(request.into_body()).await?) {
            return None;
        }
        match act {
            Act::Refuse(status, form) => self.answer(respond, status, form).await,
            Act::Succeed(form) => self.succeed(respond, &id, stream, form).await,
            Act::Limit(limit) => {
                self.wire.inject(&settings(limit)).await;
                self.succeed(respond, &id, stream, Body::Whole).await;
            }
            Act::GoAway { last, reason } => {
                // Whether it is carried out before or after is not for the client to know.
                let before = processes && self.whole(&id, stream, true);
                self.go_away(last.stream(stream), reason).await;
                if before || self.whole(&id, stream, true) {
                    self.ledger.note(&id, |seen| seen.answered += 1);
                    self.answer(respond, 200, Body::Whole).await;
                }
            }
            Act::Answer(status, form) => {
                self.whole(&id, stream, processes);
                self.answer(respond, status, form).await;
            }
            Act::End(ending) => {
                self.whole(&id, stream, processes);
                self.end(ending);
            }
            Act::ResetStream(reason) => {
                self.whole(&id, stream, processes);
                respond.send_reset(reason.into());
            }
            Act::BreakAtHead | Act::RefuseStream => {}
        }
        Some(())
    }

    async fn succeed(&self, respond: SendResponse<Bytes>, id: &str, stream: u32, form: Body) {
        if self.whole(id, stream, true) {
            self.ledger.note(id, |seen| seen.answered += 1);
            self.answer(respond, 200, form).await;
        }
    }

    /// Notes a request that came whole, and carries it out unless a GOAWAY has excluded it. Whether it did.
    fn whole(&self, id: &str, stream: u32, processes: bool) -> bool {
        let mut streams = self.streams.lock().unwrap();
        if stream > streams.last {
            return false;
        }
        if processes {
            streams.processed = streams.processed.max(stream);
        }
        let is_new = streams.whole.insert(stream, id.to_owned()).is_none();
        self.ledger.note(id, |seen| {
            seen.perhaps += u32::from(is_new);
            seen.processed += u32::from(processes);
        });
        processes
    }

    /// Says GOAWAY, with a last stream that is `wanted` or as near to it as the truth allows.
    async fn go_away(&self, wanted: u32, reason: u32) {
        let last = {
            let mut streams = self.streams.lock().unwrap();
            let last = wanted.max(streams.processed).min(streams.last);
            streams.last = last;
            let ledger = &self.ledger;
            streams.whole.retain(|stream, id| {
                let stays = *stream <= last;
                ledger.note(id, |seen| seen.perhaps -= u32::from(!stays));
                stays
            });
            last
        };
        let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
        frame.extend(last.to_be_bytes());
        frame.extend(reason.to_be_bytes());
        self.wire.inject(&frame).await;
    }

    async fn answer(&self, mut respond: SendResponse<Bytes>, status: u16, form: Body) {
        let head = Response::builder().status(status);
        let head = head.header("location", "/elsewhere");
        let head = head.header("content-type", "application/json");
        // A client that has left gets none.
        let is_end = form == Body::None;
        let Ok(mut body) = respond.send_response(head.body(()).unwrap(), is_end) else {
            return;
        };
        match form {
            Body::None => {}
            Body::Whole => drop(body.send_data(Bytes::from_static(b"{}"), true)),
            Body::Cut => {
                let _ = body.send_data(Bytes::from_static(b"{"), false);
                body.send_reset(h2::Reason::INTERNAL_ERROR);
            }
            Body::ThenClose => {
                let _ = body.send_data(Bytes::from_static(b"{}"), true);
                self.go_away(LARGEST, 0).await;
            }
        }
    }

    fn end(&self, ending: Ending) {
        match ending {
            // It still reads, so that the ledger is kept.
            Ending::Silence => self.wire.mute(),
            _ => {
                *self.ending.lock().unwrap() = Some(ending);
                self.end.notify_one();
            }
        }
    }
}

/// A SETTINGS frame with this limit of streams.
pub fn settings(limit: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3];
    frame.extend(limit.to_be_bytes());
    frame
}

async fn read_body(mut body: h2::RecvStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        let _ = body.flow_control().release_capacity(chunk.len());
        read.extend_from_slice(&chunk);
    }
    Some(read)
}

impl Last {
    /// The last stream that a GOAWAY names, which comes while `stream` is answered.
    fn stream(self, stream: u32) -> u32 {
        match self {
            Self::Below => stream - 2.min(stream),
            Self::At => stream,
            Self::Above => LARGEST,
        }
    }
}
