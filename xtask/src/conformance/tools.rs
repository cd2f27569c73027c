//! Installs the tools that others wrote, in the versions that the lock files pin, and runs them.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::Row;
use crate::build_tools::{self, program, target_folder};
pub(super) use crate::build_tools::{cargo, io, said};
use crate::error::Error;
use crate::spec::workspace_root;

/// The installed tools.
pub(super) struct Tools {
    /// Where they are, and where suites may write.
    pub(super) folder: PathBuf,
    /// Where their configuration and the scripts are.
    pub(super) sources: PathBuf,
    /// Where cargo builds to.
    pub(super) target: PathBuf,
}

impl Tools {
    pub(super) fn install() -> Result<Self, Error> {
        let sources = workspace_root().join("tests/conformance");
        let target = target_folder()?;
        let folder = target.join("conformance");
        std::fs::create_dir_all(&folder).map_err(|e| io("the build folder", e))?;
        for name in [
            "package.json",
            "package-lock.json",
            "jose.mjs",
            "node-jose.cjs",
        ] {
            let (from, to) = (sources.join(name), folder.join(name));
            std::fs::copy(&from, to).map_err(|e| io(&from.display().to_string(), e))?;
        }
        let tools = Self {
            folder,
            sources,
            target,
        };
        let mut npm = Command::new("npm");
        npm.args([
            "ci",
            "--silent",
            "--no-fund",
            "--no-audit",
            "--ignore-scripts",
        ]);
        tools.must(npm.current_dir(&tools.folder))?;
        let mut venv = Command::new("python3");
        tools.must(venv.args(["-m", "venv"]).arg(tools.folder.join("python")))?;
        let mut pip = tools.python();
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "-r",
        ]);
        tools.must(pip.arg(tools.sources.join("requirements.txt")))?;
        Ok(tools)
    }

    pub(super) fn python_path(&self) -> PathBuf {
        self.folder.join("python/bin/python")
    }

    pub(super) fn python(&self) -> Command {
        Command::new(self.python_path())
    }

    pub(super) fn npm_tool(&self, name: &str) -> PathBuf {
        self.folder.join("node_modules/.bin").join(name)
    }

    /// Builds a program of the workspace; its path.
    pub(super) fn build(&self, program: &str) -> Result<PathBuf, Error> {
        // The whole workspace, or features differ and everything is built once more.
        let mut command = cargo();
        command.args(["build", "--quiet", "--locked", "--workspace", "--bin"]);
        self.must(command.arg(program))?;
        Ok(self.target.join("debug").join(program))
    }

    pub(super) fn must(&self, command: &mut Command) -> Result<(), Error> {
        build_tools::must(command).map(drop)
    }

    pub(super) fn output(&self, command: &mut Command) -> Result<Output, Error> {
        build_tools::output(command)
    }

    /// Runs a tool that counts nothing and fails when it finds something.
    pub(super) fn check(
        &self,
        suite: &'static str,
        check: &str,
        command: &mut Command,
    ) -> Result<Row, Error> {
        let output = self.output(command)?;
        Ok(Row {
            suite,
            check: check.to_owned(),
            count: "1".to_owned(),
            passed: output.status.success(),
            detail: said(&output),
        })
    }

    /// Runs a program that prints a line a check: what, how many, and `ok` or what is wrong, with tabs
    /// between them.
    pub(super) fn rows(
        &self,
        suite: &'static str,
        command: &mut Command,
    ) -> Result<Vec<Row>, Error> {
        let output = self.output(command)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let row = |line: &str| {
            let mut parts = line.splitn(3, '\t');
            let (check, count, verdict) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Row {
                suite,
                check: check.to_owned(),
                count: count.to_owned(),
                passed: verdict == "ok",
                detail: verdict.to_owned(),
            })
        };
        let mut rows: Vec<Row> = text.lines().filter_map(row).collect();
        if rows.is_empty() || !output.status.success() {
            rows.push(Row {
                suite,
                check: format!("{} ends well", program(command)),
                count: "1".to_owned(),
                passed: output.status.success() && !rows.is_empty(),
                detail: said(&output),
            });
        }
        Ok(rows)
    }
}
