#!/usr/bin/env bash
# Checks that the libraries, the sandbox and `d1` compile for platforms on which no test runs: platforms.sh [TARGET...].
# Nothing is linked, so that neither a linker nor OpenSSL for the platform is needed: the build script of
# `openssl-sys` preprocesses OpenSSL's headers for their version, and those of this machine have one too.
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$#" -gt 0 ] || set -- x86_64-unknown-linux-musl aarch64-apple-darwin

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# The C preprocessor of this machine, without options that only a compiler for the platform knows.
cat >"$folder/cc" <<'END'
#!/usr/bin/env bash
options=()
for option; do
  case $option in
  -arch | arm64 | -mmacosx-version-min=* | --target=* | -isysroot) ;;
  *) options+=("$option") ;;
  esac
done
exec cc "${options[@]}"
END
chmod +x "$folder/cc"

libraries=$(pkg-config --variable=libdir openssl)
headers=$(pkg-config --variable=includedir openssl)
for target; do
  rustup target add "$target" >/dev/null 2>&1 || { echo "error: rustup cannot add the target $target" >&2; exit 1; }
  # Flags of this machine's linker are not for other platforms.
  env --unset=RUSTFLAGS "CC_${target//-/_}=$folder/cc" OPENSSL_NO_PKG_CONFIG=1 \
    OPENSSL_INCLUDE_DIR="$headers" OPENSSL_LIB_DIR="$libraries" \
    cargo check --locked --quiet --target "$target" -p d1-facade -p d1-bulk -p d1-sandbox -p d1-cli
  printf '%s: compiles\n' "$target"
done
