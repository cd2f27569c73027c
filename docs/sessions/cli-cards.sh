# A card through its life.
d1 card suspend ReplaceMe01 --reason-code CARD_LOST --reason "lost on a train"
d1 card resume ReplaceMe01 --reason-code CARD_FOUND --output json
d1 operations list ReplaceMe01 --limit 2
d1 operations get ReplaceMe01 op-000002 --digital-card
echo '{"pan":"5555555555554444","exp":"1230"}' | d1 card renew ReplaceMe01 --new-card-id ReplaceMe02 --state ACTIVE --credentials-from -
d1 card suspend ReplaceMe02 --reason-code FRAUD --dry-run
d1 card delete ReplaceMe02 --yes
d1 card suspend ReplaceMe02
