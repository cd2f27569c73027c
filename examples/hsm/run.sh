#!/usr/bin/env bash
# Starts an HSM in a process of its own, makes both keys of a client in it, and suspends a card at a sandbox.
# Fails when a private key could leave the HSM, or is found in the memory of the client's process.
#
# SoftHSM2 is a library, and its keys are in the memory of whatever process loads it. p11-kit loads it in a server;
# the client has p11-kit's own module, which passes each call on, as the module of an HSM in the network does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

missing() {
  echo "missing: $1" >&2
  exit 2
}

first() {
  ls "$@" 2>/dev/null | head -n 1
}

command -v softhsm2-util >/dev/null || missing "softhsm2-util (apt-get install softhsm2)"
command -v p11-kit >/dev/null || missing "p11-kit (apt-get install p11-kit p11-kit-modules)"
command -v openssl >/dev/null || missing "openssl (apt-get install openssl)"
softhsm=$(first /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so) || true
module=$(first /usr/lib/*/pkcs11/p11-kit-client.so /usr/lib/pkcs11/p11-kit-client.so) || true
[ -n "$softhsm" ] || missing "libsofthsm2.so (apt-get install softhsm2)"
[ -n "$module" ] || missing "p11-kit-client.so (apt-get install p11-kit-modules)"

cargo build --quiet --locked --workspace --bin hsm
target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

work=$(mktemp -d)
end() {
  local status=$?
  [ -z "${hsm:-}" ] || kill "$hsm" 2>/dev/null || true
  wait
  rm -rf "$work"
  exit "$status"
}
trap end EXIT

umask 077
mkdir "$work/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >"$work/softhsm2.conf"
pin=$(openssl rand -hex 8)
export SOFTHSM2_CONF=$work/softhsm2.conf
softhsm2-util --init-token --free --label d1 --so-pin "$(openssl rand -hex 8)" --pin "$pin" >/dev/null
p11-kit server --foreground --provider "$softhsm" --name "$work/socket" "pkcs11:token=d1" >"$work/hsm.log" 2>&1 &
hsm=$!
until [ -S "$work/socket" ]; do
  kill -0 "$hsm" 2>/dev/null || { cat "$work/hsm.log" >&2; echo "the HSM did not start" >&2; exit 1; }
done

# A key that the client reads from a file on purpose: the search of its memory must find this one.
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/control.key"
openssl pkey -in "$work/control.key" -pubout -out "$work/control.pub.pem"

unset SOFTHSM2_CONF
P11_KIT_SERVER_ADDRESS="unix:path=$work/socket" D1_HSM_MODULE=$module D1_HSM_PIN=$pin \
  D1_CONTROL_KEY=$work/control.key D1_CONTROL_PUBLIC_KEY=$work/control.pub.pem "$target/debug/hsm"
