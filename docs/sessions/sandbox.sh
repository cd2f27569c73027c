# The control port of a sandbox: a fault, a call that meets it, and what the sandbox saw.
curl -sS --json '{"kind":"status","status":429,"headers":{"retry-after":"0"},"operation":"suspendCard"}' "$D1_CONTROL_URL/api/faults"
cargo run --quiet --example quick_start
curl -sS "$D1_CONTROL_URL/metrics" | grep requests
curl -sS --json '{"consumerState":"INACTIVE"}' "$D1_CONTROL_URL/api/cards/ReplaceMe01"
curl -sS "$D1_CONTROL_URL/api/state" | grep -o '"cards":.*"operations":\['
curl -sS --json '{"kind":"disconnect","afterEffect":true,"operation":"suspendCard"}' "$D1_CONTROL_URL/api/faults"
cargo run --quiet --example quick_start
