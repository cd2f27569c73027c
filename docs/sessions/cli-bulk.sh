# A bulk with a card that is not there; the same journal once more; and a line that is bad.
printf '%s\n' '{"operation":"suspend","cardId":"ReplaceMe01","reason":"lost","key":"row 1"}' '{"operation":"suspend","cardId":"ReplaceMe99","key":"row 2"}' > requests.ndjson
d1 bulk requests.ndjson --journal journal.ndjson --concurrency 1 --output ndjson
d1 bulk requests.ndjson --resume journal.ndjson
echo '{"operation":"stop","cardId":"ReplaceMe01"}' >> requests.ndjson
d1 bulk requests.ndjson --strict
