"""What schemathesis cannot make up from the document: cards that exist, assertions and JWEs that are meant.

Only calls that are meant to be valid are changed; what is meant to be refused stays as it is.
"""

import json
import os
import random
import subprocess

import requests
import schemathesis
from jwcrypto import jwe, jwk

CARDS = json.loads(os.environ["D1_CARDS"])
SESSION = requests.Session()
# The sandbox has its own CA, whichever authorities the machine trusts.
SESSION.trust_env = False
SESSION.verify = os.environ["D1_CA"]
SESSION.cert = (os.environ["D1_CLIENT_CERT"], os.environ["D1_CLIENT_KEY"])
CHANCE = random.Random(1)
with open(os.environ["D1_ENCRYPTION_JWK"]) as file:
    KEY = jwk.JWK.from_json(file.read())


def assertion():
    command = [os.environ["D1_SANDBOX"], "assertion"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def encrypted_credentials():
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": KEY["kid"]}
    plaintext = json.dumps({"pan": "4111111111111111", "exp": "1230"})
    token = jwe.JWE(plaintext.encode(), json.dumps(header))
    token.add_recipient(KEY)
    return token.serialize(compact=True)


def latest_operation(base_url, issuer, card, headers):
    url = f"{base_url}/banking/v1/issuers/{issuer}/cards/{card}/operations?limit=1"
    page = SESSION.get(url, headers=headers).json()
    return page.get("operations", [{}])[0].get("operationId")


def without_card_numbers(value):
    """A number of many digits may be a card number by chance, which is refused outside of a JWE."""
    if isinstance(value, dict):
        return {name: without_card_numbers(member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_card_numbers(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) >= 1e9:
        return 1
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.meta or not case.meta.generation.mode.is_positive:
        return
    path, body = case.path_parameters or {}, case.body
    if "cardId" in path and CHANCE.random() < 0.7:
        path["cardId"] = CHANCE.choice(CARDS)
        if "operationId" in path:
            headers = {"authorization": os.environ["D1_AUTHORIZATION"]}
            found = latest_operation(
                os.environ["D1_BASE_URL"], path["issuerId"], path["cardId"], headers
            )
            path["operationId"] = found or path["operationId"]
    if isinstance(body, dict):
        body = case.body = without_card_numbers(body)
        if "assertion" in body:
            body["assertion"] = assertion()
            body["grant_type"] = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        if "encryptedData" in body:
            body["encryptedData"] = encrypted_credentials()
        # The document is open to states that come later, and cannot say that the product stays.
        if "state" in body:
            body["state"] = CHANCE.choice(["ACTIVE", "INACTIVE"])
        if "newCardProductId" in body:
            body["newCardProductId"] = "PRODUCT-1"
