//! Creates files that are for their owner alone, and never overwrites one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

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
