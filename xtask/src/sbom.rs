//! `cargo xtask sbom`: what each published crate is made of, for those who must say what they run.
//!
//! cargo-cyclonedx puts its files beside the manifests of the whole workspace; those of what is published go
//! to the build folder, the others away.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::build_tools::{cargo, io, must, target_folder};
use crate::error::Error;
use crate::release_check::published;
use crate::spec::workspace_root;

/// The version of CycloneDX.
const FORMAT: &str = "1.5";

/// Writes them, and prints a line for each.
///
/// # Errors
/// When cargo-cyclonedx is not installed or fails, or what it wrote lacks a part that is to be known.
pub(crate) fn run(out: &mut impl Write) -> Result<(), Error> {
    let written = Written::new()?;
    let folder = target_folder()?.join("sbom");
    std::fs::create_dir_all(&folder).map_err(|e| io("the folder sbom", e))?;
    for name in published()? {
        let file = format!("{name}.cdx.json");
        let from = written.root.join(&name).join(&file);
        let text = std::fs::read_to_string(&from).map_err(|e| io(&file, e))?;
        // Where it was built is nobody's business.
        let text = text.replace(&*written.root.to_string_lossy(), ".");
        let bill = serde_json::from_str(&text).unwrap_or(Value::Null);
        let components = components(&name, &bill)?;
        let to = folder.join(&file);
        std::fs::write(&to, text).map_err(|e| io(&file, e))?;
        let shown = to.strip_prefix(&written.root).unwrap_or(&to).display();
        writeln!(out, "{shown}: {components} components").map_err(|e| io("standard output", e))?;
    }
    Ok(())
}

/// How many components a bill has; each has a version, an address and a licence.
fn components(name: &str, bill: &Value) -> Result<usize, Error> {
    let problem = |text: String| Error::Tool(format!("the bill of {name}"), text);
    let components = bill["components"].as_array();
    let components = components.ok_or_else(|| problem("has no components".to_owned()))?;
    for component in components {
        for key in ["name", "version", "purl", "licenses"] {
            if component[key].is_null() {
                let of = component["name"].as_str().unwrap_or("a component");
                return Err(problem(format!("lacks the {key} of {of}")));
            }
        }
    }
    Ok(components.len())
}

/// What cargo-cyclonedx wrote; it goes with this.
struct Written {
    root: PathBuf,
}

impl Written {
    fn new() -> Result<Self, Error> {
        let written = Self {
            root: workspace_root(),
        };
        let mut command = cargo();
        command.args(["cyclonedx", "--format", "json", "--spec-version", FORMAT]);
        must(command.args(["--all-features", "--target", "all", "--quiet"])).map_err(mend)?;
        Ok(written)
    }
}

/// Says how to install what is missing.
fn mend(error: Error) -> Error {
    match error {
        Error::Tool(name, said) if said.contains("no such command") => Error::Tool(
            name,
            "cargo-cyclonedx is missing: `cargo install --locked cargo-cyclonedx`".to_owned(),
        ),
        other => other,
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        remove(&self.root, 2);
    }
}

/// Removes the bills from a folder, and from those in it down to a depth.
fn remove(folder: &Path, depth: usize) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth > 0 && name != "target" && !name.starts_with('.') {
            remove(&entry.path(), depth - 1);
        } else if name.ends_with(".cdx.json") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bill_without_a_licence_is_refused() {
        let mut bill = json!({"components": [
            {"name": "http", "version": "1.5.0", "purl": "pkg:cargo/http@1.5.0", "licenses": [{"expression": "MIT"}]},
        ]});
        assert_eq!(components("d1-facade", &bill).unwrap(), 1);
        bill["components"][0]["licenses"] = Value::Null;
        let error = components("d1-facade", &bill).unwrap_err().to_string();
        assert_eq!(error, "the bill of d1-facade: lacks the licenses of http");
        assert!(components("d1-facade", &Value::Null).is_err());
    }
}
