#!/usr/bin/env bash
# Builds OpenSSL's FIPS module from Debian's source, and runs the end-to-end tests and the fault matrix under it, client
# and sandbox. The module is no validated one: it shows that everything works in the mode. All that is made is in the
# target directory, and nothing about this machine changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Says what is missing and ends.
missing() {
  echo "missing: $1" >&2
  exit 2
}

for program in apt-get dpkg-source make perl cc openssl; do
  command -v "$program" >/dev/null || missing "$program (apt-get install dpkg-dev make perl gcc openssl)"
done
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
folder=$target/fips
mkdir -p "$folder"

# Gets the source with lists of its own: most machines have those of the binary packages alone.
get_source() {
  local work=$folder/source release
  rm -rf "$work"
  mkdir -p "$work/lists/partial" "$work/sources.d"
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  cp /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list "$work/sources.d" 2>/dev/null || true
  find "$work/sources.d" -name '*.sources' -exec sed -i 's/^Types:.*/Types: deb-src/' {} +
  find "$work/sources.d" -name '*.list' -exec sed -i 's/^deb /deb-src /' {} +
  local apt=(apt-get --quiet --quiet -o APT::Sandbox::User=root -o Dir::State::Lists="$work/lists"
    -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/sources.d")
  "${apt[@]}" update
  # That of the release itself: a security update may be withdrawn while the lists still have it.
  (cd "$work" && "${apt[@]}" source --download-only "openssl/$release")
  dpkg-source --no-check --extract "$work"/openssl_*.dsc "$work/openssl" >/dev/null
}

build_module() {
  get_source
  (
    cd "$folder/source/openssl"
    ./Configure linux-x86_64 enable-fips no-tests
    make --jobs="$(nproc)" build_generated
    make --jobs="$(nproc)" providers/fips.so
  ) >"$folder/build.log" 2>&1 || { tail -n 50 "$folder/build.log" >&2; exit 1; }
  cp "$folder/source/openssl/providers/fips.so" "$folder/fips.so"
  rm -rf "$folder/source"
}

[ -e "$folder/fips.so" ] || build_module
# It runs the module's own tests, and writes down its checksum.
openssl fipsinstall -quiet -module "$folder/fips.so" -out "$folder/fipsmodule.cnf"
# Prints a configuration of OpenSSL, with the line $1 for the module.
configuration() {
  cat <<END
config_diagnostics = 1
openssl_conf = openssl_init
.include $folder/fipsmodule.cnf

[openssl_init]
providers = providers
alg_section = algorithms

[providers]
$1
base = base

[base]
activate = 1

[algorithms]
default_properties = fips=yes
END
}
configuration "fips = fips_sect" >"$folder/openssl.cnf"
configuration "" >"$folder/without-module.cnf"

# Name and version of the module, as OpenSSL shows them.
configured=(env OPENSSL_CONF="$folder/openssl.cnf" OPENSSL_MODULES="$folder")
module=$("${configured[@]}" openssl list -providers | awk '
  /^  [a-z]/ { fips = $1 == "fips" }
  fips && $1 == "name:" { sub(/.*name: /, ""); name = $0 }
  fips && $1 == "version:" { print name, $2 }')
[ -n "$module" ] || { echo "OpenSSL does not load the module" >&2; exit 1; }
printf '%s\n' "$module"

# The configuration is for the tests alone: cargo has an OpenSSL of its own.
host=$(rustc --version --verbose | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=env OPENSSL_CONF=$folder/without-module.cnf"
cargo test --locked --workspace --test fips -- properties_alone
export "CARGO_TARGET_${host}_RUNNER=${configured[*]}" D1_TESTS_FIPS_MODULE=$module
cargo test --locked --workspace --test fips -- with_a_module
cargo test --locked --workspace --test it -- end_to_end fault_matrix
