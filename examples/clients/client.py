"""A client of D1 in Python: needs `pip install jwcrypto`, and the variables of the sandbox's d1.env."""

import json
import os
import ssl
import time
import uuid
from http.client import HTTPSConnection
from urllib.parse import quote, urlencode, urlsplit

from jwcrypto import jwe, jwk, jwt

ISSUER = os.environ["D1_ISSUER_ID"]


class D1:
    """One client for each process: it keeps its access token."""

    def __init__(self):
        # D1 asks for the client certificate at every call, that of the token included.
        self.tls = ssl.create_default_context(cafile=os.environ.get("D1_CA"))
        self.tls.load_cert_chain(os.environ["D1_CLIENT_CERT"], os.environ["D1_CLIENT_KEY"])
        with open(os.environ["D1_SIGNING_KEY"], "rb") as file:
            self.signing_key = jwk.JWK.from_pem(file.read())
        with open(os.environ["D1_ENCRYPTION_JWK"], encoding="utf-8") as file:
            self.encryption_key = jwk.JWK.from_json(file.read())
        self.token, self.token_ends = None, 0.0

    def send(self, method, path, body=None, headers=None):
        """Sends one request. Returns the status and the body, if it is JSON."""
        host = urlsplit(os.environ["D1_BASE_URL"])
        connection = HTTPSConnection(host.hostname, host.port, timeout=30, context=self.tls)
        try:
            common = {"accept": "application/json", "user-agent": "python-client/1"}
            connection.request(method, path, body, {**common, **(headers or {})})
            response = connection.getresponse()
            text = response.read()
            is_json = "json" in (response.headers.get("content-type") or "")
            return response.status, json.loads(text) if text and is_json else None
        finally:
            connection.close()

    def access_token(self):
        """Exchanges a signed assertion for a token, and keeps it until a minute before its end."""
        if time.monotonic() < self.token_ends - 60:
            return self.token
        claims = {"iss": ISSUER, "sub": ISSUER, "exp": int(time.time()) + 300}
        header = {"alg": "ES256", "kid": os.environ["D1_SIGNING_KID"], "typ": "JWT"}
        assertion = jwt.JWT(header, claims)
        assertion.make_signed_token(self.signing_key)
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        form = urlencode({"grant_type": grant, "assertion": assertion.serialize()})
        kind = {"content-type": "application/x-www-form-urlencoded"}
        status, answer = self.send("POST", "/authz/v1/oauth2/token", form, kind)
        if status != 200:
            raise RuntimeError(f"no token: {status} {answer}")
        self.token = answer["access_token"]
        self.token_ends = time.monotonic() + answer["expires_in"]
        return self.token

    def encrypt(self, credentials):
        """Encrypts PAN and expiry to D1's key."""
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": self.encryption_key.get("kid")}
        box = jwe.JWE(json.dumps(credentials).encode(), json.dumps(header))
        box.add_recipient(self.encryption_key)
        return box.serialize(compact=True)

    def card(self, method, card, suffix="", body=None):
        """Calls one operation of a card."""
        path = f"/banking/v1/issuers/{ISSUER}/cards/{quote(card)}/operations{suffix}"
        headers = {
            "authorization": f"Bearer {self.access_token()}",
            "x-correlation-id": str(uuid.uuid4()),
        }
        if body is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(body)
        status, answer = self.send(method, path, body, headers)
        if not 200 <= status <= 299:
            # After a 5xx, a timeout or a lost connection the change may have been made: list the operations first.
            raise RuntimeError(f"{card}{suffix}: {status} {answer}")
        return answer


if __name__ == "__main__":
    d1 = D1()
    d1.card("POST", "ReplaceMe01", ":suspend", {"reasonCode": "ISSUER_DECISION"})
    d1.card("POST", "ReplaceMe01", ":resume", {"reason": "customer called back"})
    encrypted = d1.encrypt({"pan": "5555555555554444", "exp": "1233"})
    d1.card("POST", "ReplaceMe01", ":renew", {"newCardId": "ReplaceMe02", "encryptedData": encrypted})
    for operation in d1.card("GET", "ReplaceMe02", "?limit=3")["operations"]:
        print(operation["operation"], operation["status"])
