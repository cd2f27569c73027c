# Paths that have no command of their own.
d1 api GET '/banking/v1/issuers/{issuerId}/cards/ReplaceMe01/operations?limit=1'
d1 api POST '/banking/v1/issuers/{issuerId}/cards/ReplaceMe01/operations:suspend' --field reasonCode=CARD_LOST --yes
d1 api POST '/banking/v1/issuers/{issuerId}/cards/ReplaceMe01/operations:resume' --dry-run
