# A bulk with a card that is not there; what its journal says; the same journal once more; a line that is bad; and a
# spreadsheet, with the lines that are not done in a file.
printf '%s\n' '{"operation":"suspend","cardId":"ReplaceMe01","reason":"lost","key":"row 1"}' '{"operation":"suspend","cardId":"ReplaceMe99","key":"row 2"}' > requests.ndjson
d1 bulk requests.ndjson --concurrency 1 --output ndjson
d1 bulk report requests.ndjson.journal
d1 bulk requests.ndjson --resume requests.ndjson.journal
echo '{"operation":"stop","cardId":"ReplaceMe01"}' >> requests.ndjson
d1 bulk requests.ndjson
printf '%s\r\n' 'operation;cardId;reason;key' 'resume;ReplaceMe01;found;row 1' 'suspend;ReplaceMe99;lost;row 2' > cards.csv
d1 bulk cards.csv
d1 bulk cards.csv --format csv --failed failed.csv --quiet
cat failed.csv
