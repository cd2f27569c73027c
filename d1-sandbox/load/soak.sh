#!/usr/bin/env bash
# Suspends a card over kept-alive mutual TLS for minutes, by ab (Debian: apache2-utils), and prints once a
# minute how many requests were answered and how much memory the sandbox holds.
# soak.sh [MINUTES] [CONCURRENCY]
set -euo pipefail
minutes=${1:-10} concurrency=${2:-32}
cd "$(dirname "$0")/../.."
cargo build --quiet --release --locked -p d1-sandbox
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT

RUST_LOG=warn "$target/release/d1-sandbox" serve --dir "$work/files" --control-port 0 >"$work/out" &
server=$!
until grep -q Ctrl-C "$work/out"; do :; done
. "$work/files/d1.env"
cat "$D1_CLIENT_CERT" "$D1_CLIENT_KEY" >"$work/client.pem"
printf '{"reasonCode":"ISSUER_DECISION"}' >"$work/body"
token=$(curl --silent --cacert "$D1_CA" --cert "$D1_CLIENT_CERT" --key "$D1_CLIENT_KEY" \
  "$D1_BASE_URL/authz/v1/oauth2/token" \
  --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
  --data-urlencode assertion="$("$target/release/d1-sandbox" assertion)" |
  sed 's/.*"access_token":"\([^"]*\)".*/\1/')

resident() {
  awk '/VmRSS/ { print $2, $3 }' "/proc/$server/status"
}

echo "at the start: $(resident)"
for minute in $(seq "$minutes"); do
  ab -q -k -E "$work/client.pem" -t 60 -n 100000000 -c "$concurrency" -p "$work/body" -T application/json \
    -H "authorization: Bearer $token" \
    "$D1_BASE_URL/banking/v1/issuers/$D1_ISSUER_ID/cards/ReplaceMe01/operations:suspend" >"$work/ab.out"
  grep -E 'Non-2xx' "$work/ab.out" || true
  echo "minute $minute: $(awk '/Complete requests/ { print $3 }' "$work/ab.out") answered, $(resident)"
done
