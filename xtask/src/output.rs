//! Compares generated files with what is committed, and writes those that differ.

use std::path::{Path, PathBuf};

use similar::TextDiff;

use crate::error::Error;

/// A file that the spec gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Its path below the workspace's folder.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}

impl GeneratedFile {
    /// Returns how this text differs from the committed one, as a unified diff; nothing if it does not.
    #[must_use]
    pub fn difference(&self, committed: &str) -> Option<String> {
        let name = self.path.display();
        let (from, to) = (format!("committed/{name}"), format!("spec/{name}"));
        let diff = TextDiff::from_lines(committed, self.text.as_str());
        let diff = diff.unified_diff().header(&from, &to).to_string();
        (committed != self.text).then_some(diff)
    }

    /// Writes the file below `root`.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn write(&self, root: &Path) -> Result<(), Error> {
        let path = root.join(&self.path);
        std::fs::write(&path, &self.text).map_err(|e| Error::at(path.display(), e))
    }
}

/// Writes the files below `root` that differ, or with `check` only compares them. A file that cannot be read counts as
/// empty. Returns a line for each file, with
/// the difference where it is only compared, and how many are stale.
///
/// # Errors
/// When a file cannot be written.
pub fn apply(root: &Path, files: &[GeneratedFile], check: bool) -> Result<(String, usize), Error> {
    let (mut report, mut stale) = (String::new(), 0);
    for file in files {
        let name = file.path.display();
        let committed = std::fs::read_to_string(root.join(&file.path)).unwrap_or_default();
        report += &match file.difference(&committed) {
            None => format!("fresh    {name}\n"),
            Some(diff) if check => {
                stale += 1;
                format!("stale    {name}\n{diff}\n")
            }
            Some(_) => {
                file.write(root)?;
                format!("updated  {name}\n")
            }
        };
    }
    Ok((report, stale))
}
