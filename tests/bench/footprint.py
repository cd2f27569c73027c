"""Measures what the facade, its features and other cryptography add to a service; writes docs/src/footprint.md.

Usage: footprint.py [SERVICE...]

Each service is built from nothing, as a workspace of its own with the versions of our lock file, so that no feature
of another crate is enabled in it. `bare` is measured first and once more at the end, and the others are compared with
it. With names of services only these are measured and the page stays as it is. All take a quarter of an hour.
"""

import collections
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time

import tables

PAGE, MARK = "docs/src/footprint.md", "footprint"
SOURCES = tables.ROOT / "tests/bench/footprint"
# How often the second build is made; the median counts.
REBUILDS = 5

# A service: its program, the file that it has TLS from with the provider that this takes, lines of its manifest.
Service = collections.namedtuple("Service", "program tls provider dependencies")
# What was measured: crates, seconds of a build from nothing and of a second one, bytes of the stripped program.
Footprint = collections.namedtuple("Footprint", "crates cold again size")

TOKIO = 'tokio = { workspace = true, features = ["macros", "rt-multi-thread"] }'
REQWEST = 'reqwest = { workspace = true, features = ["rustls-no-provider"] }'
NATIVE = (
    'reqwest = { version = "0.13.5", default-features = false, '
    'features = ["native-tls", "http2", "json", "stream"] }'
)
JSON, JOSEKIT = "serde_json.workspace = true", "josekit.workspace = true"
RING = 'rustls = { workspace = true, features = ["ring"] }'
AWS = 'rustls = { workspace = true, features = ["aws_lc_rs"] }'
BY_HAND = [TOKIO, REQWEST, JSON]


def by_rustls(program, provider, *dependencies):
    return Service(program, "rustls.rs", provider, [*BY_HAND, *dependencies])


def facade(feature=None):
    line = "d1-facade.workspace = true"
    if feature:
        line = f'd1-facade = {{ workspace = true, features = ["{feature}"] }}'
    return Service("facade.rs", None, None, [TOKIO, line])


SERVICES = {
    "bare": by_rustls("bare.rs", "rustls::crypto::ring::default_provider", RING),
    "bare+josekit": by_rustls("josekit.rs", "rustls::crypto::ring::default_provider", JOSEKIT, RING),
    "facade": facade(),
    "facade+metrics": facade("metrics"),
    "facade+schemars": facade("schemars"),
    "facade+vendored": facade("vendored"),
    "josekit, rustls-openssl": by_rustls(
        "josekit.rs", "rustls_openssl::default_provider", JOSEKIT, "rustls-openssl.workspace = true"
    ),
    "josekit, native-tls": Service("josekit.rs", "native.rs", None, [TOKIO, NATIVE, JSON, JOSEKIT]),
    "josekit, aws-lc-rs": by_rustls("josekit.rs", "rustls::crypto::aws_lc_rs::default_provider", JOSEKIT, AWS),
}


def section(manifest, name):
    """The lines of a section of a manifest."""
    return re.search(rf"^\[{re.escape(name)}\]\n(.*?)(?=^\[|\Z)", manifest, re.M | re.S)[1]


def manifest_of(service, workspace, root):
    """A manifest with the versions and features of our workspace, which is at `root`."""
    shared = section(workspace, "workspace.dependencies").replace('path = "', f'path = "{root}/')
    return "\n".join([
        '[package]\nname = "service"\nversion = "0.0.0"\nedition = "2024"\npublish = false\n',
        "[dependencies]", *service.dependencies, "",
        "[profile.release]\nstrip = true\n",
        '[workspace]\nresolver = "3"\n',
        "[workspace.dependencies]", shared,
    ])


