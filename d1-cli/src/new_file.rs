//! Creates files that are for their owner alone, and never overwrites one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::text::masked;

/// Creates a file that only its owner can read: mode 0600 on Unix.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// Writes new files to the disk: all of them or none.
pub(crate) fn write_all(files: &[(&Path, &[u8])]) -> Result<(), Failure> {
    let mut created: Vec<PathBuf> = Vec::new();
    for (path, content) in files {
        let written = create(path).and_then(|mut file| {
            created.push(path.to_path_buf());
            file.write_all(content)?;
            file.sync_all()
        });
        if let Err(error) = written {
            for path in created {
                // What remains is named by the error of the next attempt.
                let _ = fs::remove_file(path);
            }
            let rule = match error.kind() {
                io::ErrorKind::AlreadyExists => "exists, and is not overwritten".to_owned(),
                kind => format!("cannot be written: {kind}"),
            };
            return Err(Failure::input(masked(&path.display().to_string()), rule));
        }
    }
    Ok(())
}

/// A file that is written at the end of a command: whole, or not at all.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
}

impl NewFile {
    /// Refuses a path at which no file can be made, so that nothing else is begun in vain.
    pub(crate) fn at(flag: &str, path: &Path) -> Result<Self, Failure> {
        let file = Self {
            path: path.to_owned(),
        };
        let refused = |rule: String| Failure::input(format!("{flag} {}", path.display()), rule);
        if path.symlink_metadata().is_ok() {
            return Err(refused("exists: give another name".to_owned()));
        }
        match file.draft() {
            Ok(_) => Ok(file),
            Err(error) => Err(refused(format!("cannot be made: {}", error.kind()))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file under another name, and gives it its own when it is whole and on the disk.
    pub(crate) fn write(
        &self,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut draft = BufWriter::new(self.draft()?);
        fill(&mut draft)?;
        let draft = draft.into_inner().map_err(|error| error.into_error())?;
        draft.as_file().sync_all()?;
        draft.persist_noclobber(&self.path)?;
        Ok(())
    }

    /// Makes a file of another name beside it, which only the owner can read.
    fn draft(&self) -> io::Result<NamedTempFile> {
        let folder = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        builder
            .prefix(".d1-")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
    }
}
