#!/usr/bin/env bash
# Runs the service with a PostgreSQL and a sandbox of its own, orders a few changes, and stays until Ctrl-C.
#
# run.sh test [FILTER]  runs the tests of the service instead, those that need PostgreSQL too.
# run.sh once           ends after the orders.
#
# PORT and INBOUND_PORT are those of the service, 8080 and 8443 by default; `once` takes free ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/postgres.sh

command -v cargo >/dev/null || missing "cargo"
command -v curl >/dev/null || missing "curl (apt-get install curl)"
work=$(mktemp -d)
processes=()
end() {
  local status=$?
  for process in "${processes[@]}"; do
    kill "$process" 2>/dev/null || true
  done
  wait
  stop_postgres
  rm -rf "$work"
  exit "$status"
}
trap end EXIT

start_postgres "$work"
if [ "${1:-}" = test ]; then
  cargo test --locked --workspace --test service -- "${@:2}"
  exit
fi

cargo build --quiet --locked --workspace --bin d1-sandbox --bin issuer-service
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# Prints a port on which no one listens. The system gives none of this range to connections of its own.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)) && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
  echo "$port"
}
[ "${1:-}" != once ] || { PORT=${PORT:-$(free_port)} INBOUND_PORT=${INBOUND_PORT:-$(free_port)}; }
port=${PORT:-8080} inbound=https://localhost:${INBOUND_PORT:-8443}

# Waits until a file has a text, while the process that writes it runs.
await() {
  until grep -qs "$2" "$1"; do
    kill -0 "$3" 2>/dev/null || { cat "$1" >&2; exit 1; }
  done
}

RUST_LOG=error "$target/debug/d1-sandbox" serve --dir "$work/d1" --control-port 0 \
  --issuer-endpoint "$inbound" --notify "$inbound" >"$work/sandbox.out" &
processes+=($!)
await "$work/sandbox.out" Ctrl-C $!
. "$work/d1/d1.env"
echo '{"ReplaceMe01": {"pan": "4111111111111111", "exp": "1233"}}' >"$work/vault.json"
export VAULT=$work/vault.json LISTEN=127.0.0.1:$port INBOUND_LISTEN=127.0.0.1:${inbound##*:}
export INBOUND_CERT=$work/d1/issuer-server.pem INBOUND_KEY=$work/d1/issuer-server.key
export INBOUND_CLIENT_CA=$work/d1/issuer-client-ca.pem
"$target/debug/issuer-service" >"$work/service.out" &
processes+=($!)
await "$work/service.out" '"started"' $!
until curl --silent --fail "http://127.0.0.1:$port/health/ready"; do kill -0 $! || exit 1; done

# Orders a change and shows the command and its answer.
order() {
  printf '\n$ curl -X POST -H "x-channel: web" -H "idempotency-key: %s" http://127.0.0.1:%s/cards/%s\n' "$2" "$port" "$1"
  curl --silent --show-error --fail-with-body -X POST -H "x-channel: web" -H "idempotency-key: $2" \
    "http://127.0.0.1:$port/cards/$1"
  echo
}
order ReplaceMe01/suspend order-1
order ReplaceMe01/suspend order-1
order ReplaceMe01/resume order-2
# D1 asks the service for the new expiry.
order ReplaceMe01/renew order-3
printf '\n$ curl http://127.0.0.1:%s/cards/ReplaceMe01/operations\n' "$port"
curl --silent --show-error --fail-with-body "http://127.0.0.1:$port/cards/ReplaceMe01/operations"
echo
[ "${1:-}" = once ] || { printf '\nThe page of D1: %s. Ctrl-C ends all.\n' "$D1_CONTROL_URL"; wait; }
