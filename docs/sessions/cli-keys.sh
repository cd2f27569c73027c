# A signing key, a request for a certificate, and credentials for D1 alone.
d1 keygen signing.key
d1 csr client.key --common-name my-bank.example
d1 csr client.key --common-name my-bank.example
ls -l client.key signing.key | cut -c 1-10
echo '{"pan":"5555555555554444","exp":"1230"}' | d1 encrypt > card.jwe
printf '{"operation":"renew","cardId":"ReplaceMe01","encryptedData":"%s"}' "$(cat card.jwe)" | d1 bulk - --no-journal --quiet && echo renewed
