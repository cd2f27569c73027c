#!/usr/bin/env bash
# Suspends a card over kept-alive mutual TLS for minutes, by ab (Debian: apache2-utils), and prints once a
# minute how many requests were answered and how much memory the sandbox holds.
# soak.sh [MINUTES] [CONCURRENCY]
set -euo pipefail
minutes=${1:-10} concurrency=${2:-32}
. "$(dirname "$0")/common.sh"

start sandbox d1-sandbox serve --dir
echo "at the start: $(resident "$server")"
for minute in $(seq "$minutes"); do
  suspend_by_ab sandbox -t 60 -n 100000000 -c "$concurrency"
  answered=$(awk '/Complete requests/ { print $3 }' "$work/ab.out")
  echo "minute $minute: $answered answered, $(resident "$server")"
done
