#!/usr/bin/env bash
# Compares the sandbox with a server behind the same TLS that answers 204 to everything: suspensions over
# kept-alive mutual TLS, both measured by ab (Debian: apache2-utils) in turns of one run.
# compare.sh [REQUESTS] [CONCURRENCY] [ROUNDS]
set -euo pipefail
requests=${1:-40000} concurrency=${2:-32} rounds=${3:-9}
cd "$(dirname "$0")/../.."
cargo build --quiet --release --locked -p d1-sandbox
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT

for kind in sandbox null; do
  flags=()
  [ "$kind" = null ] && flags=(--null)
  RUST_LOG=warn "$target/release/d1-sandbox" serve --dir "$work/$kind" "${flags[@]}" >"$work/$kind.out" &
  until grep -q Ctrl-C "$work/$kind.out"; do :; done
done

# Requests a second, from one run of ab.
measure() {
  (
    . "$work/$1/d1.env"
    cat "$D1_CLIENT_CERT" "$D1_CLIENT_KEY" >"$work/client.pem"
    printf '{"reasonCode":"ISSUER_DECISION"}' >"$work/body"
    token=$(curl --silent --cacert "$D1_CA" --cert "$D1_CLIENT_CERT" --key "$D1_CLIENT_KEY" \
      "$D1_BASE_URL/authz/v1/oauth2/token" \
      --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
      --data-urlencode assertion="$("$target/release/d1-sandbox" assertion)" |
      sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    ab -q -k -E "$work/client.pem" -n "$requests" -c "$concurrency" -p "$work/body" -T application/json \
      -H "authorization: Bearer $token" \
      "$D1_BASE_URL/banking/v1/issuers/$D1_ISSUER_ID/cards/ReplaceMe01/operations:suspend" >"$work/ab.out"
    if grep -E 'Non-2xx|Failed requests: +[1-9]' "$work/ab.out" | grep -v 'Length'; then
      sed -n '/Failed/,/Non-2xx/p' "$work/ab.out" >&2
    fi
    awk '/Requests per second/ { print $4 }' "$work/ab.out"
  )
}

for round in $(seq "$rounds"); do
  ours=$(measure sandbox) bare=$(measure null)
  awk -v o="$ours" -v b="$bare" -v r="$round" \
    'BEGIN { printf "round %d: sandbox %.0f/s, 204 behind the same TLS %.0f/s, ratio %.2f\n", r, o, b, o / b }'
done | tee "$work/rounds"
awk '{ print $NF }' "$work/rounds" | sort -n | awk '{ all[NR] = $1 } END { print "median ratio", all[int((NR + 1) / 2)] }'
for kind in sandbox null; do
  pid=$(pgrep -f "serve --dir $work/$kind( |$)")
  echo "$kind: $(awk '/VmRSS/ { print $2, $3 }' "/proc/$pid/status") resident"
done
