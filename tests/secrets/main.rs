//! Everything that the stack says at its most talkative, searched for card data, tokens and keys: in
//! clear, escaped, divided, in base64 at every alignment, and in hex.
//!
//! | question | module |
//! |---|---|
//! | What are the secrets, and in which forms are they searched for? | [`known`] |
//! | Where is what is logged kept? | [`logs`] |
//! | What does a value, an error, a call show? | [`shown`] |
//! | What does a server get shown that sends back what it was sent? | [`echoes`] |
//! | Does anything leak when everything is talkative? | [`everything`] |
//! | What of a panic of the caller's code? | [`panics`] |
//! | What if it sends it back in HTTP/2's own places? | [`http2`] |
//! | What does a sandbox keep of what a caller sends by mistake? | [`sandbox`] |
//!
//! The sandbox runs in the same process, so that its logs are searched as well.
//!
//! It is a binary of its own, since its subscriber listens to all threads of the process and to everything: in
//! one process with the tests of `it` it would keep what all of them log, and slow them down.
#![allow(clippy::unwrap_used)]

mod echoes;
mod everything;
mod http2;
mod known;
mod logs;
mod panics;
mod sandbox;
mod shown;
