#!/usr/bin/env bash
# Breaks the code that decides about money (error decoding, retries, the token cache, reason codes,
# credentials) in every small way that cargo-mutants knows, and lists the ways that no test sees.
# Run the tests first: the unbroken code is not tested here. Needs cargo-mutants; arguments are passed
# on to it, such as --shard 0/4.
set -euo pipefail
cd "$(dirname "$0")/.."
files=(error/decode.rs call/decide.rs call/engine.rs call/retry.rs auth/cache.rs reason.rs card/change.rs
  card/change_call.rs crypto/credentials.rs)
targets=(--lib --test=it)
# They read files or ask the compiler: no broken value reaches them.
skipped=(workspace:: release:: a_change_that_the_spec_gains the_facade_compiles_with)
exec cargo mutants --package d1-facade --test-workspace true --baseline skip --timeout 120 \
  --build-timeout 600 "${files[@]/#/--file=d1-facade/src/}" "${targets[@]/#/--cargo-arg=}" "$@" \
  -- -- "${skipped[@]/#/--skip=}"
