//! The tiny services that are weighed, and how each is laid out as a workspace of its own.

use std::fs;
use std::path::Path;

use crate::build_tools::io;
use crate::error::Error;
use crate::spec::workspace_root;

/// A service whose weight is measured.
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Its program, a file in `xtask/weight`.
    program: &'static str,
    /// The file that it has TLS from, if it needs one, and the provider that this takes.
    tls: Option<(&'static str, Option<&'static str>)>,
    /// Its dependencies, as lines of its manifest.
    dependencies: &'static [&'static str],
}

const TOKIO: &str = r#"tokio = { workspace = true, features = ["macros", "rt-multi-thread"] }"#;
const REQWEST: &str = r#"reqwest = { workspace = true, features = ["rustls-no-provider"] }"#;
const JSON: &str = "serde_json.workspace = true";
const JOSEKIT: &str = "josekit.workspace = true";
const RING: &str = r#"rustls = { workspace = true, features = ["ring"] }"#;

const RUSTLS: &str = "rustls.rs";
const RING_PROVIDER: &str = "rustls::crypto::ring::default_provider";

/// What all others are compared with.
pub(super) const REFERENCE: Service = Service {
    name: "bare",
    program: "bare.rs",
    tls: Some((RUSTLS, Some(RING_PROVIDER))),
    dependencies: &[TOKIO, REQWEST, JSON, RING],
};

/// The others, in the order of the table.
pub(super) const SERVICES: &[Service] = &[
    Service {
        name: "bare+josekit",
        program: "josekit.rs",
        tls: Some((RUSTLS, Some(RING_PROVIDER))),
        dependencies: &[TOKIO, REQWEST, JSON, JOSEKIT, RING],
    },
    Service {
        name: "facade",
        program: "facade.rs",
        tls: None,
        dependencies: &[TOKIO, "d1-facade.workspace = true"],
    },
    Service {
        name: "facade+schemars",
        program: "facade.rs",
        tls: None,
        dependencies: &[
            TOKIO,
            r#"d1-facade = { workspace = true, features = ["schemars"] }"#,
        ],
    },
    Service {
        name: "facade+vendored",
        program: "facade.rs",
        tls: None,
        dependencies: &[
            TOKIO,
            r#"d1-facade = { workspace = true, features = ["vendored"] }"#,
        ],
    },
    Service {
        name: "josekit, rustls-openssl",
        program: "josekit.rs",
        tls: Some((RUSTLS, Some("rustls_openssl::default_provider"))),
        dependencies: &[
            TOKIO,
            REQWEST,
            JSON,
            JOSEKIT,
            "rustls-openssl.workspace = true",
        ],
    },
    Service {
        name: "josekit, native-tls",
        program: "josekit.rs",
        tls: Some(("native.rs", None)),
        dependencies: &[
            TOKIO,
            r#"reqwest = { version = "0.13.5", default-features = false, features = ["native-tls", "http2", "json", "stream"] }"#,
            JSON,
            JOSEKIT,
        ],
    },
    Service {
        name: "josekit, aws-lc-rs",
        program: "josekit.rs",
        tls: Some((RUSTLS, Some("rustls::crypto::aws_lc_rs::default_provider"))),
        dependencies: &[
            TOKIO,
            REQWEST,
            JSON,
            JOSEKIT,
            r#"rustls = { workspace = true, features = ["aws_lc_rs"] }"#,
        ],
    },
];

/// The name of the program, and of its folder.
pub(super) const PROGRAM: &str = "service";

impl Service {
    /// Writes the service into `folder`, which is the workspace of it alone.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let root = workspace_root();
        let source = folder.join("src");
        fs::create_dir_all(source.join("tls")).map_err(|e| io("the build folder", e))?;
        let copy = |from: &Path, to: &Path| {
            let copied = fs::copy(from, to);
            copied
                .map(drop)
                .map_err(|e| io(&from.display().to_string(), e))
        };
        let ours = root.join("xtask/weight");
        copy(&ours.join(self.program), &source.join("main.rs"))?;
        if let Some((tls, provider)) = self.tls {
            copy(&ours.join("tls").join(tls), &source.join("tls.rs"))?;
            if let Some(provider) = provider {
                let text = format!("pub use {provider};\n");
                let path = source.join("tls/provider.rs");
                fs::write(&path, text).map_err(|e| io(&path.display().to_string(), e))?;
            }
        }
        // The versions that we build and test with; cargo takes out what the service does not need.
        copy(&root.join("Cargo.lock"), &folder.join("Cargo.lock"))?;
        let manifest = root.join("Cargo.toml");
        let workspace = fs::read_to_string(&manifest).map_err(|e| io("Cargo.toml", e))?;
        fs::write(folder.join("Cargo.toml"), self.manifest(&workspace, &root))
            .map_err(|e| io("the manifest of a service", e))
    }

    /// A manifest that has the versions and features from that of our workspace, which stands at `root`.
    pub(super) fn manifest(&self, workspace: &str, root: &Path) -> String {
        let shared = section(workspace, "workspace.dependencies");
        let shared = shared.replace("path = \"", &format!("path = \"{}/", root.display()));
        let own = self.dependencies.join("\n");
        format!(
            "[package]\nname = \"{PROGRAM}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
             [dependencies]\n{own}\n\n[profile.release]\nstrip = true\n\n\
             [workspace]\nresolver = \"3\"\n\n[workspace.dependencies]\n{shared}"
        )
    }

    #[cfg(test)]
    pub(super) fn dependencies(&self) -> &'static [&'static str] {
        self.dependencies
    }
}

/// The lines of a section of a manifest.
pub(super) fn section(manifest: &str, name: &str) -> String {
    let heading = format!("[{name}]");
    manifest
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .fold(String::new(), |text, line| text + line + "\n")
}
