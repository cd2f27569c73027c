# What compare.sh and soak.sh share; sourced, not run.
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo build --quiet --release --locked -p d1-sandbox -p d1-bench
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$work"' EXIT

# Starts a server, whose files go into a folder by its name, with its arguments; its process id is in $server.
start() {
  local name=$1
  shift
  RUST_LOG=warn "$target/release/$1" "${@:2}" "$work/$name" >"$work/$name.out" &
  server=$!
  until grep -q Ctrl-C "$work/$name.out"; do :; done
}

# Suspends a card by ab, with its flags; what ab says is in $work/ab.out.
suspend_by_ab() {
  local name=$1
  shift
  (
    # An assertion of the sandbox does for the other server as well.
    . "$work/sandbox/d1.env"
    . "$work/$name/d1.env"
    cat "$D1_CLIENT_CERT" "$D1_CLIENT_KEY" >"$work/client.pem"
    printf '{"reasonCode":"ISSUER_DECISION"}' >"$work/body"
    token=$(curl --silent --cacert "$D1_CA" --cert "$D1_CLIENT_CERT" --key "$D1_CLIENT_KEY" \
      "$D1_BASE_URL/authz/v1/oauth2/token" \
      --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer \
      --data-urlencode assertion="$("$target/release/d1-sandbox" assertion)" |
      sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    ab -q -k -E "$work/client.pem" "$@" -p "$work/body" -T application/json -H "authorization: Bearer $token" \
      "$D1_BASE_URL/banking/v1/issuers/$D1_ISSUER_ID/cards/ReplaceMe01/operations:suspend" >"$work/ab.out"
  )
  # A rate of refusals says nothing.
  if grep 'Non-2xx' "$work/ab.out" >&2; then
    exit 1
  fi
}

# How much memory a process holds.
resident() {
  awk '/VmRSS/ { print $2, $3 }' "/proc/$1/status"
}
