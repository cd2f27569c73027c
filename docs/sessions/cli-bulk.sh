# A bulk with a refused line that holds back the next of its card; its journal, and the same once more; a bad line.
printf '%s\n' '{"operation":"suspend","cardId":"ReplaceMe01","reason":"lost","key":"row 1"}' '{"operation":"suspend","cardId":"ReplaceMe99","key":"row 2"}' '{"operation":"resume","cardId":"ReplaceMe99","key":"row 3"}' > requests.ndjson
d1 bulk requests.ndjson --concurrency 1 --output ndjson
d1 bulk report requests.ndjson.journal
d1 bulk requests.ndjson --resume requests.ndjson.journal
echo '{"operation":"stop","cardId":"ReplaceMe01"}' >> requests.ndjson
d1 bulk requests.ndjson
