#!/usr/bin/env bash
# Runs every test of the workspace many times, to find those that fail by chance: `tests/flaky.sh [ROUNDS]`,
# 100 by default. The fast tests run ROUNDS times and the slow ones (the profile `slow` of
# .config/nextest.toml, and the documentation's) a fifth of that, first on a quiet machine and then beside
# busy loops on all cores. No test is tried again. Fails when anything failed once.
set -uo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-100}
slow_rounds=$(((rounds + 4) / 5))
# Many of the fast tests wait for a time to pass, and need no core meanwhile.
threads=$((2 * $(nproc)))
export INSTA_UPDATE=no CARGO_TERM_COLOR=never

cargo nextest --version >/dev/null 2>&1 ||
  { echo "cargo-nextest is missing: cargo install --locked cargo-nextest, or https://get.nexte.st" >&2; exit 1; }
log=$(mktemp)

loops=()
end_loops() {
  [ "${#loops[@]}" = 0 ] || kill "${loops[@]}" 2>/dev/null
  [ "${#loops[@]}" = 0 ] || wait "${loops[@]}" 2>/dev/null
  loops=()
}
trap end_loops EXIT
trap 'exit 130' INT TERM HUP

begin_loops() {
  local core
  for ((core = 0; core < $(nproc); core++)); do
    # Each ends with this script, also where that is killed.
    bash -c 'while kill -0 "$1" 2>/dev/null; do for ((i = 0; i < 100000; i++)); do :; done; done' busy "$$" &
    loops+=("$!")
  done
}

# name, then the command: runs it, and keeps what it says of tests that failed.
summary=()
failed=0
step() {
  local name=$1 begin=$SECONDS verdict=ok
  shift
  printf '\n==> %s: %s\n' "$name" "$*"
  "$@" 2>&1 | tee "$log"
  if [ "${PIPESTATUS[0]}" != 0 ]; then
    verdict=FAILED
    failed=1
  fi
  summary+=("$name: $verdict, $((SECONDS - begin)) s")
  if [ "$verdict" = FAILED ]; then
    while IFS= read -r line; do summary+=("    $line"); done < <(
      grep -oE '(FAIL|TIMEOUT|SIG[A-Z]+|LEAK-FAIL) +\[[^]]*\].*|^test .* FAILED$' "$log" |
        sed -E 's/ *\[[^]]*\] *//; s/\([^)]*\)//' | sort | uniq -c | sort -rn
    )
  fi
}

# where: runs all tests, each the given number of times.
all() {
  local where=$1 round
  step "$where, fast, $rounds rounds" cargo nextest run --workspace --locked --profile fast \
    --test-threads "$threads" --stress-count "$rounds"
  step "$where, slow, $slow_rounds rounds" cargo nextest run --workspace --locked --profile slow --stress-count "$slow_rounds"
  for ((round = 1; round <= slow_rounds; round++)); do
    step "$where, documentation, round $round" cargo test --workspace --locked --quiet --doc
  done
}

step "build" cargo nextest run --workspace --locked --no-run
if [ "$failed" = 0 ]; then
  all quiet
  begin_loops
  all loaded
  end_loops
fi
rm -f "$log"
printf '\n==> summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
