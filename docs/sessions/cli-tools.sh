# A sandbox of d1's own; the completions and the manual.
d1 sandbox --dir own >own.env 2>own.log & own=$!
until grep -q Ctrl-C own.env; do sleep 0.1; done; cat own.env
(. ./own.env; d1 card suspend ReplaceMe01 --quiet && echo suspended)
kill $own; wait $own
d1 completions bash >d1.bash; grep complete d1.bash | head -1
d1 man manual; ls manual | head -4
