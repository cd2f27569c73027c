//! A copy of the workspace whose spec is another one, to see what the compiler says of the facade.

use std::path::{Path, PathBuf};

use xtask::programs::cargo;

/// The files of this repository in a folder of their own, below `target`.
pub struct WorkspaceCopy {
    folder: PathBuf,
}

impl WorkspaceCopy {
    /// Copies the files to `target/NAME`, and generates the code from `spec` there.
    ///
    /// # Panics
    /// When a file cannot be copied, or the spec cannot be generated from.
    #[must_use]
    pub fn with_spec(name: &str, spec: &str) -> Self {
        let root = xtask::spec::workspace_root();
        let folder = root.join("target").join(name);
        // A file of an earlier run may have moved since.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).unwrap();
        }
        copy_folder(&root, &folder);
        let copy = Self { folder };
        // Cargo tells its artifacts apart by the name and the version of a package, not by its folder.
        let manifest = copy.read("Cargo.toml");
        let (before, after) = manifest.split_once("[workspace.package]").unwrap();
        let version = after.split('"').nth(1).unwrap();
        let after = after.replacen(version, &format!("{version}+{name}"), 1);
        copy.write("Cargo.toml", &format!("{before}[workspace.package]{after}"));
        copy.write("openapi/d1-card-operations.yaml", spec);
        for file in xtask::codegen::generate(&xtask::spec::parse(spec).unwrap()).unwrap() {
            file.write(&copy.folder).unwrap();
        }
        copy
    }

    /// The text of a file of the copy.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// Replaces a file of the copy.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.folder.join(file), text).unwrap();
    }

    /// Compiles the facade; the dependencies are those in this workspace's `target`.
    ///
    /// # Errors
    /// What the compiler says where it refuses the code.
    ///
    /// # Panics
    /// When cargo cannot be run.
    pub fn check_facade(&self) -> Result<(), String> {
        let target = xtask::spec::workspace_root().join("target");
        let mut command = cargo();
        command.args(["check", "-q", "--offline", "-p", "d1-facade"]);
        command.arg("--target-dir").arg(target);
        let check = command.current_dir(&self.folder).output().unwrap();
        match check.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&check.stderr).into_owned()),
        }
    }
}

/// Copies a folder without what was built in it. git is not asked: a machine that only builds may not have it.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let (from, to) = (entry.path(), to.join(&name));
        if from.is_dir() {
            let is_built = ["target", ".git", "node_modules"]
                .iter()
                .any(|n| name == *n);
            if !is_built {
                copy_folder(&from, &to);
            }
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
