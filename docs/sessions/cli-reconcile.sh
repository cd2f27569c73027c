# A change whose outcome stays unknown at first, and one that was never made.
curl -sS --json '{"kind":"disconnect","afterEffect":true,"operation":"suspendCard"}' "$D1_CONTROL_URL/api/faults"
curl -sS --json '{"kind":"status","status":404,"operation":"listOperations"}' "$D1_CONTROL_URL/api/faults"
d1 card suspend ReplaceMe01 --reason "order 4711"
d1 reconcile ReplaceMe01 --operation suspend --since 10m --reason "order 4711"
d1 reconcile ReplaceMe01 --operation resume --since 10m --until 5m
