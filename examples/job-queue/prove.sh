#!/usr/bin/env bash
# Suspends cards from several workers that are killed while they work, against a PostgreSQL and a sandbox of
# its own, and compares the record with what the sandbox did. Fails when anything is doubled, lost or
# unexplained.
#
# prove.sh [REQUESTS] [WORKERS] [FLAGS OF job-queue prove]
#
# PROFILE=release builds and runs what is optimized. MEASURE=1 compares the speed of 1, 2 and 4 workers
# instead, with nobody killed and nothing failing.
set -euo pipefail
requests=${1:-2000} workers=${2:-4}
shift $(($# < 2 ? $# : 2))
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

. examples/postgres.sh

[[ $requests =~ ^[1-9][0-9]{0,5}$ ]] || missing "REQUESTS, a number from 1 to 999999"
[[ $workers =~ ^[1-9][0-9]?$ ]] || missing "WORKERS, a number from 1 to 99"
command -v cargo >/dev/null || missing "cargo"

profile=${PROFILE:-dev}
cargo build --quiet --locked --profile "$profile" --workspace --bin d1-sandbox --bin job-queue
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=$target/${profile/#dev/debug}

work=$(mktemp -d)
end() {
  local status=$?
  [ -z "${sandbox:-}" ] || kill "$sandbox" 2>/dev/null || true
  stop_postgres
  wait
  rm -rf "$work"
  exit "$status"
}
trap end EXIT

start_postgres "$work"

# Every 1000th card is not known to D1, and every 2000th of the others cannot be handled by it.
awk -v n="$requests" 'BEGIN {
  print "cards:"
  for (i = 1; i <= n; i++) {
    if (i % 1000 == 500) continue
    printf "  - { id: Bulk%06d%s }\n", i, i % 2000 == 1000 && !ENVIRON["MEASURE"] ? ", damaged: true" : ""
  }
}' >"$work/cards.yaml"
RUST_LOG=error "$programs/d1-sandbox" serve --dir "$work/d1" --control-port 0 --cards "$work/cards.yaml" \
  >"$work/sandbox.out" &
sandbox=$!
until grep -qs Ctrl-C "$work/sandbox.out"; do
  kill -0 "$sandbox" 2>/dev/null || { echo "the sandbox did not start" >&2; exit 1; }
done
. "$work/d1/d1.env"

# The workers say in the log when a job is put off, which is what they are made to do here.
export RUST_LOG=${RUST_LOG:-job_queue=error,off}
if [ -n "${MEASURE:-}" ]; then
  "$programs/job-queue" measure --requests "$requests" "$@"
else
  kill_every=$((requests / 50 > 100 ? requests / 50 : 100))
  "$programs/job-queue" prove --requests "$requests" --workers "$workers" --kill-every "$kill_every" "$@"
fi
"$programs/job-queue" report
