"""PyPI `jwcrypto` opens and encrypts; PyPI `PyJWT` verifies."""

import json
import sys

import jwt
from jwcrypto import jwe, jwk

given = json.load(open(sys.argv[1], encoding="utf-8"))
own = jwk.JWK(**given["privateKey"])
opened = []
for token in given["tokens"]:
    box = jwe.JWE(algs=["ECDH-ES", "A256GCM"])
    box.deserialize(token, key=own)
    opened.append(json.loads(box.payload))
theirs = jwk.JWK(**given["sandboxKey"])
header = json.dumps({"alg": "ECDH-ES", "enc": "A256GCM", "kid": given["sandboxKey"]["kid"]})
made = []
for plaintext in given["plaintexts"]:
    box = jwe.JWE(json.dumps(plaintext).encode(), header)
    box.add_recipient(theirs)
    made.append(box.serialize(compact=True))
claims = jwt.decode(
    given["assertion"],
    jwt.PyJWK(given["signingKey"], algorithm="ES256").key,
    algorithms=["ES256"],
    issuer=given["issuer"],
    options={"require": ["iss", "sub", "exp"], "verify_aud": False},
)
json.dump({"opened": opened, "made": made, "verified": claims["sub"] == given["issuer"]}, sys.stdout)
