//! What the maintainer commands are made of, as a library so that the workspace tests can call it.
//!
//! | question | module |
//! |---|---|
//! | Which commands are there? | [`cli`] |
//! | How is the spec read? | [`spec`] |
//! | Which specs would generate a wrong client? | [`lint`] |
//! | What is changed before the generator sees the spec? | [`normalize`] |
//! | How is each generated file made? | [`client`], [`constants`], [`error_table`], [`values`] |
//! | What is removed from the client that the generator writes? | `strip` |
//! | What is a name of the spec called in Rust? | `tokens` |
//! | Which parts of the guide come from the spec? | [`guide`] |
//! | How is the collection for Postman and Bruno made? | `collection` |
//! | How are files compared and written? | [`output`] |
//! | How does what Thales publishes differ from the spec? | [`spec_diff`] |
//! | How are cargo and other programs run? | [`programs`] |
//! | How do the example and the tests run on a fresh machine? | [`setup`] |

pub mod cli;
pub mod client;
pub mod codegen;
mod collection;
mod console;
pub mod constants;
pub mod error;
pub mod error_table;
pub mod guide;
pub mod lint;
pub mod normalize;
pub mod output;
pub mod programs;
pub mod setup;
pub mod spec;
pub mod spec_diff;
mod strip;
mod text_rules;
mod tokens;
pub mod values;