def write(service, folder):
    """Writes a service into `folder`."""
    source = folder / "src"
    (source / "tls").mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCES / service.program, source / "main.rs")
    if service.tls:
        shutil.copy(SOURCES / "tls" / service.tls, source / "tls.rs")
    if service.provider:
        (source / "tls/provider.rs").write_text(f"pub use {service.provider};\n")
    # The versions that we build and test with. Cargo removes what the service does not need.
    shutil.copy(tables.ROOT / "Cargo.lock", folder)
    workspace = (tables.ROOT / "Cargo.toml").read_text()
    (folder / "Cargo.toml").write_text(manifest_of(service, workspace, tables.ROOT))


def counted(tree):
    """How many crates a tree has without its root, each version once."""
    return len({tuple(line.split()[:2]) for line in tree.splitlines()[1:] if line.strip()})


def measured(name, folder):
    """Writes a service below `folder` and builds it: from nothing, and again after a change."""
    folder = folder / name.replace(", ", "-")
    write(SERVICES[name], folder)
    ignored = {"CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"}
    options = {"cwd": folder, "env": {key: value for key, value in os.environ.items() if key not in ignored}}
    tree = ["cargo", "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    crates = counted(subprocess.run(tree, check=True, stdout=subprocess.PIPE, text=True, **options).stdout)
    tables.cargo("fetch", "--quiet", **options)
    shutil.rmtree(folder / "target", ignore_errors=True)

    def build():
        start = time.monotonic()
        tables.cargo("build", "--release", "--quiet", "--offline", "--target-dir", "target", **options)
        return time.monotonic() - start

    cold = build()
    again = []
    for _ in range(REBUILDS):
        (folder / "src/main.rs").touch()
        again.append(build())
    size = (folder / "target/release/service").stat().st_size
    return Footprint(crates, cold, statistics.median(again), size)


def row(name, footprint, reference=None):
    crates, cold, again, size = footprint
    mebibytes = size / 2**20
    if reference is None:
        return f"| {name} | {crates} | {cold:.1f} s | {again:.2f} s | {mebibytes:.2f} MiB |"
    more = mebibytes - reference.size / 2**20
    return (
        f"| {name} | {crates} ({crates - reference.crates:+}) | {cold:.1f} s ({cold / reference.cold:.2f} ×) "
        f"| {again:.2f} s ({again / reference.again:.2f} ×) | {mebibytes:.2f} MiB ({more:+.2f}) |"
    )


def rendered(circumstances, footprints, once_more):
    """One table: each service beside the first, and how far the first differs from itself."""
    (first, reference), *others = footprints.items()
    return "\n".join([
        circumstances, "",
        "| service | crates | cold release build | again, `main.rs` touched | stripped program |",
        "|---|---|---|---|---|",
        row(first, reference),
        *(row(name, footprint, reference) for name, footprint in others),
        row(f"{first}, once more", once_more, reference),
    ])


def circumstances():
    information = pathlib.Path("/proc/cpuinfo")
    model = information.exists() and re.search(r"^model name\s*: (.*)$", information.read_text(), re.M)
    compiler = tables.run("rustc", "--version").split(" (")[0]
    openssl = tables.run("pkg-config", "--modversion", "openssl").strip()
    return (
        f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}: {os.cpu_count()} cores of "
        f"{model[1].strip() if model else platform.machine()}, {platform.system().lower()} {platform.machine()}, "
        f"{compiler}, the system's OpenSSL {openssl}."
    )


def chosen(names):
    """The services to measure: `bare`, and those with these names, all of them without names."""
    for name in names:
        if name not in SERVICES:
            sys.exit(f"error: no service is called {name}; there are: {', '.join(SERVICES)}")
    return [name for name in SERVICES if not names or name == "bare" or name in names]


def main(names):
    folder = tables.target_folder() / "footprint"
    footprints = {name: measured(name, folder) for name in chosen(names)}
    text = rendered(circumstances(), footprints, measured("bare", folder))
    print(text)
    if not names:
        page = (tables.ROOT / PAGE).read_text()
        tables.write(PAGE, tables.replaced(page, MARK, text))


if __name__ == "__main__":
    main(sys.argv[1:])
