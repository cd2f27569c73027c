"""Prints JWEs and what must become of them, as JSON: jwe_cases.py [PUBLIC_JWK].

With a key, the cases are for its owner, who takes ECDH-ES with A256GCM alone.

The cases are rebuilt after the EC groups of Wycheproof's JWE vectors, by jwcrypto and not by the code that
is tested, because no package ships those vectors; names that begin with "rebuilt" say so. The two of RFC
7520 are the RFC's own, as jwcrypto ships them with its tests.
"""

import base64
import importlib.util
import json
import pathlib
import sys

import jwcrypto
from jwcrypto import jwe, jwk

ALGORITHMS = ["ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"]
ENCRYPTIONS = [
    "A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512",
]  # fmt: skip
CURVES = ["P-256", "P-384", "P-521"]
PLAINTEXT = b"foo"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token(key, algorithm, encryption):
    header = {"alg": algorithm, "enc": encryption, "kid": key["kid"]}
    made = jwe.JWE(PLAINTEXT, json.dumps(header))
    made.allowed_algs = ALGORITHMS + ENCRYPTIONS
    made.add_recipient(key)
    return made.serialize(compact=True)


def flipped(text):
    data = bytearray(decode(text))
    data[0] ^= 1
    return encode(bytes(data))


def with_header(parts, change):
    header = json.loads(decode(parts[0]))
    change(header)
    return [encode(json.dumps(header).encode())] + parts[1:]


def moved_point(header):
    x = bytearray(decode(header["epk"]["x"]))
    x[-1] ^= 1
    header["epk"]["x"] = encode(bytes(x))


def zero_point(header):
    header["epk"]["x"] = header["epk"]["y"] = encode(bytes(32))


def tampered(valid):
    """Names and tokens that must be refused, each made from a valid one."""
    parts = valid.split(".")
    names = ["Header", "EncryptedKey", "Iv", "Ciphertext", "AuthenticationTag"]
    for index, name in enumerate(names):
        if not parts[index]:
            continue
        changed = [flipped(part) if at == index else part for at, part in enumerate(parts)]
        if name != "Header":
            yield "Modified" + name, changed
        yield "Missing" + name, [("" if at == index else p) for at, p in enumerate(parts)]
        yield f"Missing{name}AndSeparator", parts[:index] + parts[index + 1 :]
    yield "ModifiedHeader", with_header(parts, lambda header: header.update(note="1"))
    yield "HeaderWithoutAlg", with_header(parts, lambda header: header.pop("alg"))
    yield "HeaderWithoutEnc", with_header(parts, lambda header: header.pop("enc"))
    yield "HeaderWithoutEpk", with_header(parts, lambda header: header.pop("epk"))
    yield "InvalidCurvePoint", with_header(parts, moved_point)
    yield "PointAtInfinity", with_header(parts, zero_point)
    yield "UnknownCritical", with_header(parts, lambda header: header.update(crit=["note"], note="1"))
    for cut in (1, 4, 8):
        yield f"TagTruncatedBy{cut}", parts[:4] + [encode(decode(parts[4])[:-cut])]
    yield "TagTooLong", parts[:4] + [encode(decode(parts[4]) + b"\0\0\0")]


def rebuilt(owner=None):
    if owner:
        keys, private = {"P-256": owner}, {"P-256": {}}
    else:
        keys = {curve: jwk.JWK.generate(kty="EC", crv=curve, kid="ec-" + curve) for curve in CURVES}
        private = {curve: json.loads(key.export_private()) for curve, key in keys.items()}
    for curve in keys:
        for algorithm in ALGORITHMS:
            for encryption in ENCRYPTIONS:
                is_taken = not owner or (algorithm, encryption) == ("ECDH-ES", "A256GCM")
                yield {
                    "name": f"rebuilt {curve} {algorithm} {encryption}",
                    "key": dict(private[curve], alg=algorithm),
                    "token": token(keys[curve], algorithm, encryption),
                    "plaintext": encode(PLAINTEXT) if is_taken else None,
                }
    for algorithm, encryption in [
        ("ECDH-ES", "A256GCM"),
        ("ECDH-ES+A128KW", "A128CBC-HS256"),
        ("ECDH-ES+A256KW", "A128GCM"),
    ]:
        valid = token(keys["P-256"], algorithm, encryption)
        for name, parts in tampered(valid):
            yield {
                "name": f"rebuilt {algorithm} {encryption} {name}",
                "key": dict(private["P-256"], alg=algorithm),
                "token": ".".join(parts),
                "plaintext": None,
            }


def rfc7520():
    path = pathlib.Path(jwcrypto.__file__).parent / "tests-cookbook.py"
    loader = importlib.util.spec_from_file_location("cookbook", path)
    book = importlib.util.module_from_spec(loader)
    loader.loader.exec_module(book)
    for section, key, compact in [
        ("5.4", book.EC_key_5_4_1, book.JWE_compact_5_4_5),
        ("5.5", book.EC_key_5_5_1, book.JWE_compact_5_5_5),
    ]:
        plaintext = book.Payload_plaintext_5
        algorithm = json.loads(decode(compact.split(".")[0]))["alg"]
        yield {
            "name": f"RFC 7520 {section}",
            "key": dict(key, alg=algorithm),
            "token": compact,
            "plaintext": encode(plaintext),
        }


if len(sys.argv) > 1:
    owner = jwk.JWK.from_json(pathlib.Path(sys.argv[1]).read_text())
    cases = list(rebuilt(owner))
else:
    cases = list(rfc7520()) + list(rebuilt())
print(json.dumps(cases))
