#!/usr/bin/env bash
# Compares the sandbox with a server behind the same TLS that answers 204 to everything: suspensions over
# kept-alive mutual TLS, both measured by ab (Debian: apache2-utils) in turns of one run.
# compare.sh [REQUESTS] [CONCURRENCY] [ROUNDS]
set -euo pipefail
requests=${1:-40000} concurrency=${2:-32} rounds=${3:-9}
. "$(dirname "$0")/common.sh"

start sandbox d1-sandbox serve --dir
sandbox=$server
start null null_server
null=$server

# Requests a second, from one run of ab.
measure() {
  suspend_by_ab "$1" -n "$requests" -c "$concurrency"
  awk '/Requests per second/ { print $4 }' "$work/ab.out"
}

for round in $(seq "$rounds"); do
  ours=$(measure sandbox)
  bare=$(measure null)
  awk -v o="$ours" -v b="$bare" -v r="$round" \
    'BEGIN { printf "round %d: sandbox %.0f/s, 204 behind the same TLS %.0f/s, ratio %.2f\n", r, o, b, o / b }'
done | tee "$work/rounds"
awk '{ print $NF }' "$work/rounds" | sort -n | awk '{ all[NR] = $1 } END { print "median ratio", all[int((NR + 1) / 2)] }'
echo "sandbox: $(resident "$sandbox") resident"
echo "null: $(resident "$null") resident"
