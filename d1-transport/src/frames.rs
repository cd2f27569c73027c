//! Reads the frames of HTTP/2 that say what a server has read.

/// A frame from an HTTP/2 server, as far as it matters here.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    /// How many streams the server allows at a time; `None` where it does not say.
    Settings(Option<u32>),
    /// The connection takes no further requests.
    GoAway,
    /// The server has the client's settings.
    SettingsAck,
    /// It is about what the client has sent after them: a ping that comes back, or the frame of a stream.
    Answer,
    /// Any other one, which a server may send before it reads anything.
    Other,
}

/// Follows the frames that an HTTP/2 server sends, without their payloads (RFC 9113, sections 4.1 and 6).
#[derive(Default)]
pub(crate) struct FrameReader {
    /// The frame that is being read: its header, and its payload if that matters.
    frame: Vec<u8>,
    /// How much comes before the next header.
    skip: usize,
}

impl FrameReader {
    /// Takes one frame from the front of `bytes`, or all of them where the frame is longer.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        const HEADER: usize = 9;
        const SETTINGS: u8 = 0x4;
        const PING: u8 = 0x6;
        const GOAWAY: u8 = 0x7;
        const WINDOW_UPDATE: u8 = 0x8;
        let (_, rest) = bytes.split_at(self.skip.min(bytes.len()));
        self.skip -= bytes.len() - rest.len();
        *bytes = rest;
        self.fill(HEADER, bytes);
        let &[a, b, c, kind, flags, s, t, u, v, ..] = self.frame.as_slice() else {
            return None;
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let is_ack = flags & 0x1 != 0;
        let frame = match (kind, [s, t, u, v]) {
            (SETTINGS, [0, 0, 0, 0]) if is_ack => Frame::SettingsAck,
            (PING, [0, 0, 0, 0]) if is_ack => Frame::Answer,
            (SETTINGS, [0, 0, 0, 0]) => {
                self.fill(HEADER + length, bytes);
                Frame::Settings(max_concurrent_streams(
                    self.frame.get(HEADER..HEADER + length)?,
                ))
            }
            (GOAWAY, _) => Frame::GoAway,
            // That a body was read is no sign of an answer.
            (WINDOW_UPDATE, _) | (_, [0, 0, 0, 0]) => Frame::Other,
            _ => Frame::Answer,
        };
        self.skip = HEADER + length - self.frame.len();
        self.frame.clear();
        Some(frame)
    }

    /// Moves bytes from the front of `bytes` until the frame has `length`.
    fn fill(&mut self, length: usize, bytes: &mut &[u8]) {
        let missing = length.saturating_sub(self.frame.len());
        let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
        self.frame.extend_from_slice(taken);
        *bytes = rest;
    }
}

fn max_concurrent_streams(settings: &[u8]) -> Option<u32> {
    const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    // The last one holds, should it stand twice.
    settings.chunks_exact(6).rev().find_map(|entry| {
        let &[i, j, a, b, c, d] = entry else {
            return None;
        };
        let is_limit = u16::from_be_bytes([i, j]) == MAX_CONCURRENT_STREAMS;
        is_limit.then_some(u32::from_be_bytes([a, b, c, d]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: [u8; 21] = [
        0, 0, 12, 4, 0, 0, 0, 0, 0, // length 12, SETTINGS
        0, 4, 0, 0, 255, 255, // initial window
        0, 3, 0, 0, 1, 4, // 260 streams
    ];

    /// What is seen where the bytes come in pieces of this size.
    fn frames(received: &[u8], piece: usize) -> Vec<Frame> {
        let mut reader = FrameReader::default();
        let mut seen = Vec::new();
        for mut bytes in received.chunks(piece) {
            while let Some(frame) = reader.next(&mut bytes) {
                seen.push(frame);
            }
        }
        seen
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 8, 4, 0, 0, 0, 0];
        let ack = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        let data = [0, 0, 2, 0, 1, 0, 0, 0, 1, 7, 7];
        let no_limit = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let all: [&[u8]; 7] = [&SETTINGS, &window, &ping, &ack, &data, &no_limit, &goaway];
        let all = all.concat();
        for piece in 1..=all.len() {
            let expected = [
                Frame::Settings(Some(260)),
                Frame::Other,
                Frame::Other,
                Frame::SettingsAck,
                Frame::Answer,
                Frame::Settings(None),
                Frame::GoAway,
            ];
            assert_eq!(frames(&all, piece), expected, "in pieces of {piece}");
        }
        for cut in 0..SETTINGS.len() {
            assert_eq!(frames(&SETTINGS[..cut], 64), []);
        }
    }
}
