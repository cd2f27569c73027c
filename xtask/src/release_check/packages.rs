//! The packages: what is in them, and that it builds by itself.

use super::Finding;
use crate::build_tools::{cargo, must, target_folder};
use crate::error::Error;

/// What each package has.
const NEEDED: [&str; 4] = ["Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// What no package has: keys and certificates, the state of a run, snapshots for review.
const REFUSED: [&str; 7] = [
    ".pem",
    ".key",
    ".p12",
    ".env",
    ".jwk.json",
    ".journal",
    ".snap.new",
];

/// The files that a package of the crate would have.
pub(super) fn files(name: &str) -> Result<Vec<String>, Error> {
    let list = must(cargo().args(["package", "--list", "--allow-dirty", "-p", name]))?;
    let text = String::from_utf8_lossy(&list.stdout).into_owned();
    Ok(text.lines().map(str::to_owned).collect())
}

/// What is missing among the files, or should not be there.
pub(super) fn check(name: &str, files: &[String]) -> Vec<Finding> {
    let missing = NEEDED
        .iter()
        .filter(|needed| !files.iter().any(|file| file == *needed))
        .map(|needed| Finding::new(name, format!("its package lacks {needed}")));
    let refused = files
        .iter()
        .filter(|file| REFUSED.iter().any(|ending| file.ends_with(ending)))
        .map(|file| Finding::new(name, format!("its package has {file}, which is nobody's")));
    missing.chain(refused).collect()
}

/// Makes the packages and builds each from what is in it, the others taken from their packages too; a line
/// for each.
pub(super) fn make(names: &[String]) -> Result<Vec<String>, Error> {
    let mut command = cargo();
    command.args(["package", "--locked", "--quiet", "--allow-dirty"]);
    must(command.args(names.iter().flat_map(|name| ["-p", name])))?;
    let folder = target_folder()?.join("package");
    let mut lines = Vec::new();
    for name in names {
        let size = std::fs::read_dir(&folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| is_package(&entry.file_name().to_string_lossy(), name))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .next();
        let size = size.ok_or_else(|| {
            Error::Tool("cargo package".to_owned(), format!("made none of {name}"))
        })?;
        lines.push(format!("packaged and built: {name}, {} KiB", size / 1024));
    }
    Ok(lines)
}

/// Whether a file is a package of the crate: `NAME-VERSION.crate`.
fn is_package(file: &str, name: &str) -> bool {
    file.strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".crate"))
        .is_some_and(|version| version.parse::<semver::Version>().is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_its_licences_and_no_key() {
        let mut files: Vec<String> = NEEDED.map(str::to_owned).to_vec();
        files.push("src/lib.rs".to_owned());
        assert_eq!(check("d1-facade", &files), []);
        files.remove(2);
        files.push("src/signing.key".to_owned());
        let found: Vec<_> = check("d1-facade", &files)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "d1-facade: its package lacks LICENSE-MIT",
                "d1-facade: its package has src/signing.key, which is nobody's"
            ]
        );
    }

    #[test]
    fn a_package_is_told_from_that_of_another_crate() {
        assert!(is_package("d1-facade-0.1.0.crate", "d1-facade"));
        assert!(!is_package("d1-facade-more-0.1.0.crate", "d1-facade"));
        assert!(!is_package("d1-facade-0.1.0", "d1-facade"));
    }
}
