#!/usr/bin/env bash
# Runs each fuzz target for a number of seconds (600 by default), the committed seeds first.
# Needs cargo-fuzz; RUSTC_BOOTSTRAP lets a stable tool chain instrument the code.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-600}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(page operation error token text keys sandbox_request sandbox_control)
for target in "${targets[@]}"; do
  mkdir -p "tests/fuzz/corpus/$target"
  echo "==> $target, $seconds s"
  RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none "$target" \
    "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -print_final_stats=1 2>&1 |
    grep -E 'stat::number_of_executed_units|stat::average|panicked|ERROR|SUMMARY|Test unit|^Done' || true
  # A finding leaves its input here.
  if ls "tests/fuzz/artifacts/$target"/* 2>/dev/null; then
    found=1
  fi
done
exit "${found:-0}"
