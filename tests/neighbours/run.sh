#!/usr/bin/env bash
# Builds each neighbour alone and runs it: d1-facade and d1-sandbox must not make other users of TLS in the process fail.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/../../target/neighbours}
failed=()
for neighbour in rustls-default rustls-ring reqwest-default reqwest-0-12 reqwest-plain; do
  echo "==> $neighbour"
  cargo run --locked --quiet --package "$neighbour" || failed+=("$neighbour")
done
[ "${#failed[@]}" -eq 0 ] || { echo "these fail beside d1-facade: ${failed[*]}" >&2; exit 1; }
