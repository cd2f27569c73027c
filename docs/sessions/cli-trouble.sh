# Bad input, a lost answer, and what the documentation says.
d1 card suspend 4111111111111111
d1 card suspend ReplaceMe01 --reason "lost, he says"
curl -sS --json '{"kind":"disconnect","afterEffect":true,"operation":"suspendCard"}' "$D1_CONTROL_URL/api/faults"
d1 card suspend ReplaceMe01 --reason "order 4711"
d1 explain 403 --operation resume
d1 explain UNKNOWN_OPERATION
d1 explain reason-codes --operation resume
d1 card suspend ReplaceMe01 --reason-code LOST
d1 --profile production card suspend ReplaceMe01
