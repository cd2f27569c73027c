//! `cargo xtask weight`: what the facade, its features and other crypto stacks cost a service.
//!
//! Each service is a workspace of its own in the build folder, with the versions of our lock file: what
//! another crate of ours needs is not unified into it.

mod measure;
mod service;
mod table;

use std::io::Write;

use crate::build_tools::{io, target_folder};
use crate::error::Error;
use crate::output::{self, GeneratedFile};
use crate::spec::workspace_root;
use measure::Weight;
use service::{REFERENCE, SERVICES, Service};

const CHAPTER: &str = "docs/src/weight.md";

/// Measures the services, all of them if none is named, and prints the table; that of all of them goes into
/// the guide as well.
///
/// # Errors
/// When there is no such service, one cannot be built, or the guide cannot be written.
pub(crate) fn run(names: &[String], out: &mut impl Write) -> Result<(), Error> {
    let services = chosen(names)?;
    let folder = target_folder()?.join("weight");
    let mut weights: Vec<(&Service, Weight)> = Vec::new();
    for service in services {
        weights.push((service, measure::weigh(service, &folder)?));
    }
    // The same once more, at the other end of the run: how far two measurements of one thing differ.
    let again = measure::weigh(&REFERENCE, &folder)?;
    let text = table::render(&measure::circumstances()?, &weights, &again);
    out.write_all(text.as_bytes())
        .map_err(|e| io("standard output", e))?;
    if !names.is_empty() {
        return Ok(());
    }
    let root = workspace_root();
    let path = root.join(CHAPTER);
    let chapter = std::fs::read_to_string(&path).map_err(|e| io(CHAPTER, e))?;
    let file = GeneratedFile {
        path: CHAPTER.into(),
        text: table::replaced(&chapter, &text).ok_or(Error::Markers {
            path,
            begin: table::BEGIN,
            end: table::END,
        })?,
    };
    output::write(&root, &file)
}

/// The reference, and the services with these names.
fn chosen(names: &[String]) -> Result<Vec<&'static Service>, Error> {
    for name in names {
        if SERVICES.iter().all(|service| service.name != name) {
            let known: Vec<&str> = SERVICES.iter().map(|service| service.name).collect();
            return Err(Error::Service(name.clone(), known.join(", ")));
        }
    }
    let is_chosen = |service: &&Service| {
        names.is_empty() || names.iter().any(|name| name.as_str() == service.name)
    };
    Ok(std::iter::once(&REFERENCE)
        .chain(SERVICES.iter().filter(is_chosen))
        .collect())
}

#[cfg(test)]
#[path = "weight_tests.rs"]
mod tests;
